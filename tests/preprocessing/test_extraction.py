"""Extraction fills a store with what the encoder says of every image, however often it is interrupted."""

import io
import multiprocessing
import os
import signal
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from rich.console import Console

from samnerf.cli.extract import Extract
from samnerf.errors import SamNerfError
from samnerf.feature_store import FeatureStore, sole_writer, store_folder
from samnerf.preprocessing import extraction
from samnerf.preprocessing.captures import read_capture
from samnerf.preprocessing.extraction import extract_features, extract_store
from samnerf.preprocessing.images import read_image

MIXED = ((24, 32), (32, 24), (16, 16), (10, 40), (40, 10))


def assert_holds_what_the_encoder_says(store, capture, encoder, layout):
    assert store.complete
    for frame in capture.frames:
        expected, got = encoder.encode(read_image(frame.image), layout), store.map(frame.name)
        assert torch.equal(got.values, expected.values.half().float())
        assert (got.image_size, got.layout, got.teacher) == (frame.size, layout, encoder.name)
        assert (got.summary is None) == (expected.summary is None)


@pytest.mark.parametrize("layout", ["letterbox", "stretch", None])
@pytest.mark.parametrize("summary", [False, True])
def test_every_image_of_any_aspect_is_encoded_once(photographs, colour_encoder, layout, summary):
    capture = read_capture(photographs(MIXED).folder)
    encoder = colour_encoder(summary)
    store = extract_store(capture, encoder, layout)
    assert store.folder == store_folder(capture.features, "colours", layout or "letterbox")
    assert len(encoder.seen) == len(MIXED)
    for image, frame in zip(encoder.seen, capture.frames, strict=True):
        assert np.array_equal(image, read_image(frame.image))
    assert_holds_what_the_encoder_says(store, capture, colour_encoder(summary), layout or "letterbox")


def test_a_complete_store_is_not_made_again(photographs, colour_encoder):
    capture = read_capture(photographs().folder)
    extract_store(capture, colour_encoder())
    encoder = colour_encoder()
    assert extract_store(capture, encoder).complete
    assert encoder.seen == []


def test_features_can_lie_elsewhere(photographs, colour_encoder, tmp_path):
    capture = read_capture(photographs().folder)
    store = extract_store(capture, colour_encoder(), features=tmp_path / "elsewhere")
    assert store.folder == tmp_path / "elsewhere" / "colours-letterbox"
    assert not capture.features.exists()


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SamNerfError, RuntimeError])
@pytest.mark.parametrize("after", range(4))
def test_an_interrupted_extraction_goes_on_where_it_stopped(photographs, colour_encoder, stop, after):
    capture = read_capture(photographs([(8, 8)] * 4).folder)

    class Interrupted(colour_encoder):
        def encode(self, image, layout=None):
            if len(self.seen) == after:
                raise stop("now")
            return super().encode(image, layout)

    said = io.StringIO()
    first, second = Interrupted(), colour_encoder()
    with pytest.raises(stop, match="now"):
        extract_store(capture, first, console=Console(file=said, width=300))
    if stop is not RuntimeError:
        kept = "no image was done yet" if after == 0 else f"features of {after} of 4 images are kept in"
        assert kept in said.getvalue()
        assert after == 0 or "the same command resumes there" in said.getvalue()
    store = extract_store(capture, second)
    assert (len(first.seen), len(second.seen)) == (after, 4 - after)
    assert_holds_what_the_encoder_says(store, capture, colour_encoder(), "letterbox")


def test_a_killed_process_leaves_a_store_that_the_next_one_completes(photographs, colour_encoder, tmp_path):
    capture = read_capture(photographs([(8, 8)] * 40).folder)
    folder, log = store_folder(capture.features, "colours", "letterbox"), tmp_path / "log"

    class Logged(colour_encoder):
        def encode(self, image, layout=None):
            with log.open("a") as file:
                file.write("encoding\n")
            time.sleep(0.005)
            return super().encode(image, layout)

    def encoded():
        return len(log.read_text().splitlines()) if log.exists() else 0

    for images in (3, 14, 25):
        process = multiprocessing.get_context("fork").Process(target=extract_store, args=(capture, Logged()))
        process.start()
        while encoded() < images:
            time.sleep(0.001)
        time.sleep(0.003)  # anywhere in the work on an image
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        done = 40 - len(FeatureStore.open(folder).missing)
        assert images - 4 <= done < 40
    store = extract_store(capture, Logged())
    assert_holds_what_the_encoder_says(store, capture, colour_encoder(), "letterbox")
    assert 40 <= encoded() <= 43  # of each killed process, at most the image at work was encoded again


def test_a_store_of_other_weights_or_images_is_refused_before_anything_is_encoded(photographs, colour_encoder):
    capture = photographs([(8, 8)] * 3)
    extract_store(read_capture(capture.folder), colour_encoder())
    other = colour_encoder()
    other.weights_hash = "decaf"
    with pytest.raises(SamNerfError, match=r"by other weights of 'colours' \(hash c0ffee, now decaf\)"):
        extract_store(read_capture(capture.folder), other)
    capture.image(1).write_bytes(capture.image(2).read_bytes())
    with pytest.raises(SamNerfError, match=r"was made of other images: the file of 'frame_0001' has changed"):
        extract_store(read_capture(capture.folder), colour_encoder())
    del capture.frames[1]
    with pytest.raises(SamNerfError, match=r"'frame_0001' is no longer in the capture"):
        extract_store(read_capture(capture.save()), colour_encoder())
    assert other.seen == []


def test_an_image_that_cannot_be_decoded_is_named_and_those_before_it_are_kept(photographs, colour_encoder):
    capture = photographs([(16, 16)] * 6)
    path = capture.image(4)
    whole = path.read_bytes()
    path.write_bytes(whole[:-40])
    with pytest.raises(SamNerfError, match=r"frame_0004.png cannot be read, it may be truncated"):
        extract_store(read_capture(capture.folder, decode=False), colour_encoder())
    store = FeatureStore.open(store_folder(capture.folder / "features", "colours", "letterbox"))
    assert store.missing == ("frame_0004", "frame_0005")


def test_two_processes_do_not_write_one_store(photographs, colour_encoder):
    capture = read_capture(photographs().folder)
    with (
        sole_writer(store_folder(capture.features, "colours", "letterbox")),
        pytest.raises(SamNerfError, match=r"another process is extracting into .*colours-letterbox"),
    ):
        extract_store(capture, colour_encoder())


class TestBatches:
    """Of an encoder that takes several images at once."""

    @pytest.fixture
    def batch_encoder(self, colour_encoder):
        """Its instances keep the sizes of the batches they were given; `first` is what they take at first."""

        class Batched(colour_encoder):
            def __init__(self, first=3):
                super().__init__()
                self.batch_size = first
                self.batches = []

            def encode_batch(self, images, layout=None):
                self.batches.append(len(images))
                return [self.encode(image, layout) for image in images]

            def compile(self):
                self.compiled = True

        return Batched

    def test_hold_every_image_once_in_the_order_of_the_frames(self, photographs, batch_encoder, colour_encoder):
        capture = read_capture(photographs(MIXED * 2).folder)
        encoder = batch_encoder(4)
        store = extract_store(capture, encoder)
        assert encoder.batches == [4, 4, 2]
        for image, frame in zip(encoder.seen, capture.frames, strict=True):
            assert np.array_equal(image, read_image(frame.image))
        assert_holds_what_the_encoder_says(store, capture, colour_encoder(), "letterbox")

    def test_follow_a_size_that_shrinks(self, photographs, batch_encoder):
        class Shrinking(batch_encoder):
            def encode_batch(self, images, layout=None):
                self.batch_size = 2
                return super().encode_batch(images, layout)

        encoder = Shrinking(4)
        assert extract_store(read_capture(photographs([(8, 8)] * 9).folder), encoder).complete
        assert encoder.batches == [4, 2, 2, 1]

    def test_that_are_interrupted_go_on_after_the_last_whole_one(self, photographs, batch_encoder, colour_encoder):
        capture = read_capture(photographs([(8, 8)] * 7).folder)

        class Interrupted(batch_encoder):
            def encode_batch(self, images, layout=None):
                if len(self.batches) == 2:
                    raise KeyboardInterrupt
                return super().encode_batch(images, layout)

        first, second = Interrupted(), batch_encoder()
        with pytest.raises(KeyboardInterrupt):
            extract_store(capture, first)
        store = extract_store(capture, second)
        assert (first.batches, second.batches) == ([3, 3], [1])
        assert_holds_what_the_encoder_says(store, capture, colour_encoder(), "letterbox")

    def test_a_killed_process_loses_no_more_than_the_batch_at_work(self, photographs, batch_encoder, colour_encoder):
        capture = read_capture(photographs([(8, 8)] * 20).folder)
        folder = store_folder(capture.features, "colours", "letterbox")

        class Killed(batch_encoder):
            def encode_batch(self, images, layout=None):
                if len(self.batches) == 3:
                    os.kill(os.getpid(), signal.SIGKILL)
                return super().encode_batch(images, layout)

        process = multiprocessing.get_context("fork").Process(target=extract_store, args=(capture, Killed(4)))
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        assert FeatureStore.open(folder).missing == tuple(frame.name for frame in capture.frames[12:])
        store = extract_store(capture, batch_encoder(4))
        assert_holds_what_the_encoder_says(store, capture, colour_encoder(), "letterbox")

    def test_images_before_one_that_cannot_be_decoded_are_kept(self, photographs, batch_encoder):
        capture = photographs([(16, 16)] * 6)
        path = capture.image(4)
        path.write_bytes(path.read_bytes()[:-40])
        encoder = batch_encoder(3)
        with pytest.raises(SamNerfError, match=r"frame_0004.png cannot be read, it may be truncated"):
            extract_store(read_capture(capture.folder, decode=False), encoder)
        assert encoder.batches == [3, 1]
        store = FeatureStore.open(store_folder(capture.folder / "features", "colours", "letterbox"))
        assert store.missing == ("frame_0004", "frame_0005")

    def test_no_more_images_are_decoded_ahead_than_memory_was_promised(self, photographs, batch_encoder, monkeypatch):
        decoded, most = [], []
        read = extraction.read_image
        monkeypatch.setattr(extraction, "read_image", lambda path: decoded.append(path) or read(path))

        class Slow(batch_encoder):
            def encode_batch(self, images, layout=None):
                time.sleep(0.05)
                most.append(len(decoded) - len(self.seen))
                return super().encode_batch(images, layout)

        extract_store(read_capture(photographs([(8, 8)] * 30).folder), Slow(4))
        assert 4 < max(most) <= 4 + 4 + 3

    @pytest.mark.parametrize("compiled", [False, True])
    def test_an_encoder_is_compiled_on_request(self, photographs, batch_encoder, monkeypatch, compiled):
        encoder = batch_encoder()
        monkeypatch.setattr(extraction, "load_encoder", lambda pair, kind, device: encoder)
        Extract((photographs().folder,), kinds=("sam",), device="cpu", compile=compiled).run()
        assert hasattr(encoder, "compiled") == compiled


@pytest.mark.parametrize("kinds", [("sam",), ("sam", "clipseg")])
def test_sam_2_is_refused_before_anything_is_loaded(tmp_path, kinds):
    with pytest.raises(SamNerfError, match=r"no scene can be distilled from sam2-hiera-small: .*segment --image"):
        extract_features(tmp_path, "sam2-hiera-small", kinds)
    with pytest.raises(SamNerfError, match="there are no teachers called 'sam3'; choose one of tiny, sam-vit-b"):
        Extract((tmp_path,), teachers="sam3").run()


def test_finer_levels_are_not_dropped_in_silence(photographs, colour_encoder):
    class Finer(colour_encoder):
        def encode(self, image, layout=None):
            return replace(super().encode(image, layout), finer=(torch.zeros(2, 16, 16),))

    with pytest.raises(SamNerfError, match="colours has finer feature levels, which a feature store does not keep"):
        extract_store(read_capture(photographs().folder), Finer())


@pytest.fixture
def loaded(monkeypatch, colour_encoder):
    """Encoders are loaded from here; the fixture is the list of what was asked for."""
    asked = []

    def load_encoder(pair, kind, device="cpu"):
        asked.append((pair, kind, device))
        encoder = colour_encoder(summary=kind == "clipseg")
        encoder.name = f"{pair}-{kind}"
        encoder.layout = "stretch" if kind == "clipseg" else "letterbox"
        return encoder

    monkeypatch.setattr(extraction, "load_encoder", load_encoder)
    return asked


def test_each_kind_of_a_pair_has_its_store(photographs, loaded):
    folder = photographs().folder
    stores = extract_features(folder, "tiny")
    assert loaded == [("tiny", "sam", "cpu"), ("tiny", "clipseg", "cpu")]
    assert {kind: store.folder.name for kind, store in stores.items()} == {
        "sam": "tiny-sam-letterbox",
        "clipseg": "tiny-clipseg-stretch",
    }
    assert stores["sam"].summary_mean() is None
    assert stores["clipseg"].summary_mean() is not None
    both = extract_features(folder, "tiny", layout="stretch")
    assert {store.manifest.layout for store in both.values()} == {"stretch"}


def test_the_command_extracts_and_says_where(photographs, loaded, tmp_path, capsys):
    folder = photographs().folder
    Extract((folder,), kinds=("sam",), output=tmp_path / "out", device="cpu").run()
    assert FeatureStore.open(tmp_path / "out" / "tiny-sam-letterbox").complete
    said = capsys.readouterr().out
    assert "3/3" in said
    assert "images/s" in said
    assert "tiny-sam: 3 images, 3 channels on 8 x 8 cells (letterbox) in" in said


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_capture_asks_for_another_folder(photographs, loaded):
    folder = photographs().folder
    folder.chmod(0o555)
    try:
        with pytest.raises(SamNerfError, match=r"cannot write .*features"):
            extract_features(folder, "tiny")
    finally:
        folder.chmod(0o755)
