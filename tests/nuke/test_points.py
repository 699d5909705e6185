"""Points in the lowest row and in a knob: the same convention, counted from the bottom left."""

import numpy as np
import pytest

from samnerf.errors import SamNerfError
from samnerf.nuke.frames import Frame
from samnerf.nuke.points import points_from_frame, points_from_rows, points_from_text, without_points
from samnerf.prompts import Point

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
