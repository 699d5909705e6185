"""A trained scene gives cameras and views, and says what is wrong with a run that is none."""

import numpy as np
import pytest
import torch

from samnerf.errors import SamNerfError
from samnerf.scene import TrainedScene
from samnerf.view import DistilledView, ImageView, RenderedView


def test_cameras_are_listed_by_split_under_the_names_of_their_files(toy):
    scene = toy.scene()
    assert [name for name, _ in scene.cameras("train")] == ["frame_0", "frame_1"]
    assert [name for name, _ in scene.cameras("test")] == ["frame_2", "frame_3", "frame_4"]
    torch.testing.assert_close(scene.camera("frame_3").position, torch.tensor([0.3, 0.0, 3.0]))


def test_a_distilled_scene_renders_features_and_a_plain_one_runs_the_encoders(toy):
    class Plain(toy.Field):
        render_feature_maps = property()

    scene = toy.scene()
    assert isinstance(scene.view(scene.camera("frame_2"), "a"), DistilledView)
    assert isinstance(toy.scene(Plain()).view(scene.camera("frame_2"), "a"), RenderedView)


def test_the_true_image_of_a_camera_can_be_prompted(toy):
    scene = toy.scene()
    view = scene.image_view("frame_4")
    assert isinstance(view, ImageView)
    assert np.array_equal(view.rgb, scene.view(scene.camera("frame_4"), "a").rgb)
    assert view.camera is not None


def test_a_distorted_photograph_has_a_pinhole_for_novel_views_and_none_of_its_own(toy):
    scene = toy.scene()
    one = scene.pipeline.datamanager.eval_dataset.cameras[0]
    one.distortion_params = torch.tensor([0.1, 0, 0, 0, 0, 0])
    assert scene.image_view("frame_2").camera is None
    assert scene.camera("frame_2").fx == float(one.fx)


def test_files_of_the_same_name_in_two_folders_stay_apart(toy):
    scene = toy.scene()
    scene.pipeline.datamanager.train_dataset.image_filenames = ["left/frame_2.png", "left/frame_1.png"]
    names = [name for split in ("train", "test") for name, _ in scene.cameras(split)]
    assert names == ["left_frame_2", "frame_1", "images_frame_2", "frame_3", "frame_4"]


def test_an_unknown_view_is_named_and_so_are_some_known_ones(toy):
    with pytest.raises(SamNerfError, match="no view called 'frame_9'; it has frame_0, frame_1"):
        toy.scene().camera("frame_9")


def test_an_unknown_split_is_named(toy):
    with pytest.raises(SamNerfError, match="no split 'val'"):
        toy.scene().cameras("val")


def test_a_run_of_another_method_is_refused(toy):
    scene = toy.scene()
    del scene.pipeline.model.config.pair
    with pytest.raises(SamNerfError, match="which knows no teachers; train with ns-train samnerf-distill"):
        TrainedScene.from_pipeline(scene.pipeline)


def test_a_config_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SamNerfError, match=r"none\.yml does not exist"):
        TrainedScene.load(tmp_path / "none.yml")
    with pytest.raises(SamNerfError, match=r"is a folder; give the config\.yml"):
        TrainedScene.load(tmp_path)
