"""The whole way of the data on a scene of a few pixels, with teachers that see colours only."""

import json
import math
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from samnerf.cli.main import main
from samnerf.errors import SamNerfError
from samnerf.scene import TrainedScene

pytestmark = pytest.mark.timeout(900)
OPTIONS = ["--views", "8", "--test-views", "2", "--width", "64", "--height", "48", "--steps", "10", "--seed", "3"]
KEYS = (
    "single_click_miou", "box_miou", "teacher_parity", "text_localization", "text_miou", "psnr", "wall_seconds",
    "peak_rss_gb", "teacher_single_click_miou", "render_vs_encode_speedup",
)  # fmt: skip


@pytest.fixture(scope="module")
def demo(colour_teachers, tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "out"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nerfstudio's, of torch
        assert main(["demo", "--output", str(folder), *OPTIONS, "--debug"]) == 0
    return folder


@pytest.fixture(scope="module")
def config(demo):
    return demo / "run" / "samnerf-tiny" / "demo" / "config.yml"


def quietly(*arguments):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return main([str(argument) for argument in arguments])


def test_every_score_is_a_number(demo):
    metrics = json.loads((demo / "metrics.json").read_text())
    assert all(math.isfinite(metrics[key]) for key in KEYS)
    assert 0 < metrics["peak_rss_gb"] < 60
    assert metrics["wall_seconds"] >= sum(metrics["seconds_by_stage"].values()) * 0.99


def test_the_contact_sheet_can_be_looked_at(demo):
    sheet = np.asarray(Image.open(demo / "contact_sheet.png"))
    assert min(sheet.shape[:2]) > 600
    assert len({tuple(pixel) for pixel in sheet[200:500:3, 100:400:3].reshape(-1, 3).tolist()}) > 100


def test_every_held_out_view_has_masks(demo):
    index = json.loads((demo / "masks" / "masks.json").read_text())
    assert [view["view"] for view in index["views"]] == ["frame_0009", "frame_0010"]
    assert all((demo / "masks" / entry["file"]).exists() for entry in index["masks"])


def test_the_saved_run_replays_to_the_same_masks(demo, config, tmp_path):
    assert (
        quietly("segment", "--config", config, "--prompts", demo / "prompts.json", "--output", tmp_path / "again") == 0
    )
    for mask in sorted((demo / "masks" / "ids").iterdir()):
        assert (tmp_path / "again" / "ids" / mask.name).read_bytes() == mask.read_bytes()


def test_a_camera_path_is_segmented_from_the_saved_run(demo, config, tmp_path):
    path = demo / "novel_path.json"
    prompts = demo / "prompts.json"
    status = quietly("segment", "--config", config, "--prompts", prompts, "--cameras", path, "--output", tmp_path / "o")
    assert status == 0
    assert len(list((tmp_path / "o" / "ids").iterdir())) == 5


def test_a_run_that_was_moved_is_found(config, tmp_path):
    import shutil

    shutil.copytree(config.parent, tmp_path / "moved")
    scene = TrainedScene.load(tmp_path / "moved" / "config.yml")
    assert scene.distilled
    assert [name for name, _ in scene.cameras("test")] == ["frame_0009", "frame_0010"]


def test_a_scene_trained_with_relative_paths_opens_from_anywhere(demo, config, tmp_path):
    import shutil

    import yaml

    shutil.copytree(demo / "run", tmp_path / "run")
    shutil.copytree(demo / "capture", tmp_path / "capture")
    loaded = yaml.load(config.read_text(), Loader=yaml.Loader)
    loaded.output_dir = Path()
    loaded.data = loaded.pipeline.datamanager.data = Path("capture")
    moved = tmp_path / config.relative_to(demo)
    moved.write_text(yaml.dump(loaded))
    scene = TrainedScene.load(moved)
    assert [name for name, _ in scene.cameras("test")] == ["frame_0009", "frame_0010"]
    assert scene.image_view("frame_0009").image_size == (48, 64)


def test_a_truncated_checkpoint_is_named(config, tmp_path):
    import shutil

    shutil.copytree(config.parent, tmp_path / "run")
    for checkpoint in (tmp_path / "run" / "nerfstudio_models").iterdir():
        checkpoint.write_bytes(checkpoint.read_bytes()[:5000])
    with pytest.raises(SamNerfError, match=r"cannot load the scene .*nerfstudio_models is truncated"):
        TrainedScene.load(tmp_path / "run" / "config.yml")


def test_a_scene_of_other_weights_is_refused(config, monkeypatch):
    monkeypatch.setattr("samnerf.teachers.pairs.installed_weights_hash", lambda pair, kind: "f" * 64)
    with pytest.raises(SamNerfError, match=r"distilled from other weights of 'tiny-sam' .*now ffffffffffff"):
        TrainedScene.load(config)


def test_a_run_without_checkpoint_is_named(config, tmp_path):
    import shutil

    shutil.copytree(config.parent, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "nerfstudio_models")
    with pytest.raises(SamNerfError, match=r"no checkpoint in .*nerfstudio_models"):
        TrainedScene.load(tmp_path / "run" / "config.yml")


def test_a_config_that_is_no_config_is_named(tmp_path):
    for content in ("", "a: [", "- 1\n"):
        (tmp_path / "config.yml").write_text(content)
        with pytest.raises(SamNerfError, match="cannot load the scene"):
            TrainedScene.load(tmp_path / "config.yml")


def test_resuming_a_complete_demo_trains_nothing(demo):
    checkpoint = next((demo / "run").rglob("*.ckpt"))
    before, written = checkpoint.read_bytes(), checkpoint.stat().st_mtime_ns
    assert quietly("demo", "--output", demo, *OPTIONS, "--resume") == 0
    assert (checkpoint.read_bytes(), checkpoint.stat().st_mtime_ns) == (before, written)


def test_another_demo_is_not_resumed(demo, capsys):
    assert quietly("demo", "--output", demo, *OPTIONS, "--seed", "4", "--resume") == 1
    assert "holds a demo with other options" in capsys.readouterr().err


def test_a_folder_of_something_else_is_left_alone(tmp_path, capsys):
    (tmp_path / "thesis.tex").write_text("years of work")
    assert quietly("demo", "--output", tmp_path) == 1
    assert "is not empty and holds no demo" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
