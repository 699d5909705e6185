"""A plate and what the tiny SAM's encoder says of it, as encoded mattes hold it."""

import numpy as np
import pytest

from samnerf.export.light import linear_light
from samnerf.export.plates import square_input
from samnerf.teachers.pairs import load_encoder, load_mask_decoder

SIZE = (90, 160)


@pytest.fixture(scope="module")
def encoder():
    return load_encoder("tiny", "sam")


@pytest.fixture(scope="module")
def decoder():
    return load_mask_decoder("tiny")


@pytest.fixture(scope="module")
def plate():
    """Two squares on grey, linear light."""
    colours = np.full((*SIZE, 3), 0.3)
    colours[20:60, 20:70] = 0.8, 0.1, 0.1
    colours[30:80, 100:140] = 0.1, 0.7, 0.2
    return linear_light(colours).astype(np.float32)


@pytest.fixture(scope="module")
def encoded(encoder, plate):
    return encoder.encode_square(square_input(plate, encoder.input_side), SIZE)
