"""Pictures of answers: exact in the toy world, and clicks that end where the scene does."""

import math
from dataclasses import replace

import pytest
import torch
from nerfstudio.cameras.cameras import CameraType

from samnerf.distill.cameras import to_nerfstudio
from samnerf.distill.colour_model import Shown
from samnerf.errors import SamNerfError
from samnerf.prompts import Phrase, PromptSet, WorldPoint
from samnerf.session import Session
from samnerf.viewer.nerfstudio_panel.answers import answer, met_by, view_of
from samnerf.viewer.nerfstudio_panel.shared_prompts import ClickedRay

pytestmark = [
    pytest.mark.filterwarnings("ignore:Using a non-tuple sequence for multidimensional indexing"),
    pytest.mark.filterwarnings("ignore:This DataLoader will create"),
]

RED = PromptSet(world_points=(WorldPoint(-0.6, 0.0, 0.1),))


@pytest.fixture
def shown(toy):
    """`shown(camera)` is what nerfstudio would render of the toy world, features included."""

    def show(camera, field=None, distilled=True):
        field = field or toy.Field()
        colour, depth = field.render_colour(camera)
        maps = field.render_feature_maps(camera) if distilled else {}
        return Shown(to_nerfstudio(camera), None, {"rgb": colour, "depth": depth[..., None]}, maps)

    return show


def answered(toy, shown, said, wanted=("objects",)):
    session = Session(toy.MaskDecoder(), toy.TextDecoder())
    return answer(session, view_of(shown, _no_encoder), said, shown.outputs["rgb"], wanted)


def _no_encoder(kind, image):
    raise AssertionError("features were rendered, and the encoder ran")


@pytest.mark.parametrize("x", [0.0, 0.4, -0.3])
def test_a_prompt_stays_on_its_object_when_the_camera_moves(toy, shown, x):
    camera = toy.look_down(x=x)
    one = shown(camera)
    found = answered(toy, one, RED)
    changed = ((found.pictures["objects"] - one.outputs["rgb"]).abs() > 1e-2).any(dim=-1).numpy()
    inside = toy.Field().ids(camera) == 1
    assert found.reason is None
    assert changed[inside].mean() > 0.9
    assert changed[~inside].mean() < 0.05
    assert "Score 0.90" in found.words


def test_what_is_hidden_is_said_and_left_alone(toy, shown):
    over = toy.Square(2, -0.6, 0.0, 1.0, 0.5)
    one = shown(toy.look_down(), toy.Field((*toy.squares, over)))
    found = answered(toy, one, RED)
    assert found.reason == "none of its positive points is visible"
    torch.testing.assert_close(found.pictures["objects"], one.outputs["rgb"], atol=1e-6, rtol=0)


def test_words_give_heat_and_a_mask_and_only_what_is_wanted(toy, shown):
    one = shown(toy.look_down())
    said = PromptSet(phrase=Phrase("green square", 0.8))
    both = answered(toy, one, said, ("objects", "relevancy"))
    assert both.pictures.keys() == {"objects", "relevancy"}
    assert all(picture.shape == (96, 128, 3) and picture.dtype == torch.float32 for picture in both.pictures.values())
    assert answered(toy, one, said, ("relevancy",)).pictures.keys() == {"relevancy"}
    assert answered(toy, one, RED, ("relevancy",)).pictures == {}


def test_without_features_the_encoder_sees_the_picture(toy, shown):
    one = shown(toy.look_down(), distilled=False)
    encoder = toy.Encoder()
    view = view_of(one, lambda kind, image: encoder.encode(image))
    found = answer(Session(toy.MaskDecoder()), view, RED, one.outputs["rgb"], ("objects",))
    assert found.reason is None
    assert encoder.encoded == 1


def test_a_fisheye_is_refused_in_words(toy, shown):
    one = shown(toy.look_down())
    cameras = to_nerfstudio(toy.look_down())
    cameras.camera_type = torch.full_like(cameras.camera_type, CameraType.FISHEYE.value)
    with pytest.raises(SamNerfError, match="camera is fisheye, and prompts need a perspective one"):
        view_of(replace(one, camera=cameras), _no_encoder)


@pytest.mark.parametrize("length", [1.0, 5.0])
def test_a_click_ends_where_depth_says(pipeline, toy, length):
    model = pipeline().model.eval()
    camera = toy.look_down(x=0.1, z=0.7, height=65, width=65, focal=500.0)
    _, depth = model.render_colour(camera)
    point = met_by(
        model,
        ClickedRay(tuple(camera.position.tolist()), (0.0, 0.0, -length), 0),
        Shown(to_nerfstudio(camera), None, {}, {}),
    )
    assert (point.x, point.y) == pytest.approx((0.1, 0.0), abs=1e-5)
    assert math.isclose(0.7 - point.z, float(depth[30:35, 30:35].median()), rel_tol=1e-3)
    assert point.label == 0
