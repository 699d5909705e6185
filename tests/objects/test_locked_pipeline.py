"""Nerfstudio's own programs open a run with its locked objects, or say why they are not shown."""

import copy
import json
import math

import numpy as np
import pytest
import torch
import yaml
from nerfstudio.utils.eval_utils import eval_setup
from PIL import Image

from samnerf.configs.methods import samnerf_no_distill
from samnerf.distill.cameras import from_nerfstudio
from samnerf.errors import SamNerfError
from samnerf.objects.compositing import id_picture
from samnerf.objects.layer_files import save_layers
from samnerf.objects.layers import ObjectLayers
from samnerf.objects.locked_pipeline import LockedPipelineConfig, write_locked_config
from samnerf.objects.object_rendering import object_alphas
from samnerf.objects.probability_grid import ProbabilityGrid
from samnerf.objects.scene_object import SceneObject

pytestmark = [
    pytest.mark.filterwarnings("ignore:Using a non-tuple sequence for multidimensional indexing"),
    pytest.mark.filterwarnings("ignore:This DataLoader will create"),
]

SIDE, STEP = 12, 7


def write_capture(folder):
    """Noise, seen from three places."""
    (folder / "images").mkdir(parents=True)
    frames = []
    for i in range(3):
        noise = np.random.default_rng(i).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / f"images/{i}.png")
        pose = np.eye(4)
        pose[:3, 3] = math.cos(i), math.sin(i), 2.0
        frames.append({"file_path": f"images/{i}.png", "transform_matrix": pose.tolist()})
    lens = {"fl_x": SIDE, "fl_y": SIDE, "cx": SIDE / 2, "cy": SIDE / 2, "w": SIDE, "h": SIDE}
    splits = {"train_filenames": ["images/0.png", "images/1.png"], "test_filenames": ["images/2.png"]}
    (folder / "transforms.json").write_text(json.dumps({**lens, **splits, "frames": frames}))
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The config.yml of a run that has a checkpoint but no training behind it."""
    home = tmp_path_factory.mktemp("home")
    config = copy.deepcopy(samnerf_no_distill.config)
    config.output_dir, config.experiment_name, config.timestamp = home / "outputs", "run", "now"
    config.pipeline.datamanager.data = write_capture(home / "capture")
    model = config.pipeline.model
    model.encoding, model.plane_resolutions, model.proposal_plane_resolutions = "planes", (8,), (8,)
    model.num_proposal_samples_per_ray, model.num_nerf_samples_per_ray = (16, 12), 8
    # The grids of the test lie in fog.
    model.average_init_density = 1.0
    config.pipeline.datamanager.dataparser.data = config.pipeline.datamanager.data
    pipeline = config.pipeline.setup(device="cpu", test_mode="inference")
    config.save_config()
    folder = config.get_checkpoint_dir()
    folder.mkdir()
    torch.save({"step": STEP, "pipeline": pipeline.state_dict()}, folder / f"step-{STEP:09d}.ckpt")
    return config.get_base_dir() / "config.yml"


@pytest.fixture
def locked(trained):
    """The same with an object, half of the world, and their config; returns objects.yml and the layers."""
    objects = trained.with_name("objects.json")
    half = ProbabilityGrid(torch.ones(2, 3, 3), torch.full((3,), -1.0), 1.0)
    layers = ObjectLayers((SceneObject(1, "half", (255, 128, 0), half),), 2)
    save_layers(objects, layers, "c0ffee")
    return write_locked_config(trained, objects, "c0ffee"), layers


def outputs_of(config):
    _, pipeline, _, _ = eval_setup(config, test_mode="inference")
    camera = pipeline.datamanager.eval_dataset.cameras[0:1]
    return pipeline.model, from_nerfstudio(camera), pipeline.model.get_outputs_for_camera(camera)


def test_the_locked_config_is_that_of_the_run_but_for_its_pipelines_class(trained, locked):
    before, after = (yaml.load(path.read_text(), Loader=yaml.Loader) for path in (trained, locked[0]))
    assert isinstance(after.pipeline, LockedPipelineConfig)
    assert (after.pipeline.objects, after.pipeline.step) == (trained.with_name("objects.json"), STEP)
    assert after.pipeline.model == before.pipeline.model
    assert after.pipeline.datamanager.data == before.pipeline.datamanager.data
    after.pipeline = before.pipeline
    assert after == before


def test_it_may_be_written_from_itself(trained, locked):
    text = locked[0].read_text()
    write_locked_config(locked[0], trained.with_name("objects.json"), "c0ffee")
    assert locked[0].read_text() == text


def test_the_outputs_of_a_locked_run_show_its_objects(locked):
    config, layers = locked
    model, camera, outputs = outputs_of(config)
    for name in ("objects", "object_ids"):
        assert outputs[name].shape == (SIDE, SIDE, 3)
        assert outputs[name].dtype == torch.float32
        assert ((outputs[name] >= 0) & (outputs[name] <= 1)).all()
    shown = object_alphas(model.render_samples(camera), layers.objects)
    assert torch.equal(outputs["object_ids"], id_picture(shown, layers.objects))
    met = shown.alpha(0) > 0
    assert met.any()
    assert torch.equal((outputs["objects"] != outputs["rgb"]).any(dim=-1), met)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda objects: objects.unlink(), "does not exist"),
        (lambda objects: objects.write_text("{"), "not JSON|no JSON|valid JSON"),
        (lambda objects: next(objects.parent.glob("*.safetensors")).write_bytes(b"?"), "are not those of"),
    ],
    ids=["missing", "broken", "other grids"],
)
def test_a_run_whose_objects_cannot_be_read_is_shown_without_them(locked, capsys, spoil, message):
    spoil(locked[0].with_name("objects.json"))
    _, _, outputs = outputs_of(locked[0])
    assert "objects" not in outputs
    assert "rgb" in outputs
    said = capsys.readouterr().out
    assert "No objects are shown: " in said
    assert any(words in said for words in message.split("|"))


def test_objects_of_an_earlier_checkpoint_are_not_shown(locked, capsys):
    newer = locked[0].parent / "nerfstudio_models" / f"step-{STEP + 1:09d}.ckpt"
    state = torch.load(newer.with_name(f"step-{STEP:09d}.ckpt"), weights_only=True)
    torch.save({**state, "step": STEP + 1}, newer)
    try:
        assert "objects" not in outputs_of(locked[0])[2]
    finally:
        newer.unlink()
    assert "locked in the checkpoint of step 7, and this is that of step 8" in capsys.readouterr().out


def test_objects_in_the_run_are_named_as_the_run_is(trained, tmp_path):
    home = trained.parents[4]
    run = yaml.load(trained.read_text(), Loader=yaml.Loader)
    run.output_dir = run.output_dir.relative_to(home)
    moved = trained.with_name("relative.yml")
    moved.write_text(yaml.dump(run))
    inside = write_locked_config(moved, trained.with_name("objects.json"), "c0ffee")
    path = yaml.load(inside.read_text(), Loader=yaml.Loader).pipeline.objects
    assert path == trained.with_name("objects.json").relative_to(home)
    outside = write_locked_config(moved, tmp_path / "mine.json", "c0ffee")
    assert yaml.load(outside.read_text(), Loader=yaml.Loader).pipeline.objects == tmp_path / "mine.json"


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "cannot be read"), ("[", "cannot be read"), ("a: 1", "is not that of a samnerf run")],
    ids=["missing", "no YAML", "something else"],
)
def test_a_config_of_something_else_is_refused(tmp_path, content, message):
    config = tmp_path / "config.yml"
    if content is not None:
        config.write_text(content)
    with pytest.raises(SamNerfError, match=message):
        write_locked_config(config, tmp_path / "objects.json", "c0ffee")


def test_a_run_without_checkpoint_is_refused(trained, tmp_path):
    (tmp_path / "config.yml").write_text(trained.read_text())
    with pytest.raises(SamNerfError, match="no checkpoint in"):
        write_locked_config(tmp_path / "config.yml", tmp_path / "objects.json", "c0ffee")
