"""Batches come from mapped pixels, and memory does not grow with the images."""

import copy
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from nerfstudio.data.datamanagers import base_datamanager

from samnerf.configs.methods import samnerf_distill, samnerf_no_distill, samnerf_tiny
from samnerf.distill.pixel_sampler import CellPixelSampler
from samnerf.feature_map import Layout

pytestmark = [
    pytest.mark.filterwarnings("ignore:This DataLoader will create"),
    pytest.mark.filterwarnings("ignore:Using a non-tuple sequence for multidimensional indexing"),
]

METHODS = [samnerf_distill, samnerf_no_distill, samnerf_tiny]
ONE_SIZE = ((24, 32),) * 5
SIZES = ((24, 32), (32, 24), (20, 20), (24, 32))
LAYOUT: Layout = "letterbox"


def manager(capture, method=samnerf_distill, **changes):
    config = copy.deepcopy(method.config.pipeline.datamanager)
    config.data = capture
    config.train_num_rays_per_batch = config.eval_num_rays_per_batch = 256
    for name, value in changes.items():
        setattr(config, name, value)
    return config.setup(device="cpu", test_mode="val")


def assert_colours_of(dataset, batch):
    assert len(batch["image"]) == 256
    for index in batch["indices"][:, 0].unique().tolist():
        here = batch["indices"][:, 0] == index
        _, rows, columns = batch["indices"][here].T
        assert torch.equal(batch["image"][here], dataset[index]["image"][rows, columns])


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.config.method_name)
@pytest.mark.parametrize("sizes", [ONE_SIZE, SIZES], ids=["one size", "sizes"])
def test_every_method_samples_the_data_sets_colours_and_loads_no_image(noise, monkeypatch, method, sizes):
    monkeypatch.setattr(base_datamanager, "CacheDataloader", None)
    made = manager(noise(sizes), method)
    assert_colours_of(made.train_dataset, made.next_train(0)[1])
    assert_colours_of(made.eval_dataset, made.next_eval(0)[1])


@pytest.mark.parametrize("sizes", [ONE_SIZE, SIZES], ids=["one size", "sizes"])
def test_cells_and_masks_of_mapped_images(noise, sizes):
    made = manager(noise(sizes, masks=True))
    next(made.iter_train_image_dataloader)
    made.train_pixel_sampler = CellPixelSampler(256, 0.0, 8, LAYOUT, 2)
    _, batch = made.next_train(0)
    assert_colours_of(made.train_dataset, batch)
    assert batch["mask"].all()
    assert batch["indices"][:, 0].unique().tolist() == list(range(len(sizes) - 1))


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.config.method_name)
@pytest.mark.parametrize("sizes", [ONE_SIZE, (*SIZES, SIZES[0])], ids=["one size", "sizes"])
def test_every_method_draws_inside_masks_only(noise, method, sizes):
    made = manager(noise(sizes, masks=True), method)
    for dataset, (_, batch) in ((made.train_dataset, made.next_train(0)), (made.eval_dataset, made.next_eval(0))):
        assert_colours_of(dataset, batch)
        assert batch["mask"].all()


def test_nerfstudios_way_of_using_less_memory_still_works(noise):
    made = manager(noise(ONE_SIZE), train_num_images_to_sample_from=2, train_num_times_to_repeat_images=1)
    _, batch = made.next_train(0)
    assert_colours_of(made.train_dataset, batch)
    assert len(batch["indices"][:, 0].unique()) == 2
    assert not made.pixel_folder.exists()


def test_pixels_lie_beside_the_features_unless_told_otherwise(noise, tmp_path):
    capture = noise(ONE_SIZE)
    assert manager(capture).pixel_folder == capture / "features/pixels"
    assert manager(capture / "transforms.json").pixel_folder == capture / "features/pixels"
    assert manager(capture, samnerf_no_distill).pixel_folder == capture / "features/pixels"
    assert manager(capture, features=tmp_path / "f").pixel_folder == tmp_path / "f/pixels"
    assert manager(capture, features=tmp_path / "f", pixels=tmp_path / "p").pixel_folder == tmp_path / "p"


def test_evaluation_of_whole_images_decodes_nothing_else(noise):
    made = manager(noise(ONE_SIZE))
    _, batch = made.next_eval_image(0)
    assert torch.equal(batch["image"], made.eval_dataset[0]["image"])
    assert not made.pixel_folder.exists()


PROGRAM = """
import copy, gc, sys
from pathlib import Path
from samnerf.configs.methods import samnerf_distill, samnerf_no_distill

def taken():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) * 1024

for method in (samnerf_distill, samnerf_no_distill):
    for capture in sys.argv[1:]:
        config = copy.deepcopy(method.config.pipeline.datamanager)
        config.data = Path(capture)
        made = config.setup(device="cpu", test_mode="val")
        for step in range(20):
            made.next_train(step)
            made.next_eval(step)
        print("taken", taken())
        del made
        gc.collect()
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux")
def test_memory_does_not_grow_with_the_images(noise):
    size, counts = (480, 640), (8, 57)
    captures = [str(noise((size,) * count, name=str(count), blocks=16)) for count in counts]
    run = subprocess.run([sys.executable, "-c", PROGRAM, *captures], check=True, capture_output=True, text=True)
    taken = [int(line.split()[1]) for line in run.stdout.splitlines() if line.startswith("taken")]
    pixels = (counts[1] - counts[0]) * size[0] * size[1]
    for few, many in (taken[:2], taken[2:]):
        # A pixel takes 3 bytes on the disk, and 12 in nerfstudio's memory; decoding takes a few images' worth.
        assert many - few < 2 * pixels
