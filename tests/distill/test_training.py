"""A whole training of a few steps on a capture of eight tiny views, and what it leaves behind."""

import copy
import json
import random
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from nerfstudio.engine.callbacks import TrainingCallbackAttributes, TrainingCallbackLocation
from nerfstudio.engine.optimizers import Optimizers
from PIL import Image

from samnerf.camera import Camera
from samnerf.configs.methods import samnerf_distill, samnerf_no_distill, samnerf_tiny
from samnerf.distill.model import SamNerfModel
from samnerf.errors import SamNerfError
from samnerf.feature_map import FeatureMap
from samnerf.preprocessing.captures import read_capture
from samnerf.preprocessing.extraction import extract_store
from samnerf.teachers.pairs import PAIRS, installed_weights_hash

pytestmark = [
    pytest.mark.filterwarnings("ignore:This DataLoader will create"),
    pytest.mark.filterwarnings("ignore:Using a non-tuple sequence for multidimensional indexing"),
]

VIEWS, HEIGHT, WIDTH = 8, 24, 32
STEPS = 240


class ColourTeacher:
    """An encoder whose features are repeated mean colours of cells, and 7 in padding; it passes for the tiny one."""

    def __init__(self, kind):
        spec = PAIRS["tiny"][kind]
        self.name, self.channels, self.side, self.layout = spec.teacher, spec.channels, spec.side, spec.layout
        self.weights_hash = installed_weights_hash("tiny", kind)

    def encode(self, image, layout=None):
        blank = FeatureMap(
            torch.full((self.channels, self.side, self.side), 7.0), image.shape[:2], self.layout, self.name
        )
        covered = blank.covered
        rows, columns = int(covered.any(dim=1).sum()), int(covered.any(dim=0).sum())
        small = np.asarray(Image.fromarray(image).resize((columns, rows), Image.Resampling.BOX)) / 255
        colours = torch.tensor(small, dtype=torch.float32).permute(2, 0, 1)
        blank.values[:, :rows, :columns] = colours.repeat(self.channels // 3 + 1, 1, 1)[: self.channels]
        summary = torch.arange(self.channels, dtype=torch.float32) if self.name == "tiny-clipseg" else None
        return FeatureMap(blank.values, blank.image_size, self.layout, self.name, summary)


def write_capture(folder, extract=True):
    """Cameras on a circle around a ball in three colours before a grey sky."""
    (folder / "images").mkdir(parents=True)
    frames = []
    for i in range(VIEWS):
        angle = 2 * np.pi * i / VIEWS
        z = np.array([np.cos(angle), np.sin(angle), 0.3]) / np.sqrt(1.09)
        x = np.cross([0, 0, 1], z) / np.linalg.norm(np.cross([0, 0, 1], z))
        pose = np.eye(4)
        pose[:3] = np.stack([x, np.cross(z, x), z, 3 * z], axis=1)
        camera = Camera(torch.tensor(pose[:3], dtype=torch.float32), 32.0, 32.0, WIDTH / 2, HEIGHT / 2, HEIGHT, WIDTH)
        rows, columns = torch.meshgrid(torch.arange(HEIGHT) + 0.5, torch.arange(WIDTH) + 0.5, indexing="ij")
        rays = camera.ray_directions(torch.stack([columns, rows], dim=-1))
        along = -(rays @ camera.position)
        root = along**2 - camera.position @ camera.position + 1
        point = camera.position + rays * (along - root.clamp_min(0).sqrt())[..., None]
        colours = torch.where(root[..., None] > 0, (point * 0.5 + 0.5).clamp(0, 1), torch.full((3,), 0.5))
        name = f"images/{i}.png"
        Image.fromarray((colours.numpy() * 255).astype(np.uint8)).save(folder / name)
        frames.append({"file_path": name, "transform_matrix": pose.tolist()})
    intrinsics = {"w": WIDTH, "h": HEIGHT, "fl_x": 32, "fl_y": 32, "cx": WIDTH / 2, "cy": HEIGHT / 2}
    splits = {"train_filenames": [f["file_path"] for f in frames[1:]], "test_filenames": ["images/0.png"]}
    (folder / "transforms.json").write_text(json.dumps({**intrinsics, **splits, "frames": frames}))
    if extract:
        for kind in ("sam", "clipseg"):
            extract_store(read_capture(folder), ColourTeacher(kind))
    return folder


def config_for(capture, method=samnerf_tiny):
    config = copy.deepcopy(method.config)
    config.pipeline.datamanager.data = capture
    config.pipeline.datamanager.train_num_rays_per_batch = 512
    config.pipeline.model.implementation = "torch"
    for group in config.optimizers.values():
        group["scheduler"].max_steps = STEPS  # rates fall as in a whole training
    config.pipeline.model.proposal_weights_anneal_max_num_iters = STEPS // 2  # a loaded model no longer anneals
    return config


def train(config, steps, trainer=None):
    random.seed(0)  # which images are loaded
    torch.manual_seed(0)
    pipeline = config.pipeline.setup(device="cpu", test_mode="val")
    optimizers = Optimizers(config.optimizers, pipeline.get_param_groups())
    callbacks = pipeline.get_training_callbacks(TrainingCallbackAttributes(None, None, None, trainer))
    losses = []
    for step in range(steps):
        for callback in callbacks:
            callback.run_callback_at_location(step, TrainingCallbackLocation.BEFORE_TRAIN_ITERATION)
        optimizers.zero_grad_all()
        _, loss_dict, _ = pipeline.get_train_loss_dict(step)
        sum(loss_dict.values()).backward()
        optimizers.optimizer_step_all()
        optimizers.scheduler_step_all(step)
        losses.append({name: float(loss.detach()) for name, loss in loss_dict.items()})
    return pipeline, losses


@pytest.fixture(scope="module")
def capture(tmp_path_factory):
    return write_capture(tmp_path_factory.mktemp("capture") / "ball")


@pytest.fixture(scope="module")
def trained(capture):
    return train(config_for(capture), STEPS)


@pytest.fixture(scope="module")
def camera(trained):
    cameras = trained[0].datamanager.eval_dataset.cameras
    return Camera(cameras.camera_to_worlds[0], 32.0, 32.0, WIDTH / 2, HEIGHT / 2, HEIGHT, WIDTH)


def test_colour_comes_first_and_features_follow_without_moving_it(capture):
    config = config_for(capture)
    config.pipeline.datamanager.colour_share = 0.5
    config.max_num_iterations = 4
    pipeline, losses = train(config, 4, SimpleNamespace(_start_step=0, config=config))
    assert [("rgb_loss" in step, "sam_loss" in step) for step in losses] == [(True, False)] * 2 + [(False, True)] * 2
    model = pipeline.model
    assert all(weight.grad is None for part in (model.field, model.proposal_networks) for weight in part.parameters())
    assert all(weight.grad is not None for weight in model.feature_field.parameters())


def test_rays_that_are_learned_from_again_are_not_rendered_again(capture, monkeypatch):
    config = config_for(capture)
    config.pipeline.datamanager.colour_share, config.pipeline.datamanager.fresh_share = 0.25, 1 / 3
    config.max_num_iterations = 8
    sampled = []
    real = SamNerfModel._sampled
    monkeypatch.setattr(SamNerfModel, "_sampled", lambda model, rays: sampled.append(rays) or real(model, rays))
    _, losses = train(config, 8, SimpleNamespace(_start_step=0, config=config))
    assert len(sampled) == 2
    assert [sorted(step) for step in losses[2:]] == [["clipseg_loss", "sam_loss"]] * 6


@pytest.mark.parametrize(
    "changes",
    [
        {"rays_per_side": 3, "block_side": 2},
        {"feature_places": True},
        {"aggregation": "attention"},
        {"feature_loss": "mse+cosine"},
    ],
)
@pytest.mark.parametrize("colour_share", [0.0, 0.5])
def test_other_ways_to_learn_features(capture, camera, changes, colour_share):
    config = config_for(capture)
    config.pipeline.model = replace(config.pipeline.model, **changes)
    config.pipeline.datamanager.colour_share, config.pipeline.datamanager.fresh_share = colour_share, 0.5
    config.max_num_iterations = 6
    pipeline, losses = train(config, 6, SimpleNamespace(_start_step=0, config=config))
    assert [("rgb_loss" in step) for step in losses] == [True] * 3 + [colour_share == 0] * 3
    assert {"sam_loss", "clipseg_loss"} <= losses[-1].keys()
    maps = pipeline.model.render_feature_maps(camera)
    assert all(bool(torch.isfinite(one.values).all()) for one in maps.values())


def test_fewer_rays_than_a_block_are_refused(capture):
    config = config_for(capture)
    config.pipeline.datamanager.colour_share = 0.5
    config.pipeline.datamanager.train_num_rays_per_batch = 60
    config.max_num_iterations = 4
    with pytest.raises(SamNerfError, match="at least 64 are needed"):
        train(config, 4, SimpleNamespace(_start_step=0, config=config))


@pytest.mark.parametrize("name", ["rgb_loss", "sam_loss", "clipseg_loss"])
def test_training_lowers_every_loss(trained, name):
    losses = [step[name] for step in trained[1]]
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:3])


def test_rendered_maps_have_the_teachers_shape_padding_and_summary(trained, camera):
    maps = trained[0].model.render_feature_maps(camera)
    assert list(maps) == ["sam", "clipseg"]
    for kind, spec in PAIRS["tiny"].items():
        assert maps[kind].values.shape == (spec.channels, spec.side, spec.side)
        assert (maps[kind].teacher, maps[kind].layout) == (spec.teacher, spec.layout)
        assert torch.isfinite(maps[kind].values).all()
    assert (maps["sam"].values[:, ~maps["sam"].covered] == 7).all()
    assert maps["sam"].summary is None
    torch.testing.assert_close(maps["clipseg"].summary, torch.arange(96.0))


def test_rendered_maps_resemble_the_teachers_on_a_view_of_the_training_set(trained, capture):
    cameras = trained[0].datamanager.train_dataset.cameras
    seen = Camera(cameras.camera_to_worlds[0], 32.0, 32.0, WIDTH / 2, HEIGHT / 2, HEIGHT, WIDTH)
    image = np.asarray(Image.open(capture / "images/1.png"))
    for kind, rendered in trained[0].model.render_feature_maps(seen).items():
        true = ColourTeacher(kind).encode(image).values[:, rendered.covered]
        error = (rendered.values[:, rendered.covered] - true).square().mean()
        assert error < 0.8 * true.var(dim=1).mean()


def test_a_render_is_the_same_twice_and_leaves_the_model_in_training(trained, camera):
    model = trained[0].model.train()
    (first, depth), (second, _) = model.render_colour(camera), model.render_colour(camera)
    assert torch.equal(first, second)
    assert first.shape == (HEIGHT, WIDTH, 3)
    assert depth.shape == (HEIGHT, WIDTH)
    a, b = model.render_feature_maps(camera), model.render_feature_maps(camera)
    assert torch.equal(a["sam"].values, b["sam"].values)
    assert model.training


@pytest.mark.parametrize("scale", [1, 2], ids=["at full size", "at half the size"])
def test_the_viewer_gets_the_same_float_outputs_for_any_camera(trained, scale):
    model = trained[0].model.eval()
    camera = copy.deepcopy(trained[0].datamanager.eval_dataset.cameras[0:1])
    camera.rescale_output_resolution(1 / scale)
    outputs = model.get_outputs_for_camera(camera)
    assert {"rgb", "depth", "accumulation", "sam_pca", "clipseg_pca"} <= outputs.keys()
    for value in outputs.values():
        assert value.shape[:2] == (HEIGHT // scale, WIDTH // scale)
        assert value.shape[2] in (1, 3)
        assert value.dtype == torch.float32


def test_evaluation_measures_the_same_scalars_and_never_lpips(trained):
    pipeline = trained[0].eval()
    metrics = pipeline.get_average_eval_image_metrics()
    assert {"psnr", "ssim"} <= metrics.keys()
    assert "lpips" not in metrics
    assert pipeline.get_eval_loss_dict(0)[1].keys() == {"rgb_loss"}


def test_the_checkpoint_holds_no_teacher_and_no_lpips(trained, capture):
    state = trained[0].state_dict()
    assert {name.split(".")[0] for name in state} == {"_model"}
    parts = {name.split(".")[1] for name in state}
    assert parts == {
        "device_indicator_param", "field", "proposal_networks", "feature_field", "aggregation", "statistics"
    }  # fmt: skip
    size = sum(tensor.numel() * tensor.element_size() for tensor in state.values())
    assert size < 20e6


def test_a_checkpoint_is_loaded_whole_without_the_feature_store(trained, capture, camera, tmp_path):
    state = trained[0].state_dict()
    config = config_for(capture)
    config.pipeline.datamanager.features = tmp_path / "nowhere"
    pipeline = config.pipeline.setup(device="cpu", test_mode="inference")
    pipeline.load_pipeline(state, step=STEPS)
    a, b = (p.model.render_feature_maps(camera) for p in (trained[0], pipeline))
    assert torch.equal(a["sam"].values, b["sam"].values)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda state: state.pop("_model.feature_field.mlp.0.weight"), "lacks 1 tensors"),
        (lambda state: state.update({"_model.lpips.net.weight": torch.zeros(1)}), "has unknown 1 tensors"),
        (lambda state: state.update({"_model.statistics.sam.mean": torch.zeros(3)}), "has other shapes of 1 tensors"),
    ],
    ids=["missing", "unknown", "other shape"],
)
def test_a_checkpoint_of_something_else_is_refused(trained, spoil, message):
    state = dict(trained[0].state_dict())
    spoil(state)
    with pytest.raises(SamNerfError, match=message):
        trained[0].load_pipeline(state, step=0)


def test_training_without_features_names_the_command(tmp_path):
    config = config_for(write_capture(tmp_path / "bare", extract=False))
    with pytest.raises(SamNerfError, match=r"run `samnerf extract .*bare --teachers tiny"):
        train(config, 1)


def test_features_are_extracted_on_request(tmp_path, monkeypatch):
    capture = write_capture(tmp_path / "bare", extract=False)
    monkeypatch.setattr("samnerf.preprocessing.extraction.load_encoder", lambda pair, kind, device: ColourTeacher(kind))
    config = config_for(capture)
    config.pipeline.datamanager.extract_missing = True
    _, losses = train(config, 1)
    assert {"sam_loss", "clipseg_loss"} <= losses[0].keys()


def test_an_unfinished_store_says_how_to_go_on(tmp_path):
    capture = write_capture(tmp_path / "cut")
    done = capture / "features" / "tiny-sam-letterbox" / "done.npy"
    flags = np.load(done)
    flags[3] = 0
    np.save(done, flags)
    with pytest.raises(SamNerfError, match="lacks 1 images"):
        train(config_for(capture), 1)


def test_features_of_other_weights_are_refused(tmp_path, monkeypatch):
    capture = write_capture(tmp_path / "stale")
    monkeypatch.setattr("samnerf.distill.datamanager.installed_weights_hash", lambda pair, kind: "f" * 64)
    with pytest.raises(SamNerfError, match="made by other weights of 'tiny-sam'"):
        train(config_for(capture), 1)


def test_features_of_an_image_that_has_changed_are_refused(tmp_path):
    capture = write_capture(tmp_path / "changed")
    Image.fromarray(np.zeros((HEIGHT, WIDTH, 3), np.uint8)).save(capture / "images/3.png")
    with pytest.raises(SamNerfError, match=r"'?3'?.* changed|changed.*'?3'?"):
        train(config_for(capture), 1)


def test_the_baseline_trains_colour_alone(capture):
    config = config_for(capture, samnerf_no_distill)
    config.pipeline.model.num_levels = 2
    config.pipeline.model.log2_hashmap_size = 8
    pipeline, losses = train(config, 2)
    assert not any(name.startswith(("sam", "clipseg")) for name in losses[-1])
    assert not hasattr(pipeline.model, "render_feature_maps")
    assert not any("lpips" in name for name in pipeline.state_dict())


def test_the_gpu_method_runs_on_a_cpu_too(capture):
    config = config_for(capture, samnerf_distill)
    model = config.pipeline.model
    model.pair, model.num_levels, model.log2_hashmap_size = "tiny", 2, 8
    model.feature_resolutions, model.feature_log2_hashmap_size = (8, 16), 8
    pipeline, losses = train(config, 2)
    assert {"sam_loss", "clipseg_loss"} <= losses[-1].keys()
    assert "features" in pipeline.get_param_groups()


def test_a_scene_cannot_learn_from_sam_2(capture):
    config = config_for(capture, samnerf_distill)
    config.pipeline.model.pair = "sam2-hiera-small"
    with pytest.raises(SamNerfError, match="no scene can be distilled from sam2-hiera-small"):
        train(config, 1)
