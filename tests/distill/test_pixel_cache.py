"""Mapped pixels are nerfstudio's, bit by bit, whatever happened to the cache before."""

import os
import threading

import numpy as np
import pytest
import torch
from PIL import Image

from samnerf.distill import pixel_cache
from samnerf.distill.pixel_cache import PixelCache
from samnerf.errors import SamNerfError

ONE_SIZE = ((40, 70),) * 4
SIZES = ((40, 70), (70, 40), (64, 64), (10, 10))


def assert_like_nerfstudio(cache, dataset):
    """Colours and masks of all pixels are those of nerfstudio's data set."""
    assert len(cache.images) == len(dataset)
    for i in range(len(dataset)):
        expected = dataset[i]
        pixels = cache.images[i].flatten(0, 1)
        inside = None if cache.masks is None else cache.masks[i].flatten(0, 1)
        colours = cache.colours(pixels, inside).view(*cache.images[i].shape[:2], -1)
        assert colours.dtype == torch.float32
        assert torch.equal(colours, expected["image"])
        assert (cache.masks is not None) == ("mask" in expected)
        assert cache.masks is None or torch.equal(cache.masks[i], expected["mask"])


def folders(cache):
    return sorted(path.name for path in cache.folder.parent.iterdir() if path.is_dir())


def refuse(*_args, **_kwargs):
    raise AssertionError("asked for what is there already")


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
@pytest.mark.parametrize("masks", [False, True], ids=["", "masked"])
@pytest.mark.parametrize("sizes", [ONE_SIZE, SIZES], ids=["one size", "sizes"])
def test_colours_and_masks_are_nerfstudios(noise, data_set, tmp_path, sizes, masks, mode):
    dataset = data_set(noise(sizes, modes=[mode], masks=masks))
    cache = PixelCache.open(dataset, tmp_path / "pixels", "train")
    assert_like_nerfstudio(cache, dataset)
    assert isinstance(cache.images, torch.Tensor) == (sizes is ONE_SIZE)


@pytest.mark.parametrize("scale", [0.5, 0.3])
def test_images_may_be_scaled(noise, data_set, tmp_path, scale):
    dataset = data_set(noise(SIZES, masks=True), scale)
    assert_like_nerfstudio(PixelCache.open(dataset, tmp_path / "pixels", "train"), dataset)


def test_a_background_is_laid_in_as_nerfstudio_does(noise, data_set, tmp_path):
    dataset = data_set(noise(ONE_SIZE, modes=["RGBA"]))
    dataset._dataparser_outputs.alpha_color = torch.tensor([0.3, 1.0, 0.0])
    assert_like_nerfstudio(PixelCache.open(dataset, tmp_path / "pixels", "train"), dataset)


def test_a_mask_colour_is_laid_in_as_nerfstudio_does(noise, data_set, tmp_path):
    dataset = data_set(noise(ONE_SIZE, masks=True), mask_color=(0.1, 0.5, 0.9))
    assert_like_nerfstudio(PixelCache.open(dataset, tmp_path / "pixels", "train"), dataset)


def test_among_transparent_images_the_others_are_opaque(noise, data_set, tmp_path):
    dataset = data_set(noise(ONE_SIZE, modes=["RGB", "RGBA"]))
    images = PixelCache.open(dataset, tmp_path / "pixels", "train").images
    for i in range(len(dataset)):
        pixels = dataset.get_numpy_image(i)
        assert np.array_equal(images[i][..., : pixels.shape[2]], pixels)
    assert (images[::2, ..., 3] == 255).all()


def test_the_batch_has_everything_a_pixel_sampler_asks_for(noise, data_set, tmp_path):
    cache = PixelCache.open(data_set(noise(ONE_SIZE, masks=True)), tmp_path / "pixels", "train")
    batch = cache.batch()
    assert batch["image_idx"].tolist() == [0, 1, 2]
    assert batch["image"].shape == (3, 40, 70, 3)
    assert batch["image"].dtype == torch.uint8
    assert batch["mask"].shape == (3, 40, 70, 1)
    assert batch["mask"].dtype == torch.bool


def test_a_later_run_decodes_nothing_and_writes_nothing(noise, data_set, tmp_path, monkeypatch):
    dataset = data_set(noise(SIZES))
    PixelCache.open(dataset, tmp_path / "pixels", "train")
    monkeypatch.setattr(dataset, "get_numpy_image", refuse)
    monkeypatch.setattr(pixel_cache, "sole_writer", refuse)
    again = PixelCache.open(dataset, tmp_path / "pixels", "train")
    monkeypatch.undo()
    assert_like_nerfstudio(again, dataset)


def test_a_killed_run_goes_on_where_it_was(noise, data_set, tmp_path, monkeypatch):
    dataset = data_set(noise(((40, 70),) * 9))
    decode, decoded = dataset.get_numpy_image, []

    def until_the_fourth(index):
        if len(decoded) == 4:
            raise KeyboardInterrupt
        decoded.append(index)
        return decode(index)

    monkeypatch.setattr(pixel_cache, "_THREADS", 1)
    monkeypatch.setattr(dataset, "get_numpy_image", until_the_fourth)
    with pytest.raises(KeyboardInterrupt):
        PixelCache.open(dataset, tmp_path / "pixels", "train")
    monkeypatch.setattr(dataset, "get_numpy_image", lambda index: decoded.append(index) or decode(index))
    cache = PixelCache.open(dataset, tmp_path / "pixels", "train")
    assert sorted(decoded) == list(range(8))
    monkeypatch.undo()
    assert_like_nerfstudio(cache, dataset)


def test_a_run_killed_before_the_first_image_leaves_nothing_behind_in_the_end(noise, data_set, tmp_path, monkeypatch):
    dataset = data_set(noise(SIZES))
    reserve = pixel_cache.reserve_array

    def killed(path, *kind):
        reserve(path, *kind)
        raise KeyboardInterrupt

    monkeypatch.setattr(pixel_cache, "reserve_array", killed)
    with pytest.raises(KeyboardInterrupt):
        PixelCache.open(dataset, tmp_path / "pixels", "train")
    monkeypatch.undo()
    cache = PixelCache.open(dataset, tmp_path / "pixels", "train")
    assert folders(cache) == [cache.folder.name]
    assert_like_nerfstudio(cache, dataset)


@pytest.mark.parametrize("changed", ["images/001.png", "masks/001.png"])
def test_a_changed_file_makes_a_new_cache_and_the_old_one_goes(noise, data_set, tmp_path, changed):
    capture = noise(ONE_SIZE, masks=True)
    dataset = data_set(capture)
    old = PixelCache.open(dataset, tmp_path / "pixels", "train")
    before = old.images.clone()
    inverted = 255 - np.asarray(Image.open(capture / changed))
    Image.fromarray(inverted).save(capture / changed)
    new = PixelCache.open(dataset, tmp_path / "pixels", "train")
    assert folders(new) == [new.folder.name]
    assert new.folder != old.folder
    assert_like_nerfstudio(new, dataset)
    assert torch.equal(old.images, before)  # of a training that still runs


def test_the_cache_of_another_data_set_stays(noise, data_set, tmp_path):
    dataset = data_set(noise(ONE_SIZE))
    caches = [PixelCache.open(dataset, tmp_path / "pixels", name) for name in ("train", "eval")]
    assert folders(caches[0]) == sorted(cache.folder.name for cache in caches)


def test_two_runs_at_once_decode_every_image_once(noise, data_set, tmp_path, monkeypatch):
    capture = noise(((40, 70),) * 6)
    decoded, both = [], threading.Barrier(2, timeout=30)
    caches = {}

    def run(dataset):
        decode = dataset.get_numpy_image
        dataset.get_numpy_image = lambda index: decoded.append(index) or decode(index)
        both.wait()
        caches[threading.get_ident()] = PixelCache.open(dataset, tmp_path / "pixels", "train")

    threads = [threading.Thread(target=run, args=(data_set(capture),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(decoded) == list(range(5))
    for cache in caches.values():
        assert_like_nerfstudio(cache, data_set(capture))


def test_a_disk_too_small_is_found_out_at_once(noise, data_set, tmp_path, monkeypatch):
    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(SamNerfError, match=r"no space left .* 3 images need .* GB .*--pipeline.datamanager.pixels"):
        PixelCache.open(data_set(noise(ONE_SIZE)), tmp_path / "pixels", "train")
    assert [path.name for path in (tmp_path / "pixels").iterdir()] == [".lock"]


def test_a_folder_that_cannot_be_written_is_named_with_the_option(noise, data_set, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_args: False)
    with pytest.raises(SamNerfError, match=rf"cannot write into {tmp_path}, .*--pipeline.datamanager.pixels"):
        PixelCache.open(data_set(noise(ONE_SIZE)), tmp_path / "features/pixels", "train")


def test_a_truncated_cache_is_named(noise, data_set, tmp_path):
    dataset = data_set(noise(ONE_SIZE))
    folder = PixelCache.open(dataset, tmp_path / "pixels", "train").folder
    os.truncate(folder / "pixels.npy", 1000)
    with pytest.raises(SamNerfError, match=r"pixels.npy is truncated .*; delete .*train-"):
        PixelCache.open(dataset, tmp_path / "pixels", "train")


def test_a_mask_of_another_size_is_named(noise, data_set, tmp_path):
    capture = noise(ONE_SIZE, masks=True)
    Image.fromarray(np.zeros((20, 35), np.uint8)).save(capture / "masks/001.png")
    with pytest.raises(SamNerfError, match=r"masks/001.png has 35 x 20 pixels where its image had 70 x 40"):
        PixelCache.open(data_set(capture), tmp_path / "pixels", "train")
