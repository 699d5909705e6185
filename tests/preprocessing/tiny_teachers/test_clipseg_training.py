"""Laws of the tiny CLIPSeg's training, on a pool of a few images."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from samnerf.errors import SamNerfError
from samnerf.preprocessing.synthetic.scene import NamedObject
from samnerf.preprocessing.synthetic.training_images import TrainingImages
from samnerf.preprocessing.tiny_teachers import clipseg_training
from samnerf.preprocessing.tiny_teachers.clipseg_batches import drawn_questions, drawn_windows
from samnerf.preprocessing.tiny_teachers.clipseg_phrases import (
    ATTRIBUTES,
    FOREIGN,
    KIND_CHANCES,
    Description,
    drawn_description,
    full_name,
    known_codes,
)
from samnerf.preprocessing.tiny_teachers.clipseg_training import ClipSegTraining, TinyClipSegTraining, train_clipseg
from samnerf.preprocessing.tiny_teachers.clipseg_validation import phrase_scores
from samnerf.teachers.phrase_tokens import phrase_codes
from samnerf.teachers.tiny_clipseg import PATCH, load_tiny_clipseg_decoder, load_tiny_clipseg_encoder
from samnerf.teachers.tiny_sam import WEIGHTS as BACKBONE

THINGS = (NamedObject(1, "cube", "red", "striped"), NamedObject(2, "sphere", "red", "plain"))
QUICK = ClipSegTraining(
    steps=9, windows=2, whole_images=1, phrases=3, matches=3, save_every=3, validate_every=100, whole_share=0.2, seed=3
)


@pytest.fixture(scope="module")
def pool(tmp_path_factory) -> TrainingImages:
    pool = TrainingImages(tmp_path_factory.mktemp("pool"), seed=5, count=4, size=128)
    pool.generate()
    return pool


@pytest.fixture(scope="module")
def finished(pool, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    train_clipseg(folder, pool, pool, QUICK, BACKBONE)
    return folder


@pytest.mark.parametrize("kind", KIND_CHANCES)
def test_a_drawn_description_keeps_what_its_kind_promises(kind):
    random = np.random.default_rng(0)
    for _ in range(50):
        description = drawn_description(kind, THINGS, random)
        fitting = sum(description.fits(thing) for thing in THINGS)
        expected = {"name": {1}, "near miss": {0}, "part": {1, 2}, "any": {0, 1, 2}, "everything": {2}, "foreign": {0}}
        assert fitting in expected[kind]
        if kind == "near miss":
            shared = [sum(getattr(description, a) == getattr(thing, a) for a in ATTRIBUTES) for thing in THINGS]
            assert max(shared) == 2


def test_a_phrase_says_the_attributes_and_nothing_that_contradicts_them():
    random = np.random.default_rng(0)
    every_word = {word for words in ATTRIBUTES.values() for word in words}
    for _ in range(100):
        phrase = Description("red", None, "cone").phrase(random)
        assert every_word & set(phrase.split()) == {"red", "cone"}


def test_known_codes_are_the_words_of_scenes_and_not_the_foreign_ones():
    codes = set(known_codes())
    assert set(phrase_codes(full_name(THINGS[0]).phrase(np.random.default_rng(3)))) <= codes
    assert not any(codes & set(phrase_codes(word)[1:-1]) for word in FOREIGN)


def test_cell_shares_and_masks_agree_with_the_instance_ids(pool):
    random = np.random.default_rng(0)
    windows = drawn_windows(pool, 3, 16, random)
    assert windows.pixels.shape == (3, 3, 16 * PATCH, 16 * PATCH)
    assert windows.positions.max() < 32 * 32
    for attribute in ATTRIBUTES:
        shares = windows.attribute_shares(attribute)
        torch.testing.assert_close(shares.sum(dim=1), torch.ones(3, 16, 16))
        torch.testing.assert_close(shares[:, 0].mean(dim=(1, 2)), (windows.ids == 0).float().mean(dim=(1, 2)))
    thing = windows.visible(0)[0]
    for stride in (2, PATCH):
        mask = windows.mask(0, full_name(thing), stride)
        assert mask.shape == (128 // stride, 128 // stride)
        torch.testing.assert_close(mask.mean(), (windows.ids[0] == thing.id).float().mean())
    questions = drawn_questions(windows, 5, random)
    assert len(questions.phrases) == 15
    assert questions.masks.shape == (15, 64, 64)


def test_the_attribute_loss_falls(pool):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    network = TinyClipSegTraining(BACKBONE)
    settings = replace(QUICK, steps=1000)
    optimiser = clipseg_training.fresh_optimiser(network, settings)
    losses = []
    for _ in range(12):
        optimiser.zero_grad()
        loss, _ = clipseg_training.step_loss(network, pool, settings, step=0)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


def test_the_phrase_loss_falls_and_foreign_words_stay_zero(pool):
    torch.manual_seed(0)
    network = TinyClipSegTraining(BACKBONE)
    settings = replace(QUICK, steps=1000)
    optimiser = clipseg_training.fresh_optimiser(network, settings)
    losses = []
    for _ in range(15):
        optimiser.zero_grad()
        loss, parts = clipseg_training.step_loss(network, pool, settings, step=700)
        loss.backward()
        optimiser.step()
        losses.append(parts["phrase"])
    assert losses[-1] < 0.9 * losses[0]
    words = network.decoder.text_model.embeddings.token_embedding.weight
    spoken = words.abs().sum(dim=1).nonzero()[:, 0].tolist()
    assert spoken == known_codes()


def test_an_interrupted_run_goes_on_to_the_same_weights(pool, finished, tmp_path, monkeypatch):
    original, calls = clipseg_training.step_loss, []

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return original(*arguments)

    monkeypatch.setattr(clipseg_training, "step_loss", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train_clipseg(tmp_path, pool, pool, QUICK, BACKBONE)
    monkeypatch.undo()
    train_clipseg(tmp_path, pool, pool, QUICK, BACKBONE)
    name = "tiny_clipseg.safetensors"
    assert (tmp_path / name).read_bytes() == (finished / name).read_bytes()


def test_a_run_leaves_weights_a_log_and_a_plot(finished):
    weights = finished / "tiny_clipseg.safetensors"
    assert weights.stat().st_size < 6e6
    assert all(tensor.isfinite().all() for tensor in safetensors.torch.load_file(weights).values())
    with (finished / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["3", "6", "9"]
    assert {"colour_loss", "phrase_loss", "localisation"} <= set(rows[0])
    assert (finished / "log.png").stat().st_size > 1000


def test_other_settings_are_refused_in_the_folder_of_a_run(pool, finished):
    with pytest.raises(SamNerfError, match="seed = 3, not 4"):
        train_clipseg(finished, pool, pool, replace(QUICK, seed=4), BACKBONE)


def test_scores_are_shares(pool, finished):
    weights = finished / "tiny_clipseg.safetensors"
    scores = phrase_scores(load_tiny_clipseg_encoder(weights=weights), load_tiny_clipseg_decoder(weights=weights), pool)
    assert set(scores) == {"localisation", "mean_iou", "false_alarms"}
    assert all(0 <= score <= 1 for score in scores.values())
