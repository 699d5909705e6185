"""Examples, and few steps of training on them."""

import csv
from dataclasses import replace

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image

from samnerf.errors import SamNerfError
from samnerf.matting.adapter_files import read_adapter
from samnerf.matting.matter import Matter
from samnerf.preprocessing.matting_training.examples import Example, promptable, prompts_for
from samnerf.preprocessing.matting_training.folder_examples import FolderExamples, read_alpha
from samnerf.preprocessing.matting_training.synthetic_examples import SyntheticExamples, mirrored
from samnerf.preprocessing.matting_training.synthetic_views import SyntheticViews
from samnerf.preprocessing.matting_training.training import MattingTraining, train_adapter, usual_rate
from samnerf.preprocessing.tiny_teachers.training_runs import Run
from samnerf.teachers import tiny_sam

SHORT = MattingTraining(rate=5e-3, steps=4, images=1, objects=1, warm_up=1, save_every=2)


@pytest.fixture(scope="module")
def views(tmp_path_factory):
    return SyntheticViews(tmp_path_factory.mktemp("views"), seed=7, count=2, size=96)


@pytest.fixture(scope="module")
def teacher():
    device = torch.device("cpu")
    return tiny_sam.load_encoder(device), tiny_sam.load_mask_decoder(device)


class OneExample:
    """Always the same disc, out of focus."""

    description = "one disc"

    def drawn(self, random):
        y, x = np.mgrid[0:96, 0:96] + 0.5
        alpha = np.clip((26 - np.hypot(x - 50, y - 45)) / 12, 0, 1).astype(np.float32)
        rgb = 60 + alpha[..., None] * np.array([150, 40, 0])
        return Example(rgb.astype(np.uint8), (alpha,))


def test_examples_can_be_prompted_and_are_seeded(views):
    examples = SyntheticExamples(views)
    for seed in range(6):
        example, again = (examples.drawn(np.random.default_rng(seed)) for _ in range(2))
        np.testing.assert_array_equal(example.rgb, again.rgb)
        assert example.alphas and all(promptable(alpha) for alpha in example.alphas)
        assert all(alpha.min() >= 0 and alpha.max() <= 1 for alpha in example.alphas)


def test_views_are_kept_and_damaged_ones_made_again(views):
    first = views[0]
    path = next(views.folder.glob("000000*"))
    path.write_bytes(b"PK\x03\x04 nonsense")
    np.testing.assert_array_equal(views[0].rgb, first.rgb)
    with pytest.raises(IndexError, match="view 2 of 2"):
        views[2]


def test_composites_have_soft_edges_that_views_lack(views):
    examples = SyntheticExamples(views)

    def soft(example):
        return np.mean([((alpha > 0.1) & (alpha < 0.9)).sum() / (alpha > 0.1).sum() for alpha in example.alphas])

    composites = [examples.composite(np.random.default_rng(seed)) for seed in range(12)]
    assert np.mean([soft(one) for one in composites if one.alphas]) > 2 * soft(views[0])


def test_a_sequence_moves_over_a_view_that_rests(views):
    frames = SyntheticExamples(views).sequence(3, np.random.default_rng(1))
    assert len(frames) == 3
    unseen = np.all([frame.alphas[0] == 0 for frame in frames], axis=0)
    assert (frames[0].rgb[unseen] == frames[2].rgb[unseen]).all()
    assert not np.array_equal(frames[0].alphas[0], frames[2].alphas[0])


def test_a_mirrored_example_is_its_own_mirror(views):
    there = mirrored(views[1])
    np.testing.assert_array_equal(mirrored(there).rgb, views[1].rgb)
    np.testing.assert_array_equal(there.alphas[0], views[1].alphas[0][:, ::-1])


@pytest.mark.parametrize(("kind", "points", "boxes"), [("click", 1, 0), ("box", 0, 1), ("box and click", 1, 1)])
def test_prompts_point_at_what_is_above_one_half(views, kind, points, boxes):
    alpha = views[0].alphas[0]
    prompts = prompts_for(alpha, kind, np.random.default_rng(0))
    prompts.check(alpha.shape)
    assert (len(prompts.points), len(prompts.boxes)) == (points, boxes)
    assert all(alpha[int(point.y), int(point.x)] > 0.5 for point in prompts.points if point.label == 1)


def test_a_few_steps_bring_alpha_closer(teacher, tmp_path):
    encoder, decoder = teacher
    settings = replace(SHORT, steps=12, save_every=6)
    path = train_adapter(tmp_path, encoder, decoder, OneExample(), settings)
    example = OneExample().drawn(None)
    feature_map = encoder.encode(example.rgb)
    said = [prompts_for(example.alphas[0], "box", np.random.default_rng(0))]
    plain, adapted = (
        np.abs(matter.decode(feature_map, said).numpy() - example.alphas[0]).mean()
        for matter in (Matter(decoder), Matter(decoder, read_adapter(path)))
    )
    assert adapted < 0.8 * plain
    with (tmp_path / "log.csv").open() as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["6", "12"]
    assert (tmp_path / "log.png").stat().st_size > 1000


def test_a_resumed_run_ends_where_an_uninterrupted_one_does(teacher, tmp_path, monkeypatch):
    whole = train_adapter(tmp_path / "whole", *teacher, OneExample(), SHORT)
    save = Run.save

    def stop(run, *rest):
        save(run, *rest)
        raise KeyboardInterrupt

    monkeypatch.setattr(Run, "save", stop)
    with pytest.raises(KeyboardInterrupt):
        train_adapter(tmp_path / "broken", *teacher, OneExample(), SHORT)
    monkeypatch.undo()
    resumed = train_adapter(tmp_path / "broken", *teacher, OneExample(), SHORT)
    expected, found = (safetensors.torch.load_file(path) for path in (whole, resumed))
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, atol=1e-4, rtol=0)
    with pytest.raises(SamNerfError, match="holds a training run with steps = 4, not 5"):
        train_adapter(tmp_path / "whole", *teacher, OneExample(), replace(SHORT, steps=5))


def test_rates_differ_by_teacher_and_fall_to_zero():
    assert usual_rate("sam-vit-h") == 1e-5 and usual_rate("tiny-sam") > 1e-4
    rates = [SHORT.rate_at(step) for step in range(SHORT.steps)]
    assert rates == sorted(rates, reverse=True) and 0 < rates[-1] < rates[0]
    for wrong in ({"steps": 0}, {"rate": 0.0}):
        with pytest.raises(SamNerfError, match="must be"):
            replace(SHORT, **wrong)


@pytest.fixture
def folder(tmp_path):
    example = OneExample().drawn(None)
    for name in ("images", "alphas", "backgrounds"):
        (tmp_path / name).mkdir()
    Image.fromarray(example.rgb).save(tmp_path / "images" / "one.png")
    levels = np.rint(example.alphas[0] * 65535).astype(np.uint16)
    Image.fromarray(levels).save(tmp_path / "alphas" / "one.png")
    Image.fromarray(np.full((30, 70, 3), 250, np.uint8)).save(tmp_path / "backgrounds" / "white.png")
    return tmp_path


def test_pairs_of_a_folder_come_on_its_backgrounds(folder):
    examples = FolderExamples(folder, folder / "backgrounds")
    drawn = [examples.drawn(np.random.default_rng(seed)) for seed in range(8)]
    assert all(example.rgb.shape == (96, 96, 3) for example in drawn)
    corners = {int(example.rgb[0, 0, 0]) for example in drawn}
    assert corners == {60, 250}
    np.testing.assert_allclose(examples[0].alphas[0], OneExample().drawn(None).alphas[0], atol=1e-4)


def test_transparency_and_eight_bits_are_alpha_too(tmp_path):
    levels = np.array([[0, 128, 255]], np.uint8)
    Image.fromarray(levels).save(tmp_path / "grey.png")
    Image.fromarray(np.dstack([np.zeros((1, 3, 3), np.uint8), levels])).save(tmp_path / "colour.png")
    for name in ("grey", "colour"):
        np.testing.assert_allclose(read_alpha(tmp_path / f"{name}.png"), levels / np.float32(255))


def test_what_is_wrong_with_a_folder_is_named(folder):
    with pytest.raises(SamNerfError, match=r"folder .*nowhere/alphas does not exist"):
        FolderExamples(folder / "nowhere")
    (folder / "alphas" / "one.png").rename(folder / "alphas" / "two.png")
    with pytest.raises(SamNerfError, match="has no alpha; expected a file"):
        FolderExamples(folder)
    Image.fromarray(np.zeros((96, 96), np.uint8)).save(folder / "alphas" / "one.png")
    with pytest.raises(SamNerfError, match="hardly anywhere above one half"):
        FolderExamples(folder)[0]
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(folder / "alphas" / "one.png")
    with pytest.raises(SamNerfError, match=r"is \(96, 96\) but its alpha"):
        FolderExamples(folder)[0]
