"""Points in the lowest row and in a knob: the same convention, counted from the bottom left."""

import numpy as np
import pytest
import torch
from segment_anything.modeling import MaskDecoder, PromptEncoder, TwoWayTransformer

from samnerf.errors import SamNerfError
from samnerf.export.encoded_matte import from_matte, to_matte
from samnerf.export.torchscript import MatteDecoder
from samnerf.feature_map import FeatureMap
from samnerf.nuke.frames import Frame
from samnerf.nuke.points import (
    KnobPoint,
    padded_matte,
    points_from_frame,
    points_from_matte,
    points_from_rows,
    points_from_text,
    points_row,
    without_points,
)
from samnerf.prompts import Point, PromptSet
from samnerf.teachers.sam import SamMaskDecoder

SIZE = (540, 960)


def rows(*values):
    return np.array(values, np.float64).reshape(-1, 3)


def test_a_point_is_flipped_and_scaled():
    assert points_from_rows(rows((512, 256, 0)), SIZE) == (Point(480.0, 405.0, 1),)
    assert points_from_text("480,135", SIZE) == (Point(480.0, 405.0, 1),)


@pytest.mark.parametrize(("flag", "label"), [(0, 1), (0.5, 1), (1, 0), (2, 0)])
def test_one_or_more_takes_away(flag, label):
    assert points_from_rows(rows((10, 10, flag)), SIZE)[0].label == label
    assert points_from_text(f"10,10,{flag}", SIZE)[0].label == label


@pytest.mark.parametrize(
    ("x", "y", "counts"),
    [(1, 1, True), (1024, 1024, True), (0.99, 500, False), (500, 0, False), (1024.01, 5, False), (np.nan, 5, False)],
)
def test_only_coordinates_from_1_to_1024_count(x, y, counts):
    assert bool(points_from_rows(rows((x, y, 0)), SIZE)) == counts


def test_a_point_that_is_off_or_outside_drops_out():
    assert points_from_text("480,135,0,0", SIZE) == ()
    assert points_from_text("-5,10 480,9000 480,135,1,1", SIZE) == (Point(480.0, 405.0, 0),)
    assert points_from_text("  ", SIZE) == ()


def test_points_at_the_corners_lie_inside_of_the_picture():
    for x, y in [(1, 1), (1024, 1), (1, 1024), (1024, 1024)]:
        (point,) = points_from_rows(rows((x, y, 0)), SIZE)
        assert 0 <= point.x <= SIZE[1] and 0 <= point.y <= SIZE[0]


def test_the_row_and_the_knob_say_the_same():
    random = np.random.default_rng(0)
    for _ in range(50):
        count = random.integers(0, 17)
        x, y = random.uniform(-20, 980, count), random.uniform(-20, 560, count)
        subtractive, enabled = random.integers(0, 2, count), random.integers(0, 2, count)
        pixels = np.zeros((3, *SIZE), np.float32)
        for k in range(count):
            pixels[0, -1, 3 * k : 3 * k + 3] = (
                enabled[k] * x[k] / SIZE[1] * 1024,
                enabled[k] * y[k] / SIZE[0] * 1024,
                subtractive[k],
            )
        text = " ".join(f"{x[k]},{y[k]},{subtractive[k]},{enabled[k]}" for k in range(count))
        from_row, from_text = points_from_frame(Frame(pixels)), points_from_text(text, SIZE)
        assert [point.label for point in from_row] == [point.label for point in from_text]
        np.testing.assert_allclose([(p.x, p.y) for p in from_row], [(p.x, p.y) for p in from_text], atol=1e-3)


def test_encoders_see_no_points():
    pixels = np.random.default_rng(0).random((3, 4, 60)).astype(np.float32)
    clean = without_points(Frame(pixels)).pixels
    assert np.array_equal(clean[:, :-1], pixels[:, :-1])
    assert np.array_equal(clean[:, -1], pixels[:, -2])
    assert without_points(Frame(pixels[:, :1])).size == (1, 60)


@pytest.mark.parametrize("text", ["1", "1,2,3,4,5", "a,b", "1;2", "inf,3", "1,2,,"])
def test_malformed_points_are_named(text):
    with pytest.raises(SamNerfError, match='is not "x,y"'):
        points_from_text(text, SIZE)


def test_too_many_points_and_too_narrow_pictures_are_refused():
    assert len(points_from_text("5,5 " * 16, SIZE)) == 16
    with pytest.raises(SamNerfError, match="17 points, but at most 16"):
        points_from_text("5,5 " * 17, SIZE)
    with pytest.raises(SamNerfError, match="48 columns of the lowest row, and the picture has 47"):
        points_from_frame(Frame(np.zeros((3, 5, 47), np.float32)))


def random_points(random):
    """Up to 16: inside and outside of the plate, switched on and off, additive and subtractive."""
    count = random.integers(0, 17)
    places = zip(random.uniform(-60, 1020, count).tolist(), random.uniform(-40, 580, count).tolist(), strict=True)
    return [KnobPoint(x, y, bool(random.integers(2)), bool(random.random() < 0.8)) for x, y in places]


def clicks(points):
    """The same without any row: the clicks that count, in pixels from the top left."""
    height, width = SIZE
    return [
        Point(point.x, height - point.y, int(not point.subtractive))
        for point in points
        if point.enabled and 1 <= point.x / width * 1024 <= 1024 and 1 <= point.y / height * 1024 <= 1024
    ]


def test_the_row_is_laid_out_as_sam_for_nuke_reads_it():
    row = points_row(
        [KnobPoint(480.0, 135.0), KnobPoint(96.0, 54.0, subtractive=True), KnobPoint(5.0, 5.0, enabled=False)], SIZE
    )
    assert row.dtype == np.float32 and row.shape == (48,)
    np.testing.assert_allclose(row[:9], [512, 256, 0, 102.4, 102.4, 1, 0, 0, 0], rtol=1e-6)
    assert not row[9:].any()
    with pytest.raises(SamNerfError, match="17 points, but at most 16"):
        points_row([KnobPoint(5.0, 5.0)] * 17, SIZE)


def test_the_matte_stands_above_the_points_unchanged():
    matte = np.random.default_rng(0).normal(size=(256, 512)).astype(np.float32)
    padded = padded_matte(matte, [KnobPoint(480.0, 135.0)], SIZE)
    assert padded.shape == (272, 512)
    np.testing.assert_array_equal(padded[:256], matte)
    assert not padded[256:271].any() and padded[271, :2].tolist() == [512, 256]


def small_decoder():
    """SAM's decoder, random and small: 8 x 8 cells of 32 channels, of a picture of 64 x 64 pixels."""
    torch.manual_seed(0)
    return SamMaskDecoder(
        PromptEncoder(embed_dim=32, image_embedding_size=(8, 8), input_image_size=(64, 64), mask_in_chans=4),
        MaskDecoder(
            num_multimask_outputs=3,
            transformer=TwoWayTransformer(depth=2, embedding_dim=32, mlp_dim=64, num_heads=2),
            transformer_dim=32,
            iou_head_depth=2,
            iou_head_hidden_dim=32,
        ),
        "small",
        torch.device("cpu"),
    )


def test_200_sets_of_points_below_a_matte_decode_as_a_direct_call_of_the_decoder():
    """The decoder for Nuke on matte and row, and SAM's decoder on the map and clicks, say the same."""
    random = np.random.default_rng(0)
    values = torch.randn(32, 8, 8, generator=torch.Generator().manual_seed(0))
    decoder = small_decoder()
    in_nuke = MatteDecoder(decoder.prompt_encoder, decoder.mask_decoder)
    matte = to_matte(values)
    # An image of the size of the matte, so that both masks have the same pixels.
    height, width = matte.shape
    empty, filled = 0, []
    for _ in range(200):
        points = random_points(random)
        padded = padded_matte(matte, points, SIZE)
        expected = clicks(points)
        read = points_from_matte(padded, SIZE)
        assert [point.label for point in read] == [point.label for point in expected]
        np.testing.assert_allclose([(p.x, p.y) for p in read], [(p.x, p.y) for p in expected], atol=1e-3)
        with torch.no_grad():
            mask = in_nuke(torch.from_numpy(padded)[None, None])[0, 0]
        assert not mask[height:].any()
        if not expected:
            assert not mask.any()
            empty += 1
            continue
        on_matte = tuple(Point(p.x / SIZE[1] * width, p.y / SIZE[0] * height, p.label) for p in expected)
        there = FeatureMap(from_matte(padded[:height], (32, 8, 8)), (height, width), "stretch", "small")
        direct = decoder.decode(there, PromptSet(points=on_matte), candidates=True)
        best = torch.nn.functional.interpolate(
            direct.best.low_resolution_logits[None], (height, width), mode="bilinear", align_corners=False
        )[0, 0]
        unlike = (mask[:height] != (best > 0)) & (best.abs() > 1e-4)
        assert not unlike.any()
        filled.append(float(mask[:height].float().mean()))
    assert 0 < empty < 40
    assert np.std(filled) > 0.01  # the points make a difference
