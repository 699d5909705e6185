"""Density and colour of the CPU preset: nerfacto's field with planes instead of hash grids."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from nerfstudio.cameras.rays import RaySamples
from nerfstudio.field_components.activations import trunc_exp
from nerfstudio.field_components.encodings import SHEncoding
from nerfstudio.field_components.field_heads import FieldHeadNames
from nerfstudio.fields.base_field import Field
from torch import Tensor, nn

from samnerf.distill.planes import PlanesEncoding


def contracted(positions: Float[Tensor, "*points 3"], radius: float = 1.0) -> Float[Tensor, "*points 3"]:
    """All of space inside the cube [-1, 1]^3; its inner half is the cube of `radius` around the origin, undistorted.

    Mip-NeRF 360's contraction (Barron et al. 2022, arXiv:2111.12077, Eq. 10) in the infinity norm, as in nerfacto, but
    scaled from [-2, 2]; nerfstudio's own takes three times as long on a CPU.
    """
    positions = positions / radius
    size = positions.abs().amax(dim=-1, keepdim=True).clamp_min(1)
    return positions * ((1 - 0.5 / size) / size)


class PlanesDensityField(Field):
    """Where there might be something: one small set of planes and a linear layer, for proposals."""

    def __init__(
        self, resolutions: Sequence[int], channels: int, average_init_density: float, radius: float = 1.0
    ) -> None:
        super().__init__()
        self.radius = radius
        self.encoding = PlanesEncoding(resolutions, channels)
        self.mlp = nn.Sequential(nn.Linear(self.encoding.out_dim, 16), nn.ReLU(inplace=True), nn.Linear(16, 1))
        self.average_init_density = average_init_density

    def density_fn(
        self, positions: Float[Tensor, "*points 3"], times: Float[Tensor, "*points 1"] | None = None
    ) -> Float[Tensor, "*points 1"]:
        """Density per scene unit at world positions."""
        flat = contracted(positions, self.radius).reshape(-1, 3)
        raw = self.mlp(self.encoding(flat)).reshape(*positions.shape[:-1], 1)
        return self.average_init_density * trunc_exp(raw)

    def get_density(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, ray_samples: RaySamples
    ) -> tuple[Tensor, None]:
        """Density at samples, and no embedding."""
        return self.density_fn(ray_samples.frustums.get_positions()), None

    def get_outputs(self, ray_samples: RaySamples, density_embedding: Tensor | None = None) -> dict:
        """A proposal has nothing but density."""
        return {}


class PlanesField(Field):
    """Density from position; colour from position, direction and, in training, the image's appearance.

    Density starts at `average_init_density`, which should be low: from fog, each camera learns to explain its own
    image by a cloud before its lens, and a short training never gets out of that.

    Args:
        resolutions, channels: of the planes.
        width: of the hidden layers.
        average_init_density: per scene unit.
        num_images: training images, each with an appearance; only with `appearance_dim` > 0.
        appearance_dim: length of an appearance; images without one are rendered with the mean.
        radius: of the cube that `contracted` leaves in shape.
    """

    def __init__(
        self,
        resolutions: Sequence[int],
        channels: int,
        width: int,
        average_init_density: float,
        num_images: int,
        appearance_dim: int = 0,
        radius: float = 1.0,
    ) -> None:
        super().__init__()
        self.radius = radius
        embedding_dim = 15
        self.average_init_density = average_init_density
        self.encoding = PlanesEncoding(resolutions, channels)
        self.mlp_base = nn.Sequential(
            nn.Linear(self.encoding.out_dim, width), nn.ReLU(inplace=True), nn.Linear(width, 1 + embedding_dim)
        )
        self.direction_encoding = SHEncoding(levels=4, implementation="torch")
        self.embedding_appearance = nn.Embedding(num_images, appearance_dim) if appearance_dim else None
        self.mlp_head = nn.Sequential(
            nn.Linear(self.direction_encoding.get_out_dim() + embedding_dim + appearance_dim, width),
            nn.ReLU(inplace=True),
            nn.Linear(width, width),
            nn.ReLU(inplace=True),
            nn.Linear(width, 3),
            nn.Sigmoid(),
        )

    def get_density(self, ray_samples: RaySamples) -> tuple[Tensor, Tensor]:
        """Density per scene unit, and what the colour needs to know of the place."""
        positions = ray_samples.frustums.get_positions()
        base = self.mlp_base(self.encoding(contracted(positions, self.radius).reshape(-1, 3)))
        base = base.reshape(*positions.shape[:-1], -1)
        return self.average_init_density * trunc_exp(base[..., :1]), base[..., 1:]

    def get_outputs(
        self, ray_samples: RaySamples, density_embedding: Tensor | None = None
    ) -> dict[FieldHeadNames, Tensor]:
        """Colour, 0 to 1."""
        if density_embedding is None:
            raise ValueError("colour needs the embedding that get_density returns")
        # All samples of a ray share its direction: encode it once, then let every sample see it.
        rays = ray_samples.frustums.directions[..., :1, :]
        directions = self.direction_encoding(rays.reshape(-1, 3)).reshape(*rays.shape[:-1], -1)
        inputs = [directions.expand(*density_embedding.shape[:-1], -1), density_embedding]
        if self.embedding_appearance is not None:
            inputs.append(self._appearance(ray_samples).expand(*density_embedding.shape[:-1], -1))
        return {FieldHeadNames.RGB: self.mlp_head(torch.cat(inputs, dim=-1))}

    def _appearance(self, ray_samples: RaySamples) -> Tensor:
        assert self.embedding_appearance is not None
        if self.training and ray_samples.camera_indices is not None:
            return self.embedding_appearance(ray_samples.camera_indices[..., 0])
        return self.embedding_appearance.weight.mean(dim=0)
