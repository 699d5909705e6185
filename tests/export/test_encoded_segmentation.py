"""Encoded mattes are decoded again: as if the map had never been a file."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from samnerf.errors import SamNerfError
from samnerf.export.encoded_matte import (
    EncodedMatte,
    read_encoded_matte,
    write_encoded_matte,
)
from samnerf.export.encoded_segmentation import EncodedView, segment_mattes
from samnerf.prompts import Box, Phrase, Point, PromptFile, PromptSet, WorldPoint
from samnerf.session import Session


@pytest.fixture
def mattes(tmp_path, encoded):
    paths = [tmp_path / f"shot.{number}.exr" for number in (1001, 1002)]
    for path in paths:
        write_encoded_matte(path, encoded, "ab" * 32)
    return paths


def test_files_are_segmented_by_prompts(tmp_path, mattes, encoded, decoder):
    click = PromptSet("red", points=(Point(45.0, 40.0),))
    there = PromptSet("green", points=(Point(120.0, 55.0),), view="shot.1002")
    asked = []

    def session_for(*held):
        asked.append(held)
        return Session(decoder)

    index = segment_mattes(mattes, session_for, PromptFile((click, there)), tmp_path / "out")
    document = json.loads(index.read_text())
    assert asked == [("tiny-sam", "ab" * 32)]
    assert [view["view"] for view in document["views"]] == ["shot.1001", "shot.1002"]
    with Image.open(tmp_path / "out/masks/red/shot.1001.png") as image:
        mask = np.asarray(image) > 0
    direct = Session(decoder).segment(EncodedView("a", EncodedMatte(encoded)), click).mask().numpy()
    np.testing.assert_array_equal(mask, direct)
    areas = {(mask["object"], mask["view"]): mask["area"] for mask in document["masks"]}
    assert areas["green", "shot.1001"] == 0 < areas["green", "shot.1002"]


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (PromptSet("a", phrase=Phrase("red")), "SAM's features alone; give points"),
        (PromptSet("a", world_points=(WorldPoint(0.0, 0.0, 0.0),)), "an encoded matte has no camera"),
        (PromptSet("a", points=(Point(1.0, 1.0),), view="other"), "none of the mattes"),
        (PromptSet("a", points=(Point(1000.0, 1.0),)), "lies outside the image of 160 x 90"),
    ],
)
def test_prompts_that_ask_for_more_are_refused(tmp_path, mattes, decoder, said, message):
    with pytest.raises(SamNerfError, match=message):
        segment_mattes(mattes, lambda *_: Session(decoder), PromptFile((said,)), tmp_path / "out")


def test_files_of_different_weights_or_the_same_name_are_refused(tmp_path, mattes, encoded, decoder):
    said = PromptFile((PromptSet("a", points=(Point(1.0, 1.0),)),))
    write_encoded_matte(mattes[1], encoded, "cd" * 32)
    with pytest.raises(SamNerfError, match="or of other weights"):
        segment_mattes(mattes, lambda *_: Session(decoder), said, tmp_path / "out")
    with pytest.raises(SamNerfError, match=r"two encoded mattes are called 'shot\.1001'"):
        segment_mattes(
            [mattes[0], tmp_path / "b" / mattes[0].name], lambda *_: Session(decoder), said, tmp_path / "out"
        )


def test_an_encoded_matte_knows_no_words(encoded):
    view = EncodedView("a", EncodedMatte(encoded))
    assert not view.rgb.any() and view.depth is None
    with pytest.raises(SamNerfError, match="leave out phrases"):
        view.feature_map("clipseg")


def test_decoding_a_file_is_decoding_the_map(tmp_path, encoded, decoder):
    write_encoded_matte(tmp_path / "a.exr", encoded)
    read = read_encoded_matte(tmp_path / "a.exr").feature_map
    session = Session(decoder)
    for prompts in (
        PromptSet(points=(Point(45.0, 40.0),)),
        PromptSet(points=(Point(120.0, 55.0), Point(45.0, 40.0, 0))),
        PromptSet(boxes=(Box(95.0, 25.0, 145.0, 85.0),)),
    ):
        direct = session.segment(EncodedView("a", EncodedMatte(encoded)), prompts)
        again = session.segment(EncodedView("a", EncodedMatte(read)), prompts)
        assert torch.equal(direct.logits, again.logits)
        assert torch.equal(direct.scores, again.scores)
        assert direct.mask().any()
