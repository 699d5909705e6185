"""Pictures of the wire, and the way from linear light to what encoders see."""

import numpy as np
import pytest

from samnerf.nuke.frames import Frame, frame_from_message, frame_to_message, linear_light, srgb_curve


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 2, 5), (4, 7, 3)])
def test_what_is_sent_is_received(shape):
    pixels = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    again = frame_from_message(frame_to_message(Frame(pixels)), "picture")
    assert np.array_equal(again.pixels, pixels)
    assert again.size == shape[1:]


def test_the_first_number_is_that_of_the_bottom_left():
    pixels = np.zeros((3, 4, 5), np.float32)
    pixels[0, -1, 0] = 1
    assert frame_to_message(Frame(pixels)).image[:4] == b"\x00\x00\x80\x3f"


def test_the_curve_and_its_inverse():
    light = np.linspace(0, 1, 1001)
    np.testing.assert_allclose(linear_light(srgb_curve(light)), light, atol=1e-7)
    np.testing.assert_allclose(srgb_curve(np.array([0.0, 0.18, 0.5, 1.0])), [0, 0.461356, 0.735357, 1], atol=1e-6)


def test_every_8_bit_colour_survives_linear_light():
    levels = np.arange(256, dtype=np.uint8)
    picture = np.stack([levels, levels[::-1], levels], axis=1)[None]
    assert np.array_equal(Frame.from_srgb(picture / 255).srgb(), picture)
    assert np.array_equal(Frame.from_srgb(picture / 255, encoded=True).srgb(encoded=True), picture)


def test_what_no_screen_shows_is_cut_off():
    pixels = np.array([-1, 0, 5, np.inf, -np.inf, np.nan], np.float32).reshape(1, 1, 6)
    assert Frame(pixels).srgb()[0, :, 0].tolist() == [0, 0, 255, 255, 0, 0]
    assert Frame(pixels).srgb().shape == (1, 6, 3)


def test_alpha_is_left_out_and_a_matte_is_grey():
    pixels = np.ones((4, 2, 2), np.float32)
    pixels[3] = 0
    assert (Frame(pixels).srgb() == 255).all()
    matte = Frame.grey(np.eye(3))
    assert matte.pixels.dtype == np.float32
    assert np.array_equal(matte.pixels, np.stack([np.eye(3)] * 3))
