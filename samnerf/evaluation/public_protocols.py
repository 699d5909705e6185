"""The public protocols, each in one piece: how it is read, measured, averaged, and what may stand beside it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from samnerf.evaluation import lerf_mask, lerf_ovs, nvos, spin_nerf
from samnerf.evaluation.goals import Goal
from samnerf.evaluation.public_measures import (
    SceneResult,
    lerf_mask_means,
    measure_lerf_mask,
    measure_lerf_ovs,
    measure_lerf_ovs_3d,
    measure_nvos,
    measure_spin_nerf,
)
from samnerf.evaluation.report import Column, words
from samnerf.evaluation.scene_prediction import Predictor


@runtime_checkable
class PublicScene(Protocol):
    """A scene of a data set."""

    @property
    def name(self) -> str: ...
    @property
    def run_names(self) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class PublicProtocol:
    """One protocol.

    Attributes:
        key, title: on the command line and on the page.
        scenes: names of the whole data set; what covers less cannot be compared.
        words: whether it asks in words.
        read: the scenes of a folder.
        measure: one scene, with a seed.
        means: of the scores of all scenes, by name.
        goals: the measures on top, the first as headline.
        published: measures of `configs/published.toml`, by our key; empty where none may stand beside ours.
        columns, detail_columns: of the two tables.
        rule: how it is scored, in one sentence.
    """

    key: str
    title: str
    scenes: tuple[str, ...]
    words: bool
    read: Callable[[Path], Sequence[PublicScene]]
    measure: Callable[[Any, Predictor, int], SceneResult]
    means: Callable[[Mapping[str, Any]], dict[str, float]]
    goals: tuple[Goal, ...]
    published: Mapping[str, str]
    columns: tuple[Column, ...]
    detail_columns: tuple[Column, ...]
    rule: str


NVOS = PublicProtocol(
    key="nvos",
    title="NVOS",
    scenes=nvos.TASKS,
    words=False,
    read=nvos.read_nvos,
    measure=measure_nvos,
    means=nvos.mean_scores,
    goals=(
        Goal("miou", "mean IoU"),
        Goal("accuracy", "mean pixel accuracy"),
        Goal("boundary_iou", "mean boundary IoU"),
    ),
    published={"miou": "nvos_miou", "boundary_iou": "nvos_boundary_iou"},
    columns=(
        words("scene", "task"), Column("iou", "IoU"), Column("accuracy", "accuracy"),
        Column("boundary_iou", "boundary"), words("clicks", "clicks"), words("negative", "negative"),
    ),
    detail_columns=(),
    rule="Clicks drawn from the skeletons of the reference image's scribbles (2% positive, 0.5% negative); the mask is "
    "scored in the target image.",
)  # fmt: skip
SPIN_NERF = PublicProtocol(
    key="spin-nerf",
    title="SPIn-NeRF",
    scenes=spin_nerf.SCENES,
    words=False,
    read=spin_nerf.read_spin_nerf,
    measure=measure_spin_nerf,
    means=spin_nerf.mean_scores,
    goals=(
        Goal("pooled", "mean IoU, all pixels of a scene together, with the reference view"),
        Goal("averaged", "mean IoU, averaged over views, with the reference view"),
        Goal("pooled_others", "mean IoU, all pixels together, without it"),
        Goal("averaged_others", "mean IoU, averaged over views, without it"),
        Goal("accuracy_pooled", "mean pixel accuracy, with the reference view"),
    ),
    published={"pooled": "spin_nerf_miou"},
    columns=(
        words("scene", "scene"), words("views", "views"), Column("pooled", "IoU, pooled"),
        Column("averaged", "averaged"), Column("pooled_others", "pooled, others"),
        Column("averaged_others", "averaged, others"), Column("accuracy_pooled", "accuracy"),
        Column("accuracy_averaged", "accuracy, averaged"), Column("accuracy_pooled_others", "accuracy, others"),
        Column("accuracy_averaged_others", "accuracy, averaged, others"),
    ),
    detail_columns=(
        words("scene", "scene"), words("view", "view"), Column("iou", "IoU"), words("reference", "reference view"),
    ),
    rule="The first view's true mask is the prompt. Two forks: the reference view scored or not, pixels pooled over a "
    "scene's views or averaged view by view. SA3D scores all views, pooled.",
)  # fmt: skip
_OVS_COLUMNS = (words("scene", "scene"), words("frames", "frames"), words("queries", "queries"), Column("miou", "IoU"))
_OVS_DETAILS = (words("scene", "scene"), words("frame", "frame"), words("query", "query"), Column("iou", "IoU"))
LERF_OVS = PublicProtocol(
    key="lerf-ovs",
    title="LERF-OVS, 2D",
    scenes=lerf_ovs.SCENES,
    words=True,
    read=lerf_ovs.read_lerf_ovs,
    measure=measure_lerf_ovs,
    means=lerf_ovs.mean_scores,
    goals=(
        Goal("miou", "mean IoU, over queries, then scenes"),
        Goal("localization", "localization, over queries, then scenes"),
        Goal("miou_pooled", "mean IoU, over all queries"),
        Goal("localization_pooled", "localization, over all queries"),
    ),
    published={"miou": "lerf_ovs_miou", "localization": "lerf_ovs_localization"},
    columns=(*_OVS_COLUMNS, Column("localization", "localization")),
    detail_columns=(*_OVS_DETAILS, words("localized", "localized")),
    rule="Relevancy against object, things, stuff, texture; box filter of 30 pixels; the mask is what is above 0.4 of "
    "the stretched map, the place its maximum. Our text decoder says how well a phrase fits (0 to 1), where others "
    "have a cosine of CLIP's.",
)
LERF_OVS_3D = PublicProtocol(
    key="lerf-ovs-3d",
    title="LERF-OVS, 3D",
    scenes=lerf_ovs.SCENES,
    words=True,
    read=lerf_ovs.read_lerf_ovs,
    measure=measure_lerf_ovs_3d,
    means=lerf_ovs.mean_scores,
    goals=(
        Goal("miou", "mean IoU, over queries, then scenes"),
        Goal("found", "share of queries with IoU above 0.25"),
        Goal("miou_pooled", "mean IoU, over all queries"),
    ),
    published={},
    columns=(*_OVS_COLUMNS, Column("found", "above 0.25")),
    detail_columns=_OVS_DETAILS,
    rule="OpenGaussian's protocol: the object is found in 3D first and rendered; a missing one counts 0. Not to be "
    "mixed with figures of the 2D protocol.",
)
LERF_MASK = PublicProtocol(
    key="lerf-mask",
    title="LERF-Mask",
    scenes=lerf_mask.SCENES,
    words=True,
    read=lerf_mask.read_lerf_mask,
    measure=measure_lerf_mask,
    means=lerf_mask_means,
    goals=(
        Goal("miou", "mean IoU, over views, classes, scenes"),
        Goal("boundary_iou", "mean boundary IoU (0.02 of the diagonal)"),
    ),
    published={},
    columns=(
        words("scene", "scene"), words("classes", "classes"), words("masks", "masks"), Column("miou", "IoU"),
        Column("boundary_iou", "boundary"),
    ),
    detail_columns=(
        words("scene", "scene"), words("view", "view"), words("class", "class"), Column("iou", "IoU"),
        Column("boundary_iou", "boundary"),
    ),
    rule="Means over the views of each class, then over classes; a missing prediction counts 0 (the original script "
    "leaves it out).",
)  # fmt: skip
