"""`samnerf eval` from the command line."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from samnerf.cli.main import main
from samnerf.scene import TrainedScene


@pytest.fixture(autouse=True)
def _toy_world(toy, monkeypatch):
    def load(config, device="cpu"):
        scene = toy.scene()
        scene.pipeline.datamanager.train_dataparser_outputs = SimpleNamespace(dataparser_scale=1.0)
        return scene

    monkeypatch.setattr(TrainedScene, "load", staticmethod(load))
    pairs = "samnerf.teachers.pairs"
    monkeypatch.setattr(f"{pairs}.load_mask_decoder", lambda pair, device="cpu": toy.MaskDecoder())
    monkeypatch.setattr(f"{pairs}.load_text_decoder", lambda pair, device="cpu": toy.TextDecoder())
    monkeypatch.setattr(f"{pairs}.load_encoder", lambda pair, kind, device="cpu": toy.Encoder(kind))


@pytest.fixture
def capture(toy, tmp_path):
    folder = tmp_path / "capture"
    (folder / "masks").mkdir(parents=True)
    for i in range(5):
        Image.fromarray(toy.Field().ids(toy.look_down(x=0.1 * i))).save(folder / "masks" / f"frame_{i}.png")
    things = [
        {
            "id": i,
            "colour": name.split()[0],
            "shape": "square",
            "material": "plain",
            "centre": [0, 0, 0],
            "size": [1, 1, 1],
        }
        for i, name in toy.names.items()
    ]
    (folder / "objects.json").write_text(json.dumps({"objects": things}))
    return folder


@pytest.fixture
def spin_nerf(toy, tmp_path):
    """The data set with one scene, and a run of it."""
    folder = tmp_path / "data" / "fern (llff)"
    folder.mkdir(parents=True)
    for i in range(3):
        mask = toy.Field().ids(toy.look_down(x=0.1 * i)) == 1
        Image.fromarray(np.where(mask, 255, 0).astype(np.uint8)).save(folder / f"frame_{i}.png")
    config = tmp_path / "runs" / "fern" / "samnerf-tiny" / "run" / "config.yml"
    config.parent.mkdir(parents=True)
    config.write_text("")
    return ["--data", str(tmp_path / "data"), "--runs", str(tmp_path / "runs"), "--output", str(tmp_path / "out")]


def test_a_scene_is_measured_and_reported(capture, tmp_path, capsys):
    options = ["--config", str(tmp_path / "run" / "config.yml"), "--capture", str(capture)]
    assert main(["eval", "scene", *options]) == 0
    out = capsys.readouterr().out
    folder = tmp_path / "run" / "evaluation"
    rows = "one click, mean IoU", "rendered view / teacher, one click", "agreement of two views"
    for words in (*rows, f"report: {folder}"):
        assert words in out.replace("\n", " ")
    assert {path.name for path in folder.iterdir()} == {
        "report.html", "results.json", "objects.csv", "views.csv", "measurements.csv", "consistency.csv",
    }  # fmt: skip
    found = json.loads((folder / "results.json").read_text())
    assert found["about"]["views"] == "test, seed 7 of the clicks"
    assert found["scores"]["single_click_miou"] > 0.75


def test_the_same_command_gives_the_same_report(capture, tmp_path):
    for name in ("a", "b"):
        options = ["--config", "config.yml", "--capture", str(capture), "--output", str(tmp_path / name)]
        assert main(["eval", "scene", *options]) == 0
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_the_training_views_may_be_measured(capture, tmp_path):
    options = ["--config", "config.yml", "--capture", str(capture), "--output", str(tmp_path / "out")]
    assert main(["eval", "scene", *options, "--split", "train", "--seed", "3"]) == 0
    rows = json.loads((tmp_path / "out" / "results.json").read_text())["tables"]["views"]
    assert [row["view"] for row in rows] == ["frame_0", "frame_1"]


def test_a_scene_without_ground_truth_is_one_line(tmp_path, capsys):
    assert main(["eval", "scene", "--config", "config.yml", "--capture", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert "has no ground truth: objects.json and masks missing; samnerf synthetic writes captures" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("method", ["prompts", "lock"])
def test_a_public_data_set_is_measured_in_one_command(spin_nerf, tmp_path, capsys, method):
    assert main(["eval", "spin-nerf", *spin_nerf, "--method", method]) == 0
    out = capsys.readouterr().out
    assert "SPIn-NeRF" in out
    assert "Not measured: orchids, leaves, room" in out
    found = json.loads((tmp_path / "out" / "results.json").read_text())
    assert found["about"]["method"] == method
    assert found["scores"]["pooled"] > 0.65
    assert (tmp_path / "out" / "published.csv").read_text().count("second-hand") == 4
    assert (tmp_path / "out" / "report.html").exists()


@pytest.mark.parametrize("command", ["nvos", "lerf-ovs", "lerf-mask"])
def test_a_folder_of_another_layout_is_one_line(spin_nerf, capsys, command):
    assert main(["eval", command, *spin_nerf]) == 1
    error = capsys.readouterr().err
    assert "is not laid out as" in error
    assert error.count("\n") == 1


def test_an_untrained_scene_is_one_line(spin_nerf, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    spin_nerf[3] = str(tmp_path / "empty")
    assert main(["eval", "spin-nerf", *spin_nerf]) == 1
    assert "expected .../fern/samnerf-*/TIMESTAMP/config.yml" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "kind"), [(("lerf-ovs",), "lerf-ovs"), (("lerf-ovs", "--method", "lock"), "lerf-ovs-3d")]
)
def test_lerf_ovs_is_scored_in_2d_or_in_3d(spin_nerf, toy, tmp_path, command, kind):
    label = tmp_path / "labels" / "label" / "fern" / "frame_2.json"
    label.parent.mkdir(parents=True)
    entry = {"category": "red", "bbox": [20, 30, 50, 60], "segmentation": [[20, 30], [50, 30], [50, 60], [20, 60]]}
    label.write_text(json.dumps({"info": {"name": "frame_2.jpg", "width": 128, "height": 96}, "objects": [entry]}))
    spin_nerf[1] = str(tmp_path / "labels")
    assert main(["eval", *command, *spin_nerf]) == 0
    assert json.loads((tmp_path / "out" / "results.json").read_text())["kind"] == kind


def test_an_interruption_says_that_nothing_is_kept(capture, capsys, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("samnerf.evaluation.scene_evaluation.evaluate_scene", interrupt)
    assert main(["eval", "scene", "--config", "config.yml", "--capture", str(capture)]) == 130
    assert "interrupted; a report is written at the end only" in capsys.readouterr().err


def test_help_lists_what_can_be_measured(capsys):
    with pytest.raises(SystemExit):
        main(["eval", "--help"])
    out = capsys.readouterr().out
    for name in ("scene", "nvos", "spin-nerf", "lerf-ovs", "lerf-mask"):
        assert name in out
