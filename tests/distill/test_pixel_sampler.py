"""Sampled pixels lie where they say, in images of any shape."""

import pytest
import torch

from samnerf.distill.pixel_sampler import CellPixelSampler
from samnerf.errors import SamNerfError
from samnerf.feature_map import cells_per_pixel, covered_cells

SIDE, RAYS_PER_SIDE = 8, 2
SIZES = {"landscape": (40, 70), "portrait": (70, 40), "square": (64, 64), "smaller than the grid": (5, 7)}


def coordinates(size, image):
    """An image [H, W, 3] whose colours are (image, row, column)."""
    rows, columns = torch.meshgrid(torch.arange(size[0]), torch.arange(size[1]), indexing="ij")
    return torch.stack([torch.full_like(rows, image), rows, columns], dim=-1).float()


def batch_of(*sizes, numbers=None):
    images = [coordinates(size, i) for i, size in enumerate(sizes)]
    stacked = torch.stack(images) if len(set(sizes)) == 1 else images
    return {"image": stacked, "image_idx": torch.tensor(numbers or range(len(sizes)))}


def sampler(share=0.5, layout="letterbox", rays=400, block=1):
    torch.manual_seed(0)
    return CellPixelSampler(rays, share, SIDE, layout, RAYS_PER_SIDE, block)


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("layout", ["letterbox", "stretch"])
def test_the_rays_of_a_cell_lie_in_it_and_in_the_image(size, layout):
    batch = sampler(1.0, layout).sample(batch_of(size, size))
    pixels = batch["indices"][:, 1:].reshape(100, RAYS_PER_SIDE**2, 2)
    assert (pixels >= 0).all()
    assert (pixels < torch.tensor(size)).all()
    centres = batch["cell_centres"].flip(-1)[:, None]
    scale = 1 / torch.tensor(cells_per_pixel(size, SIDE, layout)).flip(0)
    # The nearest point of a pixel's square to the centre is no farther than the cell reaches.
    away = ((pixels + 0.5 - centres).abs() - 0.5).clamp_min(0)
    assert (away <= scale / 2 + 1e-4).all()


@pytest.mark.parametrize("block", [1, 3])
@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_every_covered_cell_is_drawn_and_no_other(size, block):
    batch = sampler(1.0, rays=8000, block=block).sample(batch_of(size))
    scale = torch.tensor(cells_per_pixel(size, SIDE, "letterbox"))
    cells = {(int(y), int(x)) for x, y in (batch["cell_centres"] * scale).floor().long()}
    assert cells == {tuple(cell) for cell in covered_cells(size, SIDE, "letterbox").nonzero().tolist()}


def test_the_rays_of_a_cell_lie_one_in_each_part_of_it():
    batch = sampler(1.0).sample(batch_of((64, 64)))
    pixels = batch["indices"][:, 1:].reshape(-1, RAYS_PER_SIDE, RAYS_PER_SIDE, 2)
    parts = pixels // (64 // SIDE // RAYS_PER_SIDE) % RAYS_PER_SIDE
    assert (parts[:, 0, :, 0] == 0).all()
    assert (parts[:, 1, :, 0] == 1).all()
    assert (parts[:, :, 0, 1] == 0).all()
    assert (parts[:, :, 1, 1] == 1).all()


@pytest.mark.parametrize("sizes", [((40, 70), (40, 70)), ((40, 70), (70, 40))], ids=["one size", "two sizes"])
def test_colours_are_those_of_the_pixels_and_images_have_their_numbers(sizes):
    batch = sampler().sample(batch_of(*sizes, numbers=[5, 3]))
    numbers = torch.tensor([5, 3])[batch["image"][:, 0].long()]
    assert torch.equal(batch["indices"][:, 0], numbers)
    assert torch.equal(batch["indices"][:, 1:].float(), batch["image"][:, 1:])
    assert torch.equal(batch["cell_images"].repeat_interleave(RAYS_PER_SIDE**2), batch["indices"][:200, 0])
    assert len(batch["image"]) == 400


def test_a_block_is_a_square_of_neighbouring_cells_row_by_row():
    batch = sampler(1.0, rays=360, block=3).sample(batch_of((64, 64), (64, 64)))
    assert len(batch["cell_images"]) == len(batch["cell_centres"]) == 90
    images = batch["cell_images"].reshape(10, 9)
    assert (images == images[:, :1]).all()
    cells = (batch["cell_centres"].reshape(10, 3, 3, 2) * SIDE / 64).long()
    assert (cells.diff(dim=2) == torch.tensor([1, 0])).all()
    assert (cells.diff(dim=1) == torch.tensor([0, 1])).all()
    pixels = batch["indices"][:, 1:].reshape(10, 3, 3, RAYS_PER_SIDE**2, 2)
    assert (pixels // (64 // SIDE) == cells.flip(-1)[..., None, :]).all()


def test_flags_count_the_rays_of_cells():
    flags = sampler(0.3, rays=401).cell_rays()
    assert flags.shape == (401, 1)
    assert flags.sum() == 120
    assert flags[:120].all()


def test_masked_pixels_are_never_drawn():
    batch = batch_of((64, 64), (64, 64))
    batch["mask"] = torch.zeros(2, 64, 64, 1, dtype=torch.bool)
    batch["mask"][1, 32:] = True
    drawn = sampler().sample(batch)["indices"]
    assert (drawn[:, 0] == 1).all()
    assert (drawn[:, 1] >= 32).all()


def test_masks_that_leave_nothing_are_an_error():
    batch = batch_of((64, 64))
    batch["mask"] = torch.zeros(1, 64, 64, 1, dtype=torch.bool)
    with pytest.raises(SamNerfError, match="masks leave nothing"):
        sampler().sample(batch)


def test_an_impossible_share_is_named():
    with pytest.raises(ValueError, match=r"share of rays in cells is 1.5"):
        sampler(1.5)
