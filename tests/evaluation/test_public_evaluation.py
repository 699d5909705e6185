"""Whole data sets: with a predictor that answers what it is told, and once on the toy world."""

import json
from functools import partial

import numpy as np
import pytest

from samnerf.errors import SamNerfError
from samnerf.evaluation.public_evaluation import evaluate_public, public_report
from samnerf.evaluation.public_protocols import LERF_MASK, LERF_OVS, LERF_OVS_3D, NVOS, SPIN_NERF
from samnerf.evaluation.report_files import write_report
from samnerf.evaluation.scene_prediction import Prediction, ScenePredictor
from samnerf.objects.probability_grid import vote_grid
from samnerf.session import Session

SIZE = (96, 128)


class Told:
    """Answers with masks and maps by view or phrase, and remembers what it was asked."""

    def __init__(self, views, masks=None, fits=None):
        self.views, self.masks, self.fits, self.asked = tuple(views), masks or {}, fits or {}, []

    def image_size(self, view):
        return SIZE

    def photograph(self, view):
        return np.full((*SIZE, 3), 128, np.uint8)

    def _answer(self, name, views):
        found = {view: self.masks.get((name, view)) for view in views}
        return Prediction(found, None if any(mask is not None for mask in found.values()) else "nothing fits")

    def from_prompts(self, prompts, views):
        self.asked.append(prompts)
        return self._answer(prompts.name, views)

    def from_mask(self, name, view, mask, views):
        self.asked.append((name, view, int(mask.sum())))
        return self._answer(name, views)

    def fit(self, view, phrase, size):
        return self.fits.get(phrase, np.zeros(size))


def block(columns, rows=20):
    mask = np.zeros(SIZE, bool)
    mask[10 : 10 + rows, 10 : 10 + columns] = True
    return mask


def measured(protocol, tmp_path, told, scenes=(), method="prompts"):
    results = evaluate_public(
        protocol, tmp_path / "data", tmp_path / "runs", lambda config, show: told[config.parents[2].name], scenes
    )
    return results, public_report(protocol, results, method, {"data": "d"})


@pytest.fixture
def nvos(miniature, tmp_path, run_folder):
    stroke = np.zeros((24, 32), bool)
    stroke[4, 4:7] = True
    for task in ("fern", "horns_center", "horns_left"):
        miniature.nvos(tmp_path / "data", task, "b", block(20), "a", stroke, np.roll(stroke, 10, axis=0))
    for scene in ("fern", "horns"):
        run_folder(scene)


def test_nvos_from_scribbles_to_table(nvos, tmp_path):
    told = {
        "fern": Told(["a", "b"], {("fern", "b"): block(10)}),
        "horns": Told(["a", "b"], {("horns_left", "b"): block(20)}),
    }
    results, report = measured(NVOS, tmp_path, told)
    assert list(results) == ["fern", "horns_center", "horns_left"]
    assert report.scores["miou"] == pytest.approx((0.5 + 0 + 1) / 3)
    assert report.scores["accuracy"] == pytest.approx(1 - (200 + 400 + 0) / 3 / (96 * 128))
    said = told["fern"].asked[0]
    assert said.view == "a"
    assert {point.label for point in said.points} == {0, 1}
    assert all(16 <= point.y <= 20 for point in said.points if point.label)
    assert any("scored 0. horns_center: nothing fits" in note for note in report.notes)


def test_a_part_of_a_data_set_has_no_published_goal_and_says_so(nvos, tmp_path):
    told = {"fern": Told(["a", "b"], {("fern", "b"): block(20)})}
    _, report = measured(NVOS, tmp_path, told, scenes=("fern",))
    assert all(goal.goal is None for goal in report.goals)
    assert any(note.startswith("Not measured: flower, fortress") for note in report.notes)
    assert "cannot be compared" in next(table for table in report.tables if table.name == "published").note


def test_a_whole_data_set_is_held_against_the_best_published_figure(miniature, tmp_path, run_folder):
    stroke = np.zeros((24, 32), bool)
    stroke[4, 4:7] = True
    for task in NVOS.scenes:
        miniature.nvos(tmp_path / "data", task, "b", block(20), "a", stroke, stroke)
        run_folder(task)
    told = {task: Told(["a", "b"], {(task, "b"): block(20)}) for task in NVOS.scenes}
    _, report = measured(NVOS, tmp_path, told)
    assert [goal.goal for goal in report.goals] == [0.941, None, 0.847]
    assert report.goals[0].reached(report.scores)
    published = next(table for table in report.tables if table.name == "published")
    assert published.rows[0]["nvos_miou"] == "100.0"
    saga = next(row for row in published.rows if row["system"] == "SAGA")
    assert (saga["nvos_miou"], saga["source"]) == ("90.9-92.6", "second-hand")
    write_report(tmp_path / "out", report)
    assert "second-hand" in (tmp_path / "out" / "report.html").read_text()
    assert "second-hand" in (tmp_path / "out" / "published.csv").read_text()


def test_spin_nerf_from_the_first_mask_to_both_forks(miniature, tmp_path, run_folder):
    masks = {"image000": block(20), "image001": block(20), "image002": block(10)}
    miniature.spin_nerf(tmp_path / "data", "fern (llff)", masks)
    run_folder("fern")
    found = {("fern", "v0"): block(20), ("fern", "v1"): block(10), ("fern", "v2"): None}
    told = Told(["v0", "v1", "v2"], found)
    results, report = measured(SPIN_NERF, tmp_path, {"fern": told})
    assert told.asked == [("fern", "v0", 400)]
    assert report.scores["pooled"] == pytest.approx(600 / 1000)
    assert report.scores["averaged"] == pytest.approx(0.5)
    assert report.scores["pooled_others"] == pytest.approx(200 / 600)
    assert report.scores["averaged_others"] == pytest.approx(0.25)
    assert [row["reference"] for row in results["fern"].details] == [True, False, False]
    assert "image002" in report.pictures[0].title


def test_lerf_ovs_in_2d_scores_maps(miniature, tmp_path, run_folder):
    egg, bowl = [20, 20, 69, 69], [90, 20, 119, 49]
    miniature.lerf_ovs(tmp_path / "data", "ramen", "frame_00006", SIZE, [("egg", egg), ("bowl", bowl)])
    run_folder("ramen")
    fit = np.zeros(SIZE)
    fit[20:70, 20:70] = 1.0
    told = Told(["frame_00006"], fits={"egg": fit, "bowl": fit, "things": np.full(SIZE, 0.3)})
    results, report = measured(LERF_OVS, tmp_path, {"ramen": told})
    ious = {row["query"]: row["iou"] for row in results["ramen"].details}
    assert ious["egg"] > 0.85 and ious["bowl"] == 0
    assert report.scores["localization"] == 0.5
    assert report.scores["miou"] == pytest.approx(sum(ious.values()) / 2)
    assert "lerf_ovs_miou" in {column.key for column in report.tables[1].columns}


def test_lerf_ovs_in_3d_counts_what_is_missing_and_stands_beside_nothing_of_2d(miniature, tmp_path, run_folder):
    box = [10, 10, 29, 29]
    for frame in ("frame_00001", "frame_00002"):
        miniature.lerf_ovs(tmp_path / "data", "ramen", frame, SIZE, [("egg", box)])
    miniature.lerf_ovs(tmp_path / "data", "ramen", "frame_00003", SIZE, [("nori", box)])
    run_folder("ramen")
    views = [f"frame_0000{i}" for i in (1, 2, 3)]
    told = Told(views, {("egg", "frame_00001"): block(20)})
    results, report = measured(LERF_OVS_3D, tmp_path, {"ramen": told}, method="lock")
    assert report.scores["miou"] == report.scores["found"] == pytest.approx(1 / 3)
    assert "localization" not in report.scores
    assert "published" not in {table.name for table in report.tables}
    assert [one.phrase.text for one in told.asked] == ["egg", "nori"]
    assert results["ramen"].failures == ["ramen, nori: nothing fits"]


def test_lerf_mask_averages_classes(miniature, tmp_path, run_folder):
    masks = {("0", "apple"): block(20), ("1", "apple"): block(20), ("1", "camera"): block(10)}
    miniature.lerf_mask(tmp_path / "data", "figurines", masks, train=("a",))
    run_folder("figurines")
    told = Told(["a", "b", "c"], {("apple", "b"): block(20), ("camera", "c"): block(20)})
    results, report = measured(LERF_MASK, tmp_path, {"figurines": told})
    assert report.scores["miou"] == pytest.approx(((1 + 0) / 2 + 0.5) / 2)
    assert [row["iou"] for row in results["figurines"].details] == [1, 0, 0.5]


def test_an_untrained_scene_is_named_with_what_would_be_right(nvos, tmp_path):
    for path in sorted((tmp_path / "runs" / "horns").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    with pytest.raises(
        SamNerfError, match=r"no trained run of horns_center, horns_left .*--scenes fern measures those"
    ):
        measured(NVOS, tmp_path, {})


def test_an_unknown_scene_is_refused(nvos, tmp_path):
    with pytest.raises(SamNerfError, match=r"no scene 'fox'; it has fern, horns_center, horns_left"):
        measured(NVOS, tmp_path, {}, scenes=("fox",))


def test_a_photograph_that_the_scene_lacks_is_named(nvos, tmp_path):
    with pytest.raises(SamNerfError, match=r"fern: the trained scene has no photograph b; train it on the data set's"):
        measured(NVOS, tmp_path, {"fern": Told(["a"])}, scenes=("fern",))


@pytest.fixture
def toy_predictor(toy, monkeypatch):
    monkeypatch.setattr("samnerf.objects.votes.vote_grid", partial(vote_grid, voxels=24))

    def make(method):
        return ScenePredictor(toy.scene(), Session(toy.MaskDecoder(), toy.TextDecoder()), method)

    return make


def toy_truth(toy, frame, object_id):
    return toy.Field().ids(toy.scene().camera(frame)) == object_id


@pytest.mark.parametrize("method", ["prompts", "lock"])
def test_the_toy_world_from_scribbles_to_iou(toy, toy_predictor, miniature, tmp_path, run_folder, method):
    truth = toy_truth(toy, "frame_4", 1)
    reference = toy.Field().ids(toy.scene().camera("frame_0"))[2::4, 2::4]
    inside = np.zeros_like(reference, bool)
    inside[:, 1:-1] = (reference == 1)[:, 1:-1] & (reference == 1)[:, 2:] & (reference == 1)[:, :-2]
    miniature.nvos(tmp_path / "data", "fern", "frame_4", truth, "frame_0", inside, reference == 2)
    run_folder("fern")
    _, report = measured(NVOS, tmp_path, {"fern": toy_predictor(method)}, method=method)
    assert report.scores["miou"] > 0.7
    assert report.scores["accuracy"] > 0.97


@pytest.mark.parametrize("method", ["prompts", "lock"])
def test_the_toy_world_from_a_mask_to_all_views(toy, toy_predictor, miniature, tmp_path, run_folder, method):
    masks = {f"frame_{i}": toy_truth(toy, f"frame_{i}", 2) for i in range(4)}
    miniature.spin_nerf(tmp_path / "data", "fern (llff)", masks)
    run_folder("fern")
    _, report = measured(SPIN_NERF, tmp_path, {"fern": toy_predictor(method)}, method=method)
    assert min(report.scores[key] for key in ("pooled", "averaged", "pooled_others", "averaged_others")) > 0.65


@pytest.mark.parametrize("method", ["prompts", "lock"])
def test_the_toy_world_from_words_to_masks(toy, toy_predictor, miniature, tmp_path, run_folder, method):
    masks = {("0", "red"): toy_truth(toy, "frame_2", 1), ("1", "blue"): toy_truth(toy, "frame_3", 3)}
    masks |= {("1", "purple"): toy_truth(toy, "frame_3", 2)}
    miniature.lerf_mask(tmp_path / "data", "ramen", masks, train=("frame_0", "frame_1"))
    run_folder("ramen")
    results, _ = measured(LERF_MASK, tmp_path, {"ramen": toy_predictor(method)}, method=method)
    ious = {row["class"]: row["iou"] for row in results["ramen"].details}
    assert ious["red"] > 0.65 and ious["blue"] > 0.65 and ious["purple"] == 0
    assert len(results["ramen"].failures) == 1


def test_the_toy_world_from_words_to_maps(toy, toy_predictor, miniature, tmp_path, run_folder):
    rows, columns = np.nonzero(toy_truth(toy, "frame_2", 1))
    box = [int(columns.min()), int(rows.min()), int(columns.max()), int(rows.max())]
    miniature.lerf_ovs(tmp_path / "data", "ramen", "frame_2", SIZE, [("red", box)])
    run_folder("ramen")
    _, report = measured(LERF_OVS, tmp_path, {"ramen": toy_predictor("prompts")})
    assert report.scores["localization"] == 1
    assert report.scores["miou"] > 0.6
    write_report(tmp_path / "out", report)
    assert json.loads((tmp_path / "out" / "results.json").read_text())["kind"] == "lerf-ovs"
