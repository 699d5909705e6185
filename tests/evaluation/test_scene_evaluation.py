"""A toy scene against the ground truth of its capture, and the report of it."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from samnerf.errors import SamNerfError
from samnerf.evaluation.report_files import write_report
from samnerf.evaluation.scene_evaluation import capture_folder, evaluate_scene, scene_truth
from samnerf.evaluation.scene_report import GOALS, scene_report, worst_cases
from samnerf.session import Session


@pytest.fixture
def session(toy):
    return Session(toy.MaskDecoder(), toy.TextDecoder())


@pytest.fixture
def scene(toy, monkeypatch):
    monkeypatch.setattr("samnerf.teachers.pairs.load_encoder", lambda pair, kind, device="cpu": toy.Encoder(kind))
    scene = toy.scene()
    scene.pipeline.datamanager.train_dataparser_outputs = SimpleNamespace(dataparser_scale=0.5)
    return scene


def test_everything_is_measured_in_every_held_out_view(scene, session, toy_capture):
    told = []
    result = evaluate_scene(
        scene, session, scene_truth(scene, toy_capture), seed=7, progress=lambda *words: told.append(words)
    )
    scores = result.scores()
    assert list(result.held_out.psnrs) == ["frame_2", "frame_3", "frame_4"]
    assert len(result.held_out.rows) == len(result.consistency) == 9
    assert scores["single_click_miou"] > 0.75 and scores["text_localization"] > 0.7
    assert scores["single_click_accuracy"] > 0.97
    assert 0.3 < scores["single_click_boundary_iou"] < 1
    assert scores["relevancy_ap"] > 0.7
    assert scores["consistency"] > 0.7 and scores["true_consistency"] > 0.9
    assert scores["ssim"] > 0.99
    assert np.isnan(scores["lpips"])
    assert told[0] == ("views against the truth", 1, 3)
    assert told[-1] == ("views against each other", 3, 3)


def test_lpips_is_measured_where_it_is_at_hand(scene, session, toy_capture):
    truth = scene_truth(scene, toy_capture)
    result = evaluate_scene(scene, session, truth, 7, lpips=lambda first, second: float((first != second).mean()))
    assert list(result.lpips) == ["frame_2", "frame_3", "frame_4"]
    report = scene_report(result, truth, {}, [])
    assert "lpips" in {goal.key for goal in report.goals}
    assert "lpips" in report.tables[1].rows[0]


def test_without_true_depth_rendered_depth_serves(scene, session, toy_capture):
    for path in (toy_capture / "depth").iterdir():
        path.unlink()
    (toy_capture / "depth").rmdir()
    assert evaluate_scene(scene, session, scene_truth(scene, toy_capture), 7).scores()["true_consistency"] > 0.9


def test_the_report_has_a_row_for_each_object_and_view_and_the_worst_cases(scene, session, toy, toy_capture, tmp_path):
    truth = scene_truth(scene, toy_capture)
    result = evaluate_scene(scene, session, truth, seed=7)
    pictures = worst_cases(
        session, result.held_out.rows, truth, lambda name: scene.view(scene.camera(name), name), scene.image
    )
    write_report(tmp_path / "out", scene_report(result, truth, {"run": "r"}, pictures))
    found = json.loads((tmp_path / "out" / "results.json").read_text())
    assert [row["object"] for row in found["tables"]["objects"]] == [f"plain {name}" for name in toy.names.values()]
    assert [row["views"] for row in found["tables"]["objects"]] == [3, 3, 3]
    assert [row["view"] for row in found["tables"]["views"]] == ["frame_2", "frame_3", "frame_4"]
    assert len(found["tables"]["measurements"]) == 9
    assert {goal.key for goal in GOALS} <= set(found["scores"])
    assert len(pictures) == 9
    worst = min(value for row in result.held_out.rows for value in row.click_ious)
    assert pictures[0].title.endswith(f"IoU {worst:.2f}")
    assert [len(case.panels) for case in pictures] == [3] * 9


def test_no_ground_truth_is_said_with_what_is_missing(scene, tmp_path):
    with pytest.raises(SamNerfError, match=r"has no ground truth: objects.json and masks missing.*--capture FOLDER"):
        scene_truth(scene, tmp_path)
    (tmp_path / "objects.json").write_text("{}")
    with pytest.raises(SamNerfError, match=r"has no ground truth: masks missing"):
        scene_truth(scene, tmp_path)


def test_masks_of_another_size_are_refused(scene, session, toy_capture):
    Image.new("L", (64, 48)).save(toy_capture / "masks" / "frame_3.png")
    with pytest.raises(SamNerfError, match=r"mask of frame_3 .* has 64 x 48 pixels, its view 128 x 96"):
        evaluate_scene(scene, session, scene_truth(scene, toy_capture), 7)


def test_a_frame_without_mask_is_named(scene, session, toy_capture):
    (toy_capture / "masks" / "frame_4.png").unlink()
    with pytest.raises(SamNerfError, match=r"no ground truth for frame frame_4"):
        evaluate_scene(scene, session, scene_truth(scene, toy_capture), 7)


def test_the_capture_is_where_the_photographs_come_from(scene):
    scene.pipeline.datamanager.train_dataset.image_filenames[0] = "captures/fox/images/frame_0.png"
    assert capture_folder(scene).as_posix() == "captures/fox"
