"""Teacher features at image points."""

import pytest
import torch

from samnerf.distill.targets import FeatureTargets
from samnerf.feature_map import FeatureMap, cell_centres, cells_per_pixel, covered_cells

SIDE = 8


class Store:
    """Two maps whose features are (image, row, column) of their cells."""

    def index(self, name):
        return ["b", "a"].index(name)

    def gather(self, image_indices, rows, columns):
        return torch.stack([image_indices, rows, columns], dim=1).float()

    def map(self, name) -> FeatureMap:
        raise AssertionError("not asked for")


def targets(size, layout):
    return FeatureTargets(Store(), ["a", "b"], [size, size], SIDE, layout)


@pytest.mark.parametrize("size", [(40, 70), (70, 40), (64, 64)])
@pytest.mark.parametrize("layout", ["letterbox", "stretch"])
def test_at_the_centre_of_a_cell_stands_its_feature(size, layout):
    covered = covered_cells(size, SIDE, layout)
    centres = cell_centres(size, SIDE, layout)[covered]
    features = targets(size, layout).at(torch.zeros(len(centres), dtype=torch.long), centres)
    assert torch.equal(features[:, 1:], covered.nonzero().float())


def test_images_are_found_by_name():
    features = targets((64, 64), "letterbox").at(torch.tensor([0, 1]), torch.tensor([[4.0, 4.0], [4.0, 4.0]]))
    assert features[:, 0].tolist() == [1, 0]


@pytest.mark.parametrize("layout", ["letterbox", "stretch"])
def test_between_centres_features_change_evenly(layout):
    size = (40, 70)
    scale = torch.tensor(cells_per_pixel(size, SIDE, layout))
    cells = torch.tensor([[2.0, 1.75], [3.25, 2.0], [1.5, 1.5]])
    features = targets(size, layout).at(torch.zeros(3, dtype=torch.long), cells / scale)
    torch.testing.assert_close(features[:, 1:].flip(1), cells - 0.5)


def test_beyond_the_last_covered_cell_it_counts_alone():
    size = (40, 70)
    last = covered_cells(size, SIDE, "letterbox").nonzero().amax(dim=0)
    features = targets(size, "letterbox").at(torch.zeros(2, dtype=torch.long), torch.tensor([[70.0, 40.0], [0.0, 0.0]]))
    assert torch.equal(features[0, 1:], last.float())
    assert features[1, 1:].tolist() == [0, 0]
