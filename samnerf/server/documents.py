"""The JSON that goes in and out over HTTP; the framework checks and documents it from here."""

from typing import Annotated, Any

import numpy as np
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field

from samnerf.errors import SamNerfError
from samnerf.export.alpha_rle import encode_alpha
from samnerf.export.coco import run_lengths
from samnerf.images.result import ImageMask
from samnerf.prompts import PromptFile, PromptSet, prompts_from_json
from samnerf.session import Answer

MOST_OBJECTS = 64
EXAMPLE = {"name": "red cube", "points": [{"xy": [120.5, 80.0], "label": 1}], "phrase": {"text": "red cube"}}

PromptedObject = Annotated[
    dict[str, Any],
    Field(
        description="One object as a prompt file has it: name, and points, boxes, scribbles or a phrase.",
        examples=[EXAMPLE],
    ),
]


class ViewRequest(BaseModel):
    """Which view of the scene, and what is said of it."""

    model_config = ConfigDict(extra="forbid")

    view: str = Field(description="Name of a photograph of the capture; GET /v1/about lists them.")
    objects: list[PromptedObject] = Field(min_length=1, max_length=MOST_OBJECTS)
    alpha: bool = Field(True, description="Whether soft mattes are sent, too.")


class RunLengths(BaseModel):
    """A binary mask in COCO's compressed form."""

    size: list[int] = Field(description="[H, W] in pixels.")
    counts: str


class AlphaRuns(BaseModel):
    """A soft matte as alpha-RLE: runs of value:length row by row from the top left, alpha = value / 255."""

    format: str
    version: int
    size: list[int] = Field(description="[H, W] in pixels.")
    order: str
    bits: int
    counts: str


class FoundObject(BaseModel):
    """The mask of one object."""

    name: str
    score: float = Field(description="The decoder's estimate of its IoU, 0 to 1.")
    box: list[int] = Field(description="[x1, y1, x2, y2] in pixels, the last two one past the mask; zeros if empty.")
    area: int = Field(description="Pixels of the mask.")
    mask: RunLengths
    alpha: AlphaRuns | None = Field(description="null if it was not asked for.")
    reason: str | None = Field(description="Why the mask is empty; null if something was found.")


class Masks(BaseModel):
    """The masks of what was said, in the order in which it was said."""

    image_size: list[int] = Field(description="[H, W] in pixels.")
    objects: list[FoundObject]


class About(BaseModel):
    """What is served."""

    program: str
    teachers: str = Field(description="The pair of teachers.")
    views: list[str] = Field(description="Names of the views of the scene; none without a scene.")


class Problem(BaseModel):
    """What was wrong, in one line."""

    detail: str


def read_prompts(objects: Any, where: str) -> PromptFile:
    """What was said of each object, out of a list in the form of prompt files; `where` begins messages.

    Raises:
        SamNerfError: naming the object and the field that is wrong, and what would be right.
    """
    if not isinstance(objects, list) or not 1 <= len(objects) <= MOST_OBJECTS:
        raise SamNerfError(f"{where} must be a list of 1 to {MOST_OBJECTS} objects, such as [{EXAMPLE}]")
    return PromptFile(tuple(prompts_from_json(one, f"{where}, object {i}") for i, one in enumerate(objects, start=1)))


def found_object(
    said: PromptSet, answer: Answer, alpha: Float[np.ndarray, "height width"] | None = None
) -> FoundObject:
    """An answer as it is sent, with its soft matte, 0 to 1, if there is one."""
    best = answer.prediction.best
    mask = ImageMask(1, best.mask().cpu().numpy(), float(best.scores[0]))
    runs = None if alpha is None else encode_alpha(alpha)
    return FoundObject(
        name=said.name,
        score=mask.score,
        box=list(mask.box),
        area=mask.area,
        mask=RunLengths(**run_lengths(mask.mask)),
        alpha=None if runs is None else AlphaRuns(**runs),
        reason=answer.reason,
    )
