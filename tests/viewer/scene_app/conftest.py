"""The toy world with a whole renderer, and a ray-traced scene that passes for a trained one."""

import contextlib
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import viewer_page
from viewer_page import READABLE, ViewerPage

from samnerf.cli.scene_session import load_session
from samnerf.distill.colour_model import Rendering
from samnerf.objects.layers import ObjectLayers
from samnerf.objects.support import Support
from samnerf.preprocessing.synthetic import ray_tracer
from samnerf.preprocessing.synthetic.capture import CaptureSpecification, dome_cameras
from samnerf.preprocessing.synthetic.scene import random_scene
from samnerf.scene import TrainedScene
from samnerf.session import Session
from samnerf.surface_samples import SurfaceSamples
from samnerf.viewer.scene_app.actions import Actions
from samnerf.viewer.scene_app.app import SceneApp
from samnerf.viewer.scene_app.common import Choices, Common
from samnerf.viewer.scene_app.desk import Desk, Settings
from samnerf.viewer.scene_app.frames import render_frame
from samnerf.viewer.scene_app.guarded_server import GuardedServer
from samnerf.viewer.scene_app.shared_model import shared_scene
from samnerf.viewer.scene_app.shared_objects import SharedObjects


class Room:
    """The ray-traced scene with the tiny SAM, from where its first test photograph was taken."""

    def __init__(self, traced):
        self.scene = shared_scene(traced)
        self.actions = Actions(self.scene, load_session("tiny", False, "cpu"), Support([], self.scene.render_samples))
        self.camera = self.scene.cameras("test")[0][1]
        self.frame = render_frame(self.scene, self.camera, "view 1", ObjectLayers())
        self.coverage = ray_tracer.render(traced.pipeline.model.things, self.camera).coverage

    def clicked(self, index, settings=None):
        """A desk with a click in the middle of a thing."""
        rows, columns = np.nonzero(self.coverage[index] > 0.99)
        place = (columns.mean() + 0.5) / self.camera.width, (rows.mean() + 0.5) / self.camera.height
        return self.actions.click(Desk().adjust(settings or Settings()), self.frame, place)

    @property
    def large(self):
        """Things of which the picture shows enough to click them."""
        return [i for i, one in enumerate(self.coverage) if (one > 0.99).sum() > 80]


@pytest.fixture(scope="module")
def room(traced):
    return Room(traced)


@pytest.fixture
def world(toy):
    """The toy world at work: scene, field, decoders, actions, objects, and a frame."""

    class RenderedField(toy.Field):
        """The toy field as a model of ours renders."""

        def render(self, camera):
            colour, depth = self.render_colour(camera)
            return Rendering(colour, torch.ones(camera.image_size), depth, self.render_samples(camera))

        @contextlib.contextmanager
        def edited(self, factor):
            whole = self.squares
            gone = [float(factor(torch.tensor([[one.x, one.y, one.z]]))) < 0.5 for one in whole]
            self.squares = tuple(one for one, away in zip(whole, gone, strict=True) if not away)
            yield
            self.squares = whole

    field = RenderedField()
    scene = shared_scene(toy.scene(field))
    session = Session(toy.MaskDecoder(), toy.TextDecoder())
    actions = Actions(scene, session, toy.support(field))
    camera = toy.look_down()

    def frame(name="view 1", layers=None, **options):
        return render_frame(scene, options.pop("camera", camera), name, layers or ObjectLayers(), **options)

    def place(object_id, at=None):
        """The middle of a square, as parts of the picture's width and height."""
        rows, columns = np.nonzero(field.ids(at or camera) == object_id)
        return (columns.mean() + 0.5) / camera.width, (rows.mean() + 0.5) / camera.height

    def mask(object_id, at=None):
        """What the decoder can know of a square: the pixels of the cells that look at it."""
        feature_map = toy.Field().render_feature_maps(at or camera)["sam"]
        y, x = torch.meshgrid(torch.arange(camera.height) + 0.5, torch.arange(camera.width) + 0.5, indexing="ij")
        cells = feature_map.to_cells(torch.stack([x, y], dim=-1)).long()
        return (feature_map.values.argmax(0)[cells[..., 1], cells[..., 0]] == object_id).numpy()

    return SimpleNamespace(
        field=field, scene=scene, session=session, actions=actions, camera=camera, frame=frame, place=place, mask=mask,
        desk=Desk(), objects=SharedObjects(),
    )  # fmt: skip


FAR = (0.0, 0.0, -50.0)
"""Below the floor."""


class TracedModel:
    """A ray tracer in the place of a trained model; exact, and as fast."""

    config = SimpleNamespace(pair="tiny")

    def __init__(self, things):
        self.things = things
        self.failing = False

    def render(self, camera):
        if self.failing:
            raise RuntimeError("the renderer tripped")
        traced = ray_tracer.render(self.things, camera)
        depth = torch.from_numpy(traced.depth)
        colour = torch.from_numpy(traced.rgb).float() / 255
        return Rendering(colour, torch.ones(camera.image_size), depth, _surface(camera, depth))

    def render_colour(self, camera):
        rendering = self.render(camera)
        return rendering.colour, rendering.depth

    def render_samples(self, camera):
        return _surface(camera, torch.from_numpy(ray_tracer.render(self.things, camera).depth))

    @contextlib.contextmanager
    def edited(self, factor):
        whole = self.things
        centres = [torch.tensor([[*map(float, thing.centre)]]) for thing in whole.objects]
        gone = [float(factor(at)) < 0.5 for at in centres]
        moved = (replace(one, centre=FAR) if away else one for one, away in zip(whole.objects, gone, strict=True))
        self.things = replace(whole, objects=type(whole.objects)(moved))
        try:
            yield
        finally:
            self.things = whole


def _surface(camera, depth):
    y, x = torch.meshgrid(torch.arange(camera.height) + 0.5, torch.arange(camera.width) + 0.5, indexing="ij")
    places = camera.unproject(torch.stack([x, y], dim=-1).reshape(-1, 2), depth.flatten())
    return SurfaceSamples(camera, places[:, None], torch.ones(len(places), 1))


class TracedDataset:
    """Photographs of the traced scene."""

    def __init__(self, named):
        self.image_filenames = [f"images/{name}.png" for name, _ in named]
        self.cameras = [
            SimpleNamespace(
                camera_to_worlds=c.camera_to_world, fx=c.fx, fy=c.fy, cx=c.cx, cy=c.cy, height=c.height, width=c.width,
                distortion_params=None,
            )
            for _, c in named
        ]  # fmt: skip

    def __len__(self):
        return len(self.cameras)


@pytest.fixture(scope="session")
def traced():
    """A scene of the project's own kind, its model a ray tracer, with the bundled teachers run on what it renders."""
    things = random_scene(111)
    size = CaptureSpecification(seed=111, views=14, test_views=2, width=128, height=96)
    cameras = dome_cameras(things, size)
    named = [(f"frame_{i:04d}", camera) for i, camera in enumerate(cameras)]
    datamanager = SimpleNamespace(train_dataset=TracedDataset(named[2:]), eval_dataset=TracedDataset(named[:2]))
    pipeline = SimpleNamespace(model=TracedModel(things), datamanager=datamanager, eval=lambda: None)
    return TrainedScene.from_pipeline(pipeline, "7e57" * 16)


@pytest.fixture
def things(traced):
    """The solids of the ray-traced scene."""
    return traced.pipeline.model.things


@pytest.fixture(scope="module")
def serve(tmp_path_factory):
    """`serve(scene, shared=True, token=None)` starts a viewer; it has its address and its folder."""
    started = []

    def start(scene, shared=True, token=None):
        folder, port = tmp_path_factory.mktemp("viewer"), viewer_page.free_port()
        server = GuardedServer("127.0.0.1", port, "SAM-NeRF", token)
        started.append(server)
        choices = Choices(shared, folder / "objects.json", folder / "exports", 256)
        app = SceneApp(server, Common.of(scene, load_session("tiny", True, "cpu"), choices), ObjectLayers())
        app.address, app.folder = f"http://127.0.0.1:{port}/", folder
        return app

    yield start
    for server in started:
        server.stop()


@pytest.fixture(scope="module")
def app(traced, serve):
    """The viewer of the ray-traced scene."""
    return serve(traced)


@pytest.fixture(scope="module")
def visitor(browser, app):
    """A browser that stays for a whole module."""
    page = ViewerPage(browser, app, app.address, resolution=READABLE)
    yield page
    page.close()


@pytest.fixture
def page(visitor):
    """The visitor's page, as at first."""
    visitor.start_again()
    return visitor


@pytest.fixture
def free_port():
    """A port that nobody listens on."""
    return viewer_page.free_port()
