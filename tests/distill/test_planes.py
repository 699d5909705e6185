"""Laws of the planes encoding and of the contraction before it."""

import pytest
import torch
from nerfstudio.field_components.spatial_distortions import SceneContraction

from samnerf.distill.encodings import make_encoding
from samnerf.distill.field import contracted
from samnerf.distill.planes import PlanesEncoding

POINTS = torch.rand(50, 3, generator=torch.Generator().manual_seed(0)) * 2 - 1


AXES = ((0, 1), (0, 2), (1, 2))


def bilinear(plane, u, v):
    """A slow look-up in a plane [channels, side, side] at (u, v) in [-1, 1]: u along columns, v along rows."""
    side = plane.shape[-1]
    x, y = (float(u) + 1) / 2 * (side - 1), (float(v) + 1) / 2 * (side - 1)
    left, top = min(int(x), side - 2), min(int(y), side - 2)
    x, y = x - left, y - top
    upper = plane[:, top, left] * (1 - x) + plane[:, top, left + 1] * x
    lower = plane[:, top + 1, left] * (1 - x) + plane[:, top + 1, left + 1] * x
    return upper * (1 - y) + lower * y


def test_a_feature_is_the_product_of_three_planes_scale_by_scale():
    encoding = PlanesEncoding((4, 7), channels=3)
    expected = torch.stack(
        [
            torch.cat(
                [
                    torch.stack([bilinear(planes[i], point[a], point[b]) for i, (a, b) in enumerate(AXES)]).prod(dim=0)
                    for planes in encoding.scales
                ]
            )
            for point in POINTS
        ]
    )
    torch.testing.assert_close(encoding(POINTS), expected)


def test_a_plane_of_zeros_empties_its_scale_and_no_other():
    encoding = PlanesEncoding((4, 8), channels=2)
    with torch.no_grad():
        encoding.scales[0][1].zero_()
    features = encoding(POINTS)
    assert (features[:, :2] == 0).all()
    assert (features[:, 2:] > 0).all()


def test_gradients_reach_every_plane():
    encoding = PlanesEncoding((4, 8), channels=2)
    encoding(POINTS).sum().backward()
    assert all((planes.grad.flatten(1).abs().sum(dim=1) > 0).all() for planes in encoding.scales)


@pytest.mark.parametrize("name", ["planes", "hash"])
def test_both_encodings_answer_points_of_the_whole_cube(name):
    encoding = make_encoding(name, (8, 16), channels=2, log2_size=8)
    corners = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0])] * 3)
    features = encoding(torch.cat([POINTS, corners]))
    assert features.shape == (58, encoding.out_dim)
    assert torch.isfinite(features).all()


def test_an_unknown_encoding_is_named():
    with pytest.raises(ValueError, match="encoding is 'octree'; expected 'planes' or 'hash'"):
        make_encoding("octree", (8,), channels=2)


def test_impossible_planes_are_refused():
    with pytest.raises(ValueError, match="need >= 2 and >= 1"):
        PlanesEncoding((1,), channels=2)


def test_contraction_is_nerfstudios_at_half_the_size():
    positions = torch.randn(200, 3, generator=torch.Generator().manual_seed(1)) * 5
    torch.testing.assert_close(contracted(positions), SceneContraction(order=float("inf"))(positions) / 2)


def test_contraction_keeps_the_unit_cube_and_holds_all_of_space():
    torch.testing.assert_close(contracted(POINTS), POINTS / 2)
    assert contracted(POINTS * 1e6).abs().max() <= 1
