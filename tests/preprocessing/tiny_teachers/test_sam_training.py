"""Training the tiny SAM: few steps, small batches."""

import copy
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from samnerf.errors import SamNerfError
from samnerf.preprocessing.synthetic.training_images import TrainingImages
from samnerf.preprocessing.tiny_teachers.sam_augmentation import drawn_batch
from samnerf.preprocessing.tiny_teachers.sam_losses import mask_losses
from samnerf.preprocessing.tiny_teachers.sam_prompts import (
    KINDS,
    Window,
    corrected,
    drawn_masks,
    drawn_prompts,
    drawn_window,
)
from samnerf.preprocessing.tiny_teachers.sam_training import (
    SamInTraining,
    SamTraining,
    decoded,
    encoded,
    give_birth_to_decoder,
    step_loss,
    train_sam,
)
from samnerf.preprocessing.tiny_teachers.sam_wear import worn
from samnerf.preprocessing.tiny_teachers.training_runs import Run
from samnerf.teachers import tiny_sam

SMALL = SamTraining(
    steps=6,
    contrast_steps=2,
    decoder_steps=2,
    last_steps=1,
    images=1,
    prompts_per_image=2,
    save_every=2,
    refined_share=1.0,
)


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> TrainingImages:
    return TrainingImages(tmp_path_factory.mktemp("pool"), seed=3, count=2)


@pytest.fixture(scope="module")
def newborn(pool: TrainingImages) -> SamInTraining:
    torch.manual_seed(0)
    network = SamInTraining()
    give_birth_to_decoder(network, pool, seed=0)
    return network


def two_squares() -> np.ndarray:
    ids = np.zeros((256, 256), dtype=np.int64)
    ids[20:80, 30:90], ids[120:200, 100:220] = 1, 2
    return ids


def test_a_resumed_run_ends_with_the_weights_of_an_uninterrupted_one(pool, tmp_path, monkeypatch):
    whole = train_sam(tmp_path / "whole", pool, pool, SMALL)
    monkeypatch.setattr(Run, "log", _stop_after_first(Run.log, Run.save))
    with pytest.raises(KeyboardInterrupt):
        train_sam(tmp_path / "broken", pool, pool, SMALL)
    monkeypatch.undo()
    resumed = train_sam(tmp_path / "broken", pool, pool, SMALL)
    expected, found = safetensors.torch.load_file(whole), safetensors.torch.load_file(resumed)
    assert expected.keys() == found.keys()
    for key, value in expected.items():
        torch.testing.assert_close(found[key], value, atol=2e-3, rtol=0)


def _stop_after_first(log, save):
    calls = []

    def interrupted(run: Run, row: dict[str, float]) -> None:
        if calls:
            raise KeyboardInterrupt
        calls.append(row["step"])
        log(run, row)

    return interrupted


def test_the_written_weights_load_in_halves(pool, tmp_path):
    weights = train_sam(tmp_path, pool, pool, SMALL)
    encoder = tiny_sam.load_encoder(torch.device("cpu"), weights)
    decoder = tiny_sam.load_mask_decoder(torch.device("cpu"), weights)
    assert encoder.encode(pool[0].rgb).values.shape == (128, 32, 32)
    assert decoder.teacher == encoder.name


def test_other_settings_do_not_continue_a_run(pool, tmp_path):
    Run(tmp_path, {"steps": 3})
    with pytest.raises(SamNerfError, match="steps = 3, not 4"):
        Run(tmp_path, {"steps": 4})


@pytest.mark.parametrize("kind", KINDS)
def test_prompts_lie_where_they_should(kind):
    random = np.random.default_rng(0)
    masks = drawn_masks(two_squares(), 6, random)
    prompts = drawn_prompts(masks, kind, random)
    if prompts.points is not None and prompts.labels is not None:
        for mask, points, labels in zip(masks, prompts.points, prompts.labels, strict=True):
            for (x, y), label in zip(points.tolist(), labels.tolist(), strict=True):
                assert mask[int(y), int(x)] == bool(label)
    if prompts.boxes is not None:
        for mask, (x1, _, _, y2) in zip(masks, prompts.boxes.tolist(), strict=True):
            rows, columns = np.nonzero(mask)
            slack = 0.1 * max(np.ptp(rows), np.ptp(columns)) + 1
            assert abs(x1 - columns.min()) <= slack and abs(y2 - 1 - rows.max()) <= slack


def test_a_correction_adds_what_was_missed_and_takes_away_what_was_too_much():
    masks = two_squares()[None] == 1
    random = np.random.default_rng(0)
    prompts = drawn_prompts(masks, "click", random)
    missed = corrected(prompts, masks, np.zeros_like(masks), random)
    extra = corrected(prompts, masks, two_squares()[None] > 0, random)
    assert missed.labels is not None and missed.labels.tolist() == [[1.0, 1.0]]
    assert extra.labels is not None and extra.labels.tolist() == [[1.0, 0.0]]


def test_cropped_images_are_padded_right_or_below_with_zeros(pool):
    random = np.random.default_rng(0)
    for _ in range(12):
        batch = drawn_batch(pool, 1, random)
        rows, columns = batch.contents[0]
        assert max(rows, columns) == 256
        assert (batch.pixels[0, :, rows:] == 0).all() and (batch.pixels[0, :, :, columns:] == 0).all()
        assert (batch.ids[0][rows:] == 0).all() and (batch.ids[0][:, columns:] == 0).all()


def test_a_perfect_mask_loses_next_to_nothing_and_its_inverse_much():
    target = torch.zeros(1, 1, 16, 16)
    target[..., 4:9, 4:9] = 1
    assert mask_losses(40 * (target - 0.5), target).item() < 1e-3
    assert mask_losses(-40 * (target - 0.5), target).item() > 10


def test_rates_warm_up_with_each_optimiser_and_end_at_zero():
    settings = SamTraining(steps=1100, contrast_steps=200, decoder_steps=100, last_steps=100)
    rates = [settings.rate(step) for step in range(1100)]
    assert rates[0] == rates[200] == pytest.approx(1 / 30)
    assert rates[100] == rates[300] == 1.0
    assert rates[999] == pytest.approx(1 / 600)
    assert max(rates[1000:]) < 0.5 and rates[1099] == pytest.approx(0.5 / 100)
    assert [settings.stage(step) for step in (0, 199, 200, 299, 300, 999, 1000)] == [1, 1, 2, 2, 3, 3, 4]
    assert settings.strictness(299) == 0 and settings.strictness(999) == settings.strictness(1050) == 1
    assert settings.seen_whole(700) < settings.seen_whole(900) == settings.seen_whole(1050)


@pytest.mark.parametrize(("step", "learns"), [(0, True), (3, False), (4, True), (5, False)])
def test_the_image_encoder_rests_while_the_decoder_learns_alone(pool, newborn, step, learns):
    network = copy.deepcopy(newborn)
    random = np.random.default_rng(0)
    step_loss(network, drawn_batch(pool, 2, random), SMALL, step, random).backward()
    assert any(weight.grad is not None for weight in network.image_encoder.parameters()) == learns
    assert any(weight.grad is not None for weight in network.mask_decoder.parameters()) == (step > 0)


def test_a_training_too_short_for_its_stages_is_refused():
    with pytest.raises(SamNerfError, match="for 3500 steps but needs more than 3500"):
        SamTraining(steps=3500)


def test_a_window_is_a_part_of_the_image_and_its_prompts_move_with_it():
    random = np.random.default_rng(0)
    for _ in range(8):
        window = drawn_window(two_squares(), (256, 144), False, random)
        part = window.of_pixels(two_squares())
        assert part.shape == (128, 128) and window.left + 128 <= 144
        prompts = drawn_prompts(drawn_masks(part, 1, random), "click", random)
        moved = prompts.moved(window.left, window.top)
        x, y = moved.points[0, 0].tolist()
        assert two_squares()[int(y), int(x)] == part[int(prompts.points[0, 0, 1]), int(prompts.points[0, 0, 0])]
    assert drawn_window(two_squares(), (256, 144), True, random) == Window(0, 0, 32, 32)


@torch.no_grad()
def test_a_newborn_decoder_reads_the_image_where_the_click_is(pool, newborn):
    random = np.random.default_rng(0)
    batch = drawn_batch(pool, 1, random)
    prompts = drawn_prompts(drawn_masks(batch.ids[0], 8, random), "click", random)
    reading = newborn.mask_decoder.transformer.layers[0].cross_attn_token_to_image
    seen = []
    reading.q_proj.register_forward_hook(lambda _, __, output: seen.append(output))
    reading.k_proj.register_forward_hook(lambda _, __, output: seen.append(output))
    decoded(newborn, encoded(newborn, batch), Window(0, 0, 32, 32), prompts, None)
    queries, keys = (part.float().unflatten(2, (reading.num_heads, -1)) for part in seen)
    scores = torch.einsum("othc,onhc->otn", queries, keys)
    found = scores[:, 1:5].mean(dim=1).argmax(dim=1)  # of the mask tokens
    cells = torch.stack([found % 32, found // 32], dim=1) + 0.5
    distances = (cells - prompts.points[:, 0] / 8).norm(dim=1)
    assert (distances < 1.5).float().mean() >= 0.75


@torch.no_grad()
def test_birth_standardises_the_maps(pool, newborn):
    maps = encoded(newborn, drawn_batch(pool, 64, np.random.default_rng((0, 0))))
    assert maps.mean(dim=(0, 2, 3)).abs().max() < 0.05
    assert maps.square().mean().sqrt().item() == pytest.approx(1, abs=0.05)


def test_the_log_keeps_a_steps_last_word(tmp_path: Path):
    run = Run(tmp_path, {})
    for loss in (3.0, 2.0):
        run.log({"step": 5, "loss": loss})
    assert run.rows() == [{"step": 5.0, "loss": 2.0}]
    run.plot("a run")
    assert (tmp_path / "log.png").stat().st_size > 1000


def test_worn_maps_differ_in_every_cell_but_not_beyond_recognition(pool, newborn):
    random = np.random.default_rng(0)
    batch = drawn_batch(pool, 2, random)
    with torch.no_grad():
        maps = encoded(newborn, batch)
    for image in (0, 1):
        read = worn(maps, batch, image, random)
        assert read.shape == (1, 128, 32, 32)
        error = (read[0] - maps[image]).square().sum(dim=0)
        assert (error > 0).all()
        assert error.mean() < maps[image].square().sum(dim=0).mean()
