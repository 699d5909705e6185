"""A toy world: coloured squares over a floor, whose features are their IDs, so that laws hold exactly."""

from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from samnerf.camera import Camera
from samnerf.feature_map import FeatureMap, cell_centres
from samnerf.masks import MaskPrediction
from samnerf.objects.layers import ObjectLayers
from samnerf.objects.locking import Lock
from samnerf.objects.probability_grid import ProbabilityGrid
from samnerf.objects.support import Support
from samnerf.prompts import PromptSet, WorldPoint
from samnerf.scene import TrainedScene
from samnerf.surface_samples import SurfaceSamples
from samnerf.view import DistilledView, ImageView

SIDE = 32
CHANNELS = 8
NAMES = {1: "red square", 2: "green square", 3: "blue square"}


@dataclass(frozen=True)
class Square:
    """A horizontal square; `z` is its height over the floor."""

    id: int
    x: float
    y: float
    z: float
    half: float


SQUARES = (Square(1, -0.6, 0.0, 0.1, 0.3), Square(2, 0.5, 0.3, 0.1, 0.25), Square(3, 0.5, -0.4, 0.1, 0.2))


class ToyField:
    """Renders the world exactly; counts how often colour and features were asked for."""

    def __init__(self, squares=SQUARES, layout="letterbox"):
        self.squares = squares
        self.layout = layout
        self.colour_renders = 0
        self.feature_renders = 0

    def trace(self, camera, pixels):
        """IDs (0 is the floor) and distances along the rays of image points."""
        directions = camera.ray_directions(pixels)
        ids = torch.zeros(pixels.shape[:-1], dtype=torch.long)
        distances = -camera.position[2] / directions[..., 2]
        for square in self.squares:
            reach = (square.z - camera.position[2]) / directions[..., 2]
            hit = camera.position + directions * reach[..., None]
            on = (hit[..., 0] - square.x).abs().maximum((hit[..., 1] - square.y).abs()) < square.half
            nearer = on & (reach > 0) & (reach < distances)
            ids = torch.where(nearer, square.id, ids)
            distances = torch.where(nearer, reach, distances)
        return ids, distances

    def ids(self, camera):
        return self.trace(camera, _pixel_centres(camera))[0].to(torch.uint8).numpy()

    def render_colour(self, camera):
        self.colour_renders += 1
        ids, distances = self.trace(camera, _pixel_centres(camera))
        return torch.eye(CHANNELS)[ids][..., 1:4], distances

    def render_samples(self, camera):
        """One sample for each ray, where it meets a square or the floor."""
        pixels = _pixel_centres(camera).reshape(-1, 2)
        places = camera.unproject(pixels, self.trace(camera, pixels)[1])
        return SurfaceSamples(camera, places[:, None], torch.ones(len(places), 1))

    def render_feature_maps(self, camera):
        self.feature_renders += 1
        centres = cell_centres(camera.image_size, SIDE, self.layout)
        values = torch.eye(CHANNELS)[self.trace(camera, centres)[0]].permute(2, 0, 1).contiguous()
        one = FeatureMap(values, camera.image_size, self.layout, "toy-sam")
        return {"sam": one, "clipseg": replace(one, teacher="toy-clipseg")}


class ToyMaskDecoder:
    """Everything whose feature is that of a positive point, or that fills most of the box; minus negative points."""

    teacher = "toy-sam"

    def __init__(self):
        self.decoded = []

    def decode(self, feature_map, prompts, candidates=False, previous=None):
        self.decoded.append(prompts)
        pixels = _pixel_features(feature_map)
        chosen = torch.zeros(CHANNELS, dtype=torch.bool)
        for box in prompts.boxes:
            inside = pixels[int(box.y1) : int(box.y2) + 1, int(box.x1) : int(box.x2) + 1]
            chosen[inside.flatten().bincount(minlength=CHANNELS).argmax()] = True
        for label in (1, 0):
            for point in prompts.points:
                if point.label == label:
                    row = min(int(point.y), pixels.shape[0] - 1)
                    chosen[pixels[row, min(int(point.x), pixels.shape[1] - 1)]] = bool(label)
        logits = torch.where(chosen[pixels], 1.0, -1.0)[None]
        low = torch.where(chosen[feature_map.values.argmax(0)], 1.0, -1.0)[None]
        score = 0.8 if previous is None else 0.9
        if candidates:
            return MaskPrediction(
                torch.cat([logits, logits - 1.5, logits + 1.5]), torch.tensor([score, 0.2, 0.1]), low.repeat(3, 1, 1)
            )
        return MaskPrediction(logits, torch.tensor([score]), low)


class ToyTextDecoder:
    """Knows the squares by any word of their names, on a grid twice as fine as the features'."""

    teacher = "toy-clipseg"

    def relevancy(self, feature_map, phrase):
        said = set(phrase.split())
        fits = torch.tensor([len(said & set(NAMES.get(i, "").split())) / len(said) for i in range(CHANNELS)])
        return fits[feature_map.values.argmax(0)].repeat_interleave(2, 0).repeat_interleave(2, 1)


class ToyEncoder:
    """Reads IDs back from the colours of the toy field."""

    name = "toy-sam"
    weights_hash = "0" * 64
    channels = CHANNELS
    side = SIDE
    layout = "letterbox"

    def __init__(self, kind="sam"):
        self.name = f"toy-{kind}"
        self.encoded = 0

    def encode(self, image, layout=None):
        self.encoded += 1
        centres = cell_centres(image.shape[:2], SIDE, layout or self.layout)
        rows = centres[..., 1].long().clamp(max=image.shape[0] - 1)
        columns = centres[..., 0].long().clamp(max=image.shape[1] - 1)
        colours = torch.from_numpy(image)[rows, columns] > 127
        ids = (colours * torch.tensor([1, 2, 3])).sum(-1)
        values = torch.eye(CHANNELS)[ids].permute(2, 0, 1).contiguous()
        return FeatureMap(values, image.shape[:2], layout or self.layout, self.name)


def look_down(x=0.0, y=0.0, z=3.0, height=96, width=128, focal=120.0):
    """A camera above the floor that looks straight down, its top towards +Y."""
    pose = torch.cat([torch.eye(3), torch.tensor([[x], [y], [z]])], dim=1)
    return Camera(pose, focal, focal, width / 2, height / 2, height, width)


def _pixel_centres(camera):
    y, x = torch.meshgrid(torch.arange(camera.height) + 0.5, torch.arange(camera.width) + 0.5, indexing="ij")
    return torch.stack([x, y], dim=-1)


def _pixel_features(feature_map):
    """ID of the cell that looks at each pixel."""
    height, width = feature_map.image_size
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    cells = feature_map.to_cells(torch.stack([x, y], dim=-1)).long()
    return feature_map.values.argmax(0)[cells[..., 1], cells[..., 0]]


class ToyDataset:
    """Photographs as nerfstudio's datasets give them."""

    def __init__(self, cameras, names):
        self.image_filenames = [f"images/{name}.png" for name in names]
        self._cameras = [cameras[name] for name in names]
        self.cameras = [
            SimpleNamespace(
                camera_to_worlds=c.camera_to_world,
                fx=torch.tensor([c.fx]),
                fy=torch.tensor([c.fy]),
                cx=torch.tensor([c.cx]),
                cy=torch.tensor([c.cy]),
                height=torch.tensor([c.height]),
                width=torch.tensor([c.width]),
                distortion_params=None,
            )
            for c in self._cameras
        ]

    def __len__(self):
        return len(self.cameras)

    def get_image_uint8(self, index):
        return (ToyField().render_colour(self._cameras[index])[0] * 255).to(torch.uint8)


class Toy:
    """What tests need of the toy world."""

    Square = Square
    Field = ToyField
    MaskDecoder = ToyMaskDecoder
    TextDecoder = ToyTextDecoder
    Encoder = ToyEncoder
    names = NAMES
    squares = SQUARES
    look_down = staticmethod(look_down)

    @staticmethod
    def view(name="a", field=None, **camera):
        return DistilledView(name, look_down(**camera), field or ToyField())

    @staticmethod
    def image_view(name="a", field=None, **camera):
        image = (field or ToyField()).render_colour(look_down(**camera))[0]
        encoders = {kind: ToyEncoder(kind) for kind in ("sam", "clipseg")}
        return ImageView(name, (image * 255).to(torch.uint8).numpy(), lambda kind, image: encoders[kind].encode(image))

    @staticmethod
    def centre(view, object_id, field=None):
        """Image point (x, y) of the middle of an object."""
        rows, columns = np.nonzero((field or ToyField()).ids(view.camera) == object_id)
        return float(columns.mean()) + 0.5, float(rows.mean()) + 0.5

    @staticmethod
    def grid(object_id=1, spacing=0.05, squares=SQUARES):
        """1 on a square and a voxel above and below it, 0 beyond: its pixels are exactly those of the square."""
        square = squares[object_id - 1]
        side = round(2 * square.half / spacing) + 1
        lower = torch.tensor([square.x - square.half, square.y - square.half, square.z - spacing])
        return ProbabilityGrid(torch.ones(side, side, 3), lower, spacing)

    @staticmethod
    def lock(object_id=1, view_scores=(("a", 0.9), ("b", 0.8))):
        """A square, locked without asking anybody."""
        square = SQUARES[object_id - 1]
        said = PromptSet(NAMES[object_id], world_points=(WorldPoint(square.x, square.y, square.z),))
        return Lock(Toy.grid(object_id), dict(view_scores), said)

    @staticmethod
    def layers(*object_ids):
        """Layers of squares under their own names; IDs are given in this order."""
        layers = ObjectLayers()
        for object_id in object_ids or NAMES:
            layers = layers.add(Toy.lock(object_id), NAMES[object_id])
        return layers

    @staticmethod
    def support(field=None, count=9, **camera):
        """Views from a square of places above the floor."""
        field = field or ToyField()
        places = [(0.25 * (i % 3 - 1), 0.25 * (i // 3 - 1)) for i in range(count)]
        views = [DistilledView(f"view_{i}", look_down(x, y, **camera), field) for i, (x, y) in enumerate(places)]
        return Support(views, field.render_samples)

    @staticmethod
    def scene(field=None, checkpoint_hash="c0ffee"):
        """A trained scene of two training and three test photographs."""
        cameras = {f"frame_{i}": look_down(x=0.1 * i) for i in range(5)}
        model = field or ToyField()
        model.config = SimpleNamespace(pair="toy")
        train, test = (
            ToyDataset(cameras, ["frame_0", "frame_1"]),
            ToyDataset(cameras, ["frame_2", "frame_3", "frame_4"]),
        )
        datamanager = SimpleNamespace(train_dataset=train, eval_dataset=test)
        pipeline = SimpleNamespace(model=model, datamanager=datamanager, eval=lambda: None)
        return TrainedScene.from_pipeline(pipeline, checkpoint_hash)


@pytest.fixture(scope="session")
def toy():
    """The toy world (see `Toy`)."""
    return Toy
