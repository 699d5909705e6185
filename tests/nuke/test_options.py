"""Options as a dataclass and as lists of named values."""

from dataclasses import dataclass, fields

import pytest

from samnerf.nuke.image_models import image_models
from samnerf.nuke.options import KNOBS_OF_THE_CLIENT, NoOptions, option, read_options, write_options
from samnerf.nuke.scene_model import SceneModel
from samnerf.nuke.schema import Model, RequestWrapper
from samnerf.nuke.service import FrameService


@dataclass(frozen=True)
class Every:
    flag: bool = option(True)
    count: int = option(3, 0, 10)
    share: float = option(0.25, 0.0, 1.0)
    words: str = option("a b")


def test_what_is_written_is_read():
    for options in (Every(), Every(False, 10, 1.0, "ü")):
        message = Model(name="m", label="l")
        write_options(options, message)
        assert read_options(Every, message) == options


def test_what_is_left_out_has_its_default():
    assert read_options(Every, Model()) == Every()
    assert read_options(NoOptions, Model()) == NoOptions()


def test_an_option_has_one_of_four_types():
    with pytest.raises(TypeError, match="bool, int, float, str"):
        option(None)


def test_knobs_of_all_models_fit_the_client(segmenter):
    for model in (*image_models(segmenter), SceneModel):
        names = [one.name for one in fields(model.options)]
        assert not set(names) & {*KNOBS_OF_THE_CLIENT, model.name}
        assert all(name.isidentifier() for name in names)
        assert not any(set(";{}") & set(str(one.default)) for one in fields(model.options))


def test_the_description_of_all_models_is_small(segmenter):
    request = RequestWrapper(info=True)
    request.r1.info = True
    reply = FrameService(image_models(segmenter)).answer(request.SerializeToString())
    assert len(reply) < 1448  # one packet of an Ethernet, because the client reads it with a single recv
