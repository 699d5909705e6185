"""Prompts on encoded mattes: masks of frames whose pictures nobody has, from what the encoder said of them.

No image encoder runs. The answers are those of the maps themselves, because a file keeps every number as it was.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from samnerf.errors import SamNerfError
from samnerf.export.encoded_matte import EncodedMatte, read_encoded_matte
from samnerf.export.mask_files import MaskFolder, prompts_key
from samnerf.export.segmentation import NumberedPrompts, ViewSource, object_masks, segment_views
from samnerf.feature_map import FeatureMap
from samnerf.prompts import PromptFile
from samnerf.session import Session
from samnerf.teachers.pairs import Kind
from samnerf.view import View


class EncodedView(View):
    """A frame of which there is only what SAM's encoder said; its picture is black, and it has no depth.

    Args:
        name: of the frame.
        matte: what was said.
    """

    def __init__(self, name: str, matte: EncodedMatte) -> None:
        super().__init__(name, matte.feature_map.image_size, None)
        self._feature_maps["sam"] = matte.feature_map

    @property
    def rgb(self) -> UInt8[np.ndarray, "height width 3"]:
        """Black."""
        return np.zeros((*self.image_size, 3), np.uint8)

    @property
    def depth(self) -> None:
        """Unknown."""
        return None

    def _make_feature_map(self, kind: Kind) -> FeatureMap:
        raise SamNerfError(f"the encoded matte {self.name!r} holds what SAM says, nothing of {kind}; leave out phrases")


def check_prompts(prompt_file: PromptFile) -> None:
    """Say that prompts ask for more than an encoded matte holds.

    Raises:
        SamNerfError: if there is a phrase or a point of the world.
    """
    for said in prompt_file.objects:
        if said.phrase is not None:
            raise SamNerfError(
                f"object {said.name!r} has a phrase, but an encoded matte holds SAM's features alone; give points, "
                "boxes or scribbles"
            )
        if said.world_points:
            raise SamNerfError(f"object {said.name!r} has points of the world, but an encoded matte has no camera")


def segment_mattes(
    paths: Sequence[Path],
    session_for: Callable[[str, str | None], Session],
    prompt_file: PromptFile,
    output: Path,
    image_size: tuple[int, int] | None = None,
    ids: Mapping[str, int] | None = None,
    done: Callable[[str], None] = lambda _: None,
) -> Path:
    """Every object of a prompt file in every encoded matte, as files; gives the path of `masks.json`.

    Args:
        paths: of the mattes; their names without suffix are the names of the views.
        session_for: gives decoders for the maps of a teacher with such a hash of its weights.
        prompt_file: what was said, in pixels of the plates.
        output: folder of the results.
        image_size: (H, W) of the plates, where the files do not say.
        ids: ID of each object; 1, 2, ... in the order of the file by default.
        done: called with the name of each view, made or skipped.

    Raises:
        SamNerfError: if a file is no encoded matte, or a prompt asks for more than it holds or lies outside of its
            plate.
    """
    check_prompts(prompt_file)
    names = [path.stem for path in paths]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise SamNerfError(f"two encoded mattes are called {twice!r}; give those of one folder")
    for said in prompt_file.objects:
        if said.view is not None and said.view not in names:
            raise SamNerfError(f"the prompts of {said.name!r} are of view {said.view!r}, which is none of the mattes")
    numbers = ids or {said.name: i for i, said in enumerate(prompt_file.objects, start=1)}
    said = [NumberedPrompts(numbers[one.name], one, one) for one in prompt_file.objects]
    mattes = {path.stem: read_encoded_matte(path, image_size) for path in paths[:1]}
    first = mattes[names[0]]
    session = session_for(first.feature_map.teacher, first.weights_hash)

    def view(path: Path) -> EncodedView:
        matte = mattes.pop(path.stem, None) or read_encoded_matte(path, image_size)
        held = matte.feature_map.teacher, matte.weights_hash
        if held != (first.feature_map.teacher, first.weights_hash):
            raise SamNerfError(
                f"{path} is of {held[0]}, {paths[0]} of {first.feature_map.teacher}, or of other weights"
            )
        return EncodedView(path.stem, matte)

    key = prompts_key(prompt_file.objects, session.mask_decoder.teacher, f"refinements {session.refinements}")
    folder = MaskFolder(output, {one.object_id: one.said.name for one in said}, key)
    sources = [ViewSource(path.stem, f"{_digest(path)} {image_size}", lambda path=path: view(path)) for path in paths]
    try:
        segment_views(folder, sources, lambda view: object_masks(session, view, said), done)
    finally:
        index = folder.write_index(names, {"teacher": first.feature_map.teacher})
    return index


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise SamNerfError(f"encoded matte {path} cannot be read: {error.strerror}") from error
