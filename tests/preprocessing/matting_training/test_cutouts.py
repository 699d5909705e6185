"""Cut-outs and composites: alpha stays exact whatever is done to a cut-out."""

import numpy as np
import pytest

from samnerf.preprocessing.matting_training.cutouts import (
    CutOut,
    composite,
    cut_out,
    defocused,
    drawn_opacity,
    drawn_strokes,
    faded,
    moved,
)

SIZE = (40, 50)


def random(seed=0):
    return np.random.default_rng(seed)


def disc(radius=10.0, centre=(25.0, 20.0), colour=(0.8, 0.1, 0.1)):
    y, x = np.mgrid[0 : SIZE[0], 0 : SIZE[1]] + 0.5
    alpha = np.clip(radius - np.hypot(x - centre[0], y - centre[1]) + 0.5, 0, 1).astype(np.float32)
    return CutOut(alpha[..., None] * np.array(colour, np.float32), alpha)


def test_the_composite_of_a_cut_out_is_the_blend_and_nothing_is_lost():
    background = random().integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    one = disc()
    rgb, (alpha,) = composite(background, [one])
    expected = background * (1 - one.alpha[..., None]) + 255 * one.alpha[..., None] * np.array([0.8, 0.1, 0.1])
    np.testing.assert_allclose(rgb, expected, atol=0.51)
    np.testing.assert_array_equal(alpha, one.alpha)


def test_what_is_in_front_dims_what_is_behind():
    _, (behind, front) = composite(np.zeros((*SIZE, 3), np.uint8), [disc(), faded(disc(8), np.full(SIZE, 0.25))])
    assert behind[20, 25] == pytest.approx(0.75) and front[20, 25] == pytest.approx(0.25)
    assert (behind + front).max() <= 1 + 1e-6


def test_a_cut_out_brings_no_colour_of_its_old_background():
    one = disc()
    on_green, _ = composite(np.full((*SIZE, 3), (0, 255, 0), np.uint8), [one])
    found = cut_out(on_green, one.alpha)
    np.testing.assert_allclose(found.premultiplied, one.premultiplied, atol=2 / 255)


def test_defocus_keeps_what_alpha_sums_up_to_and_the_colour():
    one, blurred = disc(), defocused(disc(), 2.0)
    assert blurred.alpha.sum() == pytest.approx(one.alpha.sum(), rel=1e-3)
    soft = ((blurred.alpha > 0.05) & (blurred.alpha < 0.95)).sum()
    assert soft > 2 * ((one.alpha > 0.05) & (one.alpha < 0.95)).sum()
    inside = blurred.alpha > 0.1
    np.testing.assert_allclose(
        blurred.premultiplied[inside] / blurred.alpha[inside, None],
        np.tile([0.8, 0.1, 0.1], (inside.sum(), 1)),
        atol=1e-4,
    )


def test_strokes_are_thin_exact_to_a_sixteenth_and_seeded():
    one, again, other = (drawn_strokes(SIZE, random(seed)) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one.alpha, again.alpha)
    np.testing.assert_array_equal(one.premultiplied, again.premultiplied)
    assert not np.array_equal(one.alpha, other.alpha)
    np.testing.assert_allclose(one.alpha * 16, np.rint(one.alpha * 16), atol=1e-4)
    assert (one.premultiplied <= one.alpha[..., None] + 1e-6).all()


@pytest.mark.parametrize("seed", range(5))
def test_an_opacity_stays_above_one_half(seed):
    opacity = drawn_opacity(SIZE, random(seed))
    assert opacity.min() > 0.5 and opacity.max() <= 1


def test_moving_and_scaling_do_what_they_say():
    one = moved(disc(6), 1.0, (5.0, -3.0))
    rows, columns = np.nonzero(one.alpha > 0.5)
    assert (columns.mean() + 0.5, rows.mean() + 0.5) == pytest.approx((30.0, 17.0), abs=0.05)
    assert moved(disc(6), 1.5, (0.0, 0.0)).alpha.sum() == pytest.approx(1.5**2 * disc(6).alpha.sum(), rel=0.02)
    np.testing.assert_allclose(moved(disc(), 1.0, (0.0, 0.0)).alpha, disc().alpha, atol=1e-5)
