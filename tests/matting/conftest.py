"""The bundled tiny SAM, small, and a picture with a striped thing on it."""

import numpy as np
import pytest
import torch

from samnerf.matting.lora import adapter_parameters, with_adapter
from samnerf.prompts import Box, Point, PromptSet
from samnerf.teachers import tiny_sam


class Kit:
    """What tests of matting need."""

    prompts = PromptSet("disc", points=(Point(60.0, 40.0),), boxes=(Box(35.0, 15.0, 85.0, 65.0),))

    @staticmethod
    def picture(size=(80, 120)):
        """A red disc on grey, sRGB."""
        y, x = np.mgrid[0 : size[0], 0 : size[1]] + 0.5
        rgb = np.full((*size, 3), 120, np.uint8)
        rgb[np.hypot(x - 60, y - 40) < 22] = (200, 30, 30)
        return rgb

    @staticmethod
    def loud(decoder, seed=0, scale=0.05):
        """A copy that wears an adapter which says something."""
        worn = with_adapter(decoder, seed=seed)
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for parameter in adapter_parameters(worn).values():
                parameter.normal_(0, scale, generator=generator)
        return worn


@pytest.fixture(scope="session")
def kit():
    """See `Kit`."""
    return Kit


@pytest.fixture(scope="session")
def decoder():
    """The bundled one, without adapter; nobody may change it."""
    return tiny_sam.load_mask_decoder(torch.device("cpu"))


@pytest.fixture(scope="session")
def feature_map(kit):
    """Of the picture."""
    return tiny_sam.load_encoder(torch.device("cpu")).encode(kit.picture())
