"""A mask cut where the surface below it breaks off: what a photograph cannot show, and a scene with depth knows.

A mask decoder sees features only. Two things that look alike and stand one behind the other become one mask, and so
does a ring with what is seen through it. In a view with depth such a mask falls apart: from one pixel to the next the
surface jumps. The piece that was meant stays, with those that lie next to it in space, because something thin may
hide the middle of a thing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy import ndimage
from scipy.spatial import KDTree
from torch import Tensor

from samnerf.camera import Camera
from samnerf.mask_cleaning import CLEANED_LOGIT
from samnerf.masks import MaskPrediction, mask_window
from samnerf.prompts import Point

STEEPEST = 6.0
"""Distance in space of two neighbouring pixels of one surface, at most, in widths of a pixel at their depth: a surface
that is seen at ten degrees."""
BESIDE, NEAREST = 0.15, 0.1
"""A piece belongs to what was meant if so much of it (the second) is nearer than this part (the first) of the size of
what was meant."""
LEAST_SHARE = 0.02
"""Part of a mask that what stays of it must have; otherwise the click met a speck, and the mask is left as it is."""
FRINGE = 16
"""Pixels around a mask whose logits follow those of the mask's nearest pixel."""
_MOST_POINTS = 2000
"""Of what was meant, when distances in space are measured."""


@dataclass(frozen=True, eq=False)
class VisibleSurface:
    """What is seen behind every pixel of a view, and which neighbours see the same surface.

    Attributes:
        positions: world units.
        right: whether a pixel and the one to its right see one surface.
        down: whether a pixel and the one below it do.
    """

    positions: Float[np.ndarray, "height width 3"]
    right: Bool[np.ndarray, "height widthminus1"]
    down: Bool[np.ndarray, "heightminus1 width"]

    @staticmethod
    def of(camera: Camera, depth: Float[Tensor, "height width"]) -> "VisibleSurface":
        """From the distance along each pixel's ray, world units."""
        y, x = torch.meshgrid(torch.arange(camera.height) + 0.5, torch.arange(camera.width) + 0.5, indexing="ij")
        pixels = torch.stack([x, y], dim=-1).to(camera.camera_to_world)
        positions = camera.unproject(pixels, depth.to(pixels)).cpu().numpy()
        reach = STEEPEST * depth.float().cpu().numpy() / max(camera.fx, camera.fy)
        across = np.linalg.norm(np.diff(positions, axis=1), axis=-1)
        below = np.linalg.norm(np.diff(positions, axis=0), axis=-1)
        return VisibleSurface(
            positions,
            across <= np.minimum(reach[:, 1:], reach[:, :-1]),
            below <= np.minimum(reach[1:], reach[:-1]),
        )

    def cut(
        self, mask: Bool[np.ndarray, "height width"], clicks: Sequence[tuple[int, int]] = ()
    ) -> Bool[np.ndarray, "height width"]:
        """The part of a mask that is one thing in space.

        Args:
            mask: true inside.
            clicks: pixels (row, column) of what was meant; without them the largest piece is. If none of them lies in
                the mask, it stays as it is.
        """
        if not mask.any():
            return mask
        window = mask_window(mask)
        pieces = self._pieces(mask, window)
        sizes = np.bincount(pieces.ravel())
        sizes[0] = 0
        if clicks:
            top, left = window[0].start, window[1].start
            found = (_piece_at(pieces, sizes, row - top, column - left) for row, column in clicks)
            meant = sorted({piece for piece in found if piece})
        else:
            meant = [int(sizes.argmax())]
        if not meant or sizes[meant].sum() < LEAST_SHARE * sizes.sum():
            return mask
        cut = np.zeros_like(mask)
        cut[window] = np.isin(pieces, self._with_neighbours(pieces, sizes, meant, self.positions[window]))
        return cut

    def _pieces(
        self, mask: Bool[np.ndarray, "height width"], window: tuple[slice, slice]
    ) -> Int[np.ndarray, "rows columns"]:
        """Pieces of a mask, numbered from 1, in the window that holds it."""
        rows, columns = window
        inside = mask[window]
        # Pixels, and between them their links: then pieces are what hangs together over edges.
        height, width = inside.shape
        lattice = np.zeros((2 * height - 1, 2 * width - 1), dtype=bool)
        lattice[::2, ::2] = inside
        right = self.right[rows, columns.start : columns.stop - 1]
        down = self.down[rows.start : rows.stop - 1, columns]
        lattice[::2, 1::2] = right & inside[:, 1:] & inside[:, :-1]
        lattice[1::2, ::2] = down & inside[1:] & inside[:-1]
        labels, _ = ndimage.label(lattice)  # type: ignore[misc]
        return labels[::2, ::2]

    @staticmethod
    def _with_neighbours(
        pieces: Int[np.ndarray, "rows columns"],
        sizes: Int[np.ndarray, " pieces"],
        meant: list[int],
        positions: Float[np.ndarray, "rows columns 3"],
    ) -> list[int]:
        """The pieces that are meant, and those beside them in space."""
        chosen = np.isin(pieces, meant)
        core = _thinned(positions[chosen])
        near = BESIDE * float(np.linalg.norm(np.ptp(core, axis=0)))
        others = (pieces > 0) & ~chosen
        # Thousands of specks are asked at once, and what is far from all of the core is not asked at all.
        others &= ((positions >= core.min(axis=0) - near) & (positions <= core.max(axis=0) + near)).all(axis=-1)
        distances, _ = KDTree(core).query(positions[others], distance_upper_bound=near)
        close = np.bincount(pieces[others][distances < near], minlength=len(sizes))
        return meant + [int(piece) for piece in np.flatnonzero((close > 0) & (close >= NEAREST * sizes))]


def cut_prediction(prediction: MaskPrediction, surface: VisibleSurface, points: Sequence[Point] = ()) -> MaskPrediction:
    """Every candidate cut to one thing; logits of what is cut away, and around it, become surely negative.

    Args:
        prediction: in pixels of the view whose surface it is.
        surface: of the view.
        points: clicks of the prompt; the positive ones say what is meant.
    """
    clicks = [(int(point.y), int(point.x)) for point in points if point.label == 1]
    logits = prediction.logits.clone()
    for candidate in logits:
        mask = (candidate > 0).cpu().numpy()
        kept = surface.cut(mask, clicks)
        if kept.sum() == mask.sum():
            continue
        window = mask_window(mask, FRINGE)
        nearest = ndimage.distance_transform_edt(~mask[window], return_distances=False, return_indices=True)
        gone = ~kept[window][tuple(nearest)]  # type: ignore[arg-type]
        part = candidate[window]
        part[torch.from_numpy(gone).to(part.device)] = -CLEANED_LOGIT
    return replace(prediction, logits=logits)


def _piece_at(pieces: Int[np.ndarray, "rows columns"], sizes: Int[np.ndarray, " pieces"], row: int, column: int) -> int:
    """The largest piece at a pixel or next to it, 0 if there is none: a single pixel may see something between two."""
    around = pieces[max(0, row - 1) : max(0, row + 2), max(0, column - 1) : max(0, column + 2)]
    return max(map(int, around.ravel()), key=lambda piece: int(sizes[piece]), default=0)


def _thinned(points: Float[np.ndarray, "points 3"]) -> Float[np.ndarray, "fewer 3"]:
    return points[:: max(1, len(points) // _MOST_POINTS)]
