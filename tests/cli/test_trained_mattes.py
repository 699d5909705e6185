"""A scene trained on features that were stretched to a square: its encoded mattes say what its own views say."""

import copy
import json
import random

import numpy as np
import pytest
import torch
from nerfstudio.engine.callbacks import TrainingCallbackAttributes, TrainingCallbackLocation
from nerfstudio.engine.optimizers import Optimizers
from PIL import Image

from samnerf.cli.main import main
from samnerf.configs.methods import samnerf_tiny
from samnerf.export.encoded_matte import read_encoded_matte
from samnerf.preprocessing.extraction import extract_features
from samnerf.preprocessing.synthetic.capture import write_capture
from samnerf.preprocessing.synthetic.ground_truth import read_ground_truth
from samnerf.prompts import Box, Point, PromptFile, PromptSet
from samnerf.scene import TrainedScene

# nerfstudio was written for an older torch, which says so.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

STEPS = 60
HEIGHT, WIDTH = 48, 80


def trained_run(capture, output):
    """The config.yml of a run of a few steps on the capture's features of the layout `stretch`."""
    config = copy.deepcopy(samnerf_tiny.config)
    config.output_dir, config.experiment_name, config.timestamp = output, "run", "now"
    config.data = config.pipeline.datamanager.data = capture
    config.pipeline.datamanager.colour_share = 0.0
    config.pipeline.datamanager.train_num_rays_per_batch = 512
    config.pipeline.model.sam_layout = "stretch"
    random.seed(0)
    torch.manual_seed(0)
    pipeline = config.pipeline.setup(device="cpu", test_mode="val")
    optimizers = Optimizers(config.optimizers, pipeline.get_param_groups())
    callbacks = pipeline.get_training_callbacks(TrainingCallbackAttributes(None, None, None, None))
    for step in range(STEPS):
        for callback in callbacks:
            callback.run_callback_at_location(step, TrainingCallbackLocation.BEFORE_TRAIN_ITERATION)
        optimizers.zero_grad_all()
        sum(pipeline.get_train_loss_dict(step)[1].values()).backward()
        optimizers.optimizer_step_all()
    config.save_config()
    config.get_checkpoint_dir().mkdir()
    state = {"step": STEPS, "pipeline": pipeline.state_dict()}
    torch.save(state, config.get_checkpoint_dir() / f"step-{STEPS:09d}.ckpt")
    return config.get_base_dir() / "config.yml"


@pytest.fixture(scope="module")
def capture(tmp_path_factory):
    folder = tmp_path_factory.mktemp("capture") / "rooms"
    write_capture(folder, seed=5, views=6, test_views=2, width=WIDTH, height=HEIGHT, workers=1)
    extract_features(folder, "tiny", layout="stretch")
    return folder


@pytest.fixture(scope="module")
def config(capture, tmp_path_factory):
    return trained_run(capture, tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def mattes(config, tmp_path_factory):
    output = tmp_path_factory.mktemp("mattes")
    assert main(["export", "encoded-matte", "--config", str(config), "--output", str(output)]) == 0
    return output / "encoded-matte"


@pytest.fixture(scope="module")
def prompts(capture, tmp_path_factory):
    """Clicks and a box on the objects of the first test view, for whatever view."""
    truth = read_ground_truth(capture)
    masks = truth.ids("frame_0007")
    said = []
    for thing in truth.objects:
        rows, columns = np.nonzero(masks == thing.id)
        if len(rows) >= 30:
            middle = Point(float(columns.mean()) + 0.5, float(rows.mean()) + 0.5)
            box = Box(float(columns.min()), float(rows.min()), float(columns.max()) + 1, float(rows.max()) + 1)
            said.append(PromptSet(thing.name, points=(middle,), boxes=(box,) if len(said) % 2 else ()))
    path = tmp_path_factory.mktemp("prompts") / "prompts.json"
    PromptFile(tuple(said)).save(path)
    return path


def test_a_matte_holds_what_the_scene_renders_to_the_bit(config, mattes):
    scene = TrainedScene.load(config)
    for number, (name, camera) in enumerate(scene.cameras("test"), start=1):
        read = read_encoded_matte(mattes / f"samnerf.{number:04d}.exr").feature_map
        rendered = scene.view(camera, name).feature_map("sam")
        assert (rendered.layout, rendered.image_size) == ("stretch", (HEIGHT, WIDTH))
        assert torch.equal(read.values, rendered.values) and read.image_size == rendered.image_size
        assert rendered.covered.all()


def test_masks_of_the_mattes_are_those_of_the_scenes_views(config, mattes, prompts, tmp_path):
    said = ("--prompts", str(prompts))
    of_mattes, of_views = tmp_path / "mattes", tmp_path / "views"
    assert main(["segment", "--encoded-matte", str(mattes), *said, "--output", str(of_mattes)]) == 0
    # A matte knows no depth.
    assert main(["segment", "--config", str(config), *said, "--output", str(of_views), "--no-by-depth"]) == 0
    names = [view["view"] for view in json.loads((of_views / "masks.json").read_text())["views"]]
    shown = []
    for number, name in enumerate(names, start=1):
        for folder in sorted((of_views / "masks").iterdir()):
            here, there = folder / f"{name}.png", of_mattes / "masks" / folder.name / f"samnerf.{number:04d}.png"
            with Image.open(here) as one, Image.open(there) as other:
                np.testing.assert_array_equal(np.asarray(one), np.asarray(other))
                shown.append(float((np.asarray(one) > 0).mean()))
    assert len(shown) >= 4
    # Equality would say nothing of masks that are all empty or all full.
    assert any(0.002 < share < 0.9 for share in shown)
