"""Crops cover the picture; points lie in the middle of equal fields."""

import numpy as np
import pytest

from samnerf.images.search_grid import Crop, grid_points, image_crops


@pytest.mark.parametrize("image_size", [(60, 90), (90, 60), (7, 5), (1, 40), (1, 1)])
def test_the_crops_of_each_layer_cover_the_picture(image_size):
    crops = image_crops(image_size, layers=2, overlap_ratio=512 / 1500)
    for layer in range(3):
        covered = np.zeros(image_size, bool)
        for crop in (one for one in crops if one.layer == layer):
            assert 0 <= crop.x1 < crop.x2 <= image_size[1] and 0 <= crop.y1 < crop.y2 <= image_size[0]
            covered[crop.y1 : crop.y2, crop.x1 : crop.x2] = True
        assert covered.all()
    assert crops[0] == Crop(0, 0, image_size[1], image_size[0])


def test_points_are_the_centres_of_equal_fields():
    np.testing.assert_allclose(grid_points(Crop(5, 5, 13, 9), 2), [[2, 1], [6, 1], [2, 3], [6, 3]])
