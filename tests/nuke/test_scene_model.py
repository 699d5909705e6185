"""A trained scene through the wire, on the toy world where all that it shows is known exactly."""

import numpy as np
import pytest

from samnerf.errors import SamNerfError
from samnerf.nuke import scene_model
from samnerf.nuke.frames import Frame
from samnerf.nuke.scene_model import SceneModel
from samnerf.session import Session

FORMAT = Frame(np.zeros((3, 96, 128), np.float32))


@pytest.fixture
def field(toy):
    return toy.Field()


@pytest.fixture
def scene(toy, field):
    return toy.scene(field)


@pytest.fixture
def client(kit, toy, scene):
    layers = toy.layers().show("blue square", False)
    model = SceneModel(scene, lambda: Session(toy.MaskDecoder(), toy.TextDecoder()), scene.cameras("test"), layers)
    with kit.served([model]) as client:
        yield client


def ask(client, size=FORMAT, **options):
    return client.infer("samnerf_view", [size], **options).pixels


@pytest.mark.parametrize("number", [1, 3])
def test_a_frame_number_chooses_the_camera(client, scene, field, number):
    colour, depth = field.render_colour(scene.cameras("test")[number - 1][1])
    # Colours of the toy world are 0 or 1, which linear light leaves as they are.
    assert np.array_equal(ask(client, frame=number), colour.numpy().transpose(2, 0, 1))
    assert np.array_equal(ask(client, frame=number, output="depth"), np.stack([depth.numpy()] * 3))


def test_the_frame_that_comes_gives_the_size(client, scene, field):
    size = Frame(np.zeros((3, 48, 100), np.float32))
    colour, _ = field.render_colour(scene.cameras("test")[0][1].scaled(48, 100))
    assert np.array_equal(ask(client, size), colour.numpy().transpose(2, 0, 1))


def test_a_locked_object_gives_mask_and_alpha(client, scene, field):
    ids = field.ids(scene.cameras("test")[1][1])
    for number, name in [(1, "red square"), (2, "green square"), (3, "blue square")]:
        mask = ask(client, frame=2, output="mask", object=name)
        assert np.array_equal(mask, np.stack([ids == number] * 3).astype(np.float32))
        np.testing.assert_allclose(ask(client, frame=2, output="alpha", object=name), mask, atol=1e-6)


def test_words_give_relevancy_without_an_encoder(client, field):
    relevancy = ask(client, output="relevancy", phrase="green square")
    assert relevancy.max() == pytest.approx(1)
    assert relevancy.min() == pytest.approx(0)
    assert field.feature_renders == 1


def test_what_was_rendered_is_kept_and_bounded(client, field, monkeypatch):
    for output in ("colour", "depth", "colour"):
        ask(client, output=output)
    assert field.colour_renders == 1
    monkeypatch.setattr(scene_model, "MOST_VIEWS", 2)
    for number in (2, 3, 1):
        ask(client, frame=number)
    assert field.colour_renders == 4


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"frame": 4}, "no frame 4; the server's cameras are frames 1 to 3"),
        ({"frame": 0}, "'frame' is 0 but must lie between 1"),
        ({"output": "mask"}, "no object is called ''; there is 'red square', 'green square', 'blue square'"),
        ({"output": "alpha", "object": "cow"}, "no object is called 'cow'"),
        ({"output": "relevancy"}, "the phrase is empty"),
        ({"output": "normals"}, "must be one of colour, mask, alpha, relevancy, depth"),
    ],
)
def test_what_is_not_there_is_answered(client, options, words):
    with pytest.raises(SamNerfError, match=words):
        ask(client, **options)
