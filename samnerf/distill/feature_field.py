"""What the teachers would say of a point, as a small code that per-teacher heads translate.

A point has one hidden code for all teachers. Codes, not features, are rendered and averaged over a patch, and
the heads run once per cell: for 128 + 96 channels and 2 x 2 rays of 4 samples that is a sixteenth of the work.
"""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from nerfstudio.field_components.encodings import NeRFEncoding, SHEncoding
from torch import Tensor, nn

PLACE_FREQUENCIES = 4
"""Octaves in which the place of a cell in the image is told."""


class FeatureField(nn.Module):
    """Codes of points, and teacher features of codes.

    Args:
        encoding: of points in [-1, 1]^3; has `out_dim`.
        width: of a code.
        head_width: of the hidden layer of each head.
        channels: length of a feature, for each kind of teacher.
        knows_places: whether `placed` changes codes.
    """

    def __init__(
        self,
        encoding: nn.Module,
        width: int,
        head_width: int,
        channels: Mapping[str, int],
        knows_places: bool = False,
    ) -> None:
        super().__init__()
        self.encoding = encoding
        self.width = width
        self.direction_encoding = SHEncoding(levels=4, implementation="torch")
        self.view = nn.Sequential(
            nn.Linear(width + self.direction_encoding.get_out_dim(), head_width),
            nn.ReLU(),
            nn.Linear(head_width, width),
        )
        nn.init.zeros_(self.view[-1].weight)  # type: ignore[arg-type]
        self.place: nn.Module | None = None
        if knows_places:
            self.place_encoding = NeRFEncoding(2, PLACE_FREQUENCIES, 0.0, PLACE_FREQUENCIES - 1.0, include_input=True)
            self.place = nn.Sequential(
                nn.Linear(width + self.place_encoding.get_out_dim(), head_width),
                nn.ReLU(),
                nn.Linear(head_width, width),
            )
            nn.init.zeros_(self.place[-1].weight)  # type: ignore[arg-type]
        self.mlp = nn.Sequential(nn.Linear(encoding.out_dim, width), nn.ReLU(), nn.Linear(width, width))  # type: ignore[arg-type]
        self.heads = nn.ModuleDict(
            {
                kind: nn.Sequential(
                    nn.Linear(width, head_width),
                    nn.ReLU(),
                    nn.Linear(head_width, head_width),
                    nn.ReLU(),
                    nn.Linear(head_width, count),
                )
                for kind, count in channels.items()
            }
        )

    def codes(self, positions: Float[Tensor, "points 3"]) -> Float[Tensor, "points width"]:
        """Codes of contracted positions, which are detached: features never move the geometry."""
        return self.mlp(self.encoding(positions.detach()))

    def seen_from(
        self, codes: Float[Tensor, "rays width"], directions: Float[Tensor, "rays 3"]
    ) -> Float[Tensor, "rays width"]:
        """Codes of rays as seen along these unit directions: what a teacher says of a thing depends on the view."""
        return codes + self.view(torch.cat([codes, self.direction_encoding(directions)], dim=-1))

    def placed(
        self, codes: Float[Tensor, "cells width"], places: Float[Tensor, "cells 2"]
    ) -> Float[Tensor, "cells width"]:
        """Codes of cells at these places of the grid, -1 to 1: what an encoder says depends on where in the image."""
        if self.place is None:
            return codes
        return codes + self.place(torch.cat([codes, self.place_encoding(places)], dim=-1))

    def features(self, codes: Float[Tensor, "cells width"], kind: str) -> Float[Tensor, "cells channels"]:
        """Standardised teacher features of cells, from their aggregated codes."""
        return self.heads[kind](codes)
