"""Nerfstudio's viewer at work on untrained scenes, with a browser that only pretends to be one."""

import copy
import json
import math
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import viser.transforms as vtf
from nerfstudio.configs.base_config import ViewerConfig
from nerfstudio.viewer.viewer import VISER_NERFSTUDIO_SCALE_RATIO, Viewer
from PIL import Image

from samnerf.configs.methods import samnerf_no_distill, samnerf_tiny
from samnerf.masks import MaskPrediction

SIDE = 24
RADIUS = 14.0
"""Of the masks of `DiscDecoder`, pixels."""


def write_capture(folder):
    """Blocks of noise, seen from four places."""
    (folder / "images").mkdir(parents=True)
    frames = []
    for i in range(4):
        noise = np.random.default_rng(i).integers(0, 256, (SIDE // 4, SIDE // 4, 3), dtype=np.uint8)
        Image.fromarray(noise.repeat(4, 0).repeat(4, 1)).save(folder / f"images/{i}.png")
        pose = np.eye(4)
        pose[:3, 3] = math.cos(i), math.sin(i), 2.0
        frames.append({"file_path": f"images/{i}.png", "transform_matrix": pose.tolist()})
    lens = {"fl_x": SIDE, "fl_y": SIDE, "cx": SIDE / 2, "cy": SIDE / 2, "w": SIDE, "h": SIDE}
    splits = {"train_filenames": [f"images/{i}.png" for i in range(3)], "test_filenames": ["images/3.png"]}
    (folder / "transforms.json").write_text(json.dumps({**lens, **splits, "frames": frames}))
    return folder


@pytest.fixture(scope="session")
def capture(tmp_path_factory):
    """The folder of a capture of noise."""
    return write_capture(tmp_path_factory.mktemp("panel") / "noise")


@pytest.fixture
def pipeline(capture):
    """`pipeline(distilled=True)` is an untrained scene of the tiny teachers, small and full of fog."""

    def make(distilled=True):
        config = copy.deepcopy((samnerf_tiny if distilled else samnerf_no_distill).config.pipeline)
        config.datamanager.data = capture
        config.datamanager.train_num_rays_per_batch = 64
        model = config.model
        model.pair, model.encoding, model.implementation = "tiny", "planes", "torch"
        model.plane_resolutions, model.proposal_plane_resolutions = (8,), (8,)
        model.num_proposal_iterations, model.num_proposal_samples_per_ray = 1, (12,)
        model.num_nerf_samples_per_ray, model.average_init_density = 8, 1.0
        if distilled:
            model.feature_resolutions, model.feature_samples = (8,), 2
        torch.manual_seed(0)
        return config.setup(device="cpu", test_mode="val")

    return make


class DiscDecoder:
    """A disc around every positive point."""

    teacher = "tiny-sam"

    def __init__(self):
        self.failing = False
        self.maps = []

    def decode(self, feature_map, prompts, candidates=False, previous=None):
        if self.failing:
            raise RuntimeError("the decoder {tripped}")
        self.maps.append(feature_map)
        height, width = feature_map.image_size
        y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
        centres = [(point.x, point.y) for point in prompts.points if point.label == 1]
        distances = torch.stack([((x - cx) ** 2 + (y - cy) ** 2).sqrt() for cx, cy in centres]).amin(0)
        return MaskPrediction((RADIUS - distances)[None], torch.tensor([0.75]), torch.zeros(1, 4, 4))


class RampDecoder:
    """Every phrase fits more the further right one looks."""

    teacher = "tiny-clipseg"

    def relevancy(self, feature_map, phrase):
        return torch.linspace(0, 0.9, feature_map.side).expand(feature_map.side, feature_map.side).contiguous()


@pytest.fixture
def decoders(monkeypatch):
    """What is loaded as the tiny pair's decoders."""
    loaded = SimpleNamespace(mask=DiscDecoder(), text=RampDecoder())
    where = "samnerf.viewer.nerfstudio_panel.decoders"
    monkeypatch.setattr(f"{where}.load_mask_decoder", lambda pair, device: loaded.mask)
    monkeypatch.setattr(f"{where}.load_text_decoder", lambda pair, device: loaded.text)
    return loaded


class Browser:
    """What nerfstudio's viewer knows of a browser: where it looks from, and the pictures that it is sent."""

    client_id = 7

    def __init__(self, viewer, camera_to_world):
        self.viewer, self.pictures = viewer, []
        rotation = vtf.SO3.from_matrix(camera_to_world[:, :3].numpy()) @ vtf.SO3.from_x_radians(np.pi)
        position = camera_to_world[:, 3].numpy() * VISER_NERFSTUDIO_SCALE_RATIO
        self.camera = SimpleNamespace(
            wxyz=rotation.wxyz, position=position, fov=1.0, aspect=1.0, on_update=lambda function: function
        )
        self.scene = SimpleNamespace(set_background_image=lambda picture, **_: self.pictures.append(picture))

    @property
    def renderer(self):
        return self.viewer.render_statemachines[self.client_id]

    def rest(self):
        """The picture at full size, when all that was asked for is rendered."""
        until(lambda: self.renderer.next_action is None and self.renderer.state == "high" and self.pictures)
        until(lambda: self._quiet())
        return self.pictures[-1].astype(int)

    def _quiet(self):
        count = len(self.pictures)
        time.sleep(0.5)
        resting = self.renderer.state == "high" and self.renderer.next_action is None and len(self.pictures) == count
        return resting and self.pictures[-1].shape[:2] == (64, 64)

    def click(self, x=0.5, y=0.5):
        """At parts of the picture's width and height."""
        for told in self.viewer.pipeline.viewer_door.panel.around._impl.click_cb:
            told(SimpleNamespace(client=self, screen_pos=(x, y)))


def press(handle):
    """What happens when a person presses a button or has changed a value."""
    for told in handle._impl.update_cb:
        told(None)


def until(true, patience=60.0):
    end = time.monotonic() + patience
    while not true():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.02)


@pytest.fixture
def watched(tmp_path, pipeline, free_port, decoders, monkeypatch):
    """`watched(distilled=True)`: nerfstudio's viewer of an untrained scene, and a browser at it."""
    opened = []

    def open_viewer(distilled=True):
        scene = pipeline(distilled)
        lock = threading.Lock()
        config = ViewerConfig(websocket_host="127.0.0.1", websocket_port=free_port)
        viewer = Viewer(config, tmp_path / "viewer.log", tmp_path, scene, train_lock=lock)
        opened.append(viewer)
        viewer.control_panel._max_res.value = 64
        browser = Browser(viewer, scene.datamanager.train_dataset.cameras.camera_to_worlds[0])
        monkeypatch.setattr(viewer.viser_server, "get_clients", lambda: {browser.client_id: browser})
        viewer.handle_new_client(browser)
        browser.rest()
        return SimpleNamespace(
            pipeline=scene, viewer=viewer, panel=scene.viewer_door.panel, browser=browser, lock=lock, decoders=decoders,
            press=press, until=until, options=viewer.control_panel._output_render,
        )  # fmt: skip

    yield open_viewer
    for viewer in opened:
        for renderer in viewer.render_statemachines.values():
            renderer.running = False
            renderer.join()
        viewer.viser_server.stop()


@pytest.fixture
def free_port():
    """A port that nobody listens on."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
