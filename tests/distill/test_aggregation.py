"""Laws of aggregation: what every way from rays to cells has in common, and what sets them apart."""

import pytest
import torch

from samnerf.distill.aggregation import AGGREGATIONS, cell_list, make_aggregation, ray_grid

WIDTH, SIDE = 6, 2


def rays(rows=3, columns=5, blocks=2):
    return torch.randn(blocks, WIDTH, rows * SIDE, columns * SIDE, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", AGGREGATIONS)
def test_each_starts_as_the_mean_of_a_cells_rays(name):
    expected = torch.nn.functional.avg_pool2d(rays(), SIDE)
    torch.testing.assert_close(make_aggregation(name, WIDTH, SIDE)(rays()), expected)


@pytest.mark.parametrize(("name", "reach"), [("mean", 0), ("convolution", 0), ("neighbourhood", 1), ("attention", 1)])
def test_a_ray_matters_to_its_own_cell_and_to_as_many_around_it_as_the_name_says(name, reach):
    torch.manual_seed(0)
    aggregation = make_aggregation(name, WIDTH, SIDE)
    for parameter in aggregation.parameters():
        torch.nn.init.normal_(parameter)
    pictures = rays(7, 7, 1).requires_grad_()
    aggregation(pictures)[0, :, 3, 3].sum().backward()
    seen = torch.nn.functional.max_pool2d(pictures.grad.abs().amax(dim=1), SIDE)[0] > 0
    assert (seen.nonzero() - 3).abs().max() <= 2 * reach  # the convolution over rays sees one ray farther
    assert seen[3, 3] and bool(seen[3, 4]) == (reach > 0) and bool(seen[2, 3]) == (reach > 0)


def test_rays_of_cells_lie_in_pictures_where_they_were_drawn():
    rows, columns = 2, 3
    y, x = torch.meshgrid(torch.arange(rows * SIDE), torch.arange(columns * SIDE), indexing="ij")
    picture = torch.stack([y, x]).float()[None]
    listed = [
        picture[0, :, row * SIDE + i, column * SIDE + j]
        for row in range(rows)
        for column in range(columns)
        for i in range(SIDE)
        for j in range(SIDE)
    ]
    assert torch.equal(ray_grid(torch.stack(listed), (rows, columns), SIDE), picture)
    cells = cell_list(torch.nn.functional.avg_pool2d(picture, SIDE))
    assert cells[:, 0].tolist() == [0.5, 0.5, 0.5, 2.5, 2.5, 2.5]


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match="aggregation is 'sum'"):
        make_aggregation("sum", WIDTH, SIDE)
