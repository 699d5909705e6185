"""A prompt file on many views: what was said in one view is decoded there and carried to the others."""

import functools
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from samnerf.camera import Camera
from samnerf.errors import SamNerfError
from samnerf.export.mask_files import MaskFolder, ObjectMask, prompts_key
from samnerf.matting.matter import Matter
from samnerf.objects.lifting import lift
from samnerf.prompts import PromptFile, PromptSet
from samnerf.scene import TrainedScene
from samnerf.session import Session, no_answer
from samnerf.view import View


@dataclass(frozen=True)
class ViewSource:
    """A view that is made when it is needed; `key` is what it depends on."""

    name: str
    key: str
    make: Callable[[], View]


@dataclass(frozen=True)
class NumberedPrompts:
    """An object's ID, what was said of it, and the same for views in which it was not said."""

    object_id: int
    said: PromptSet
    carried: PromptSet

    def for_view(self, view: str) -> PromptSet:
        """Image prompts count where they were given; elsewhere their lifted points do."""
        return self.said if self.said.view in (None, view) else self.carried


def carry_prompts(
    session: Session, prompt_file: PromptFile, ids: Mapping[str, int], view_named: Callable[[str], View]
) -> list[NumberedPrompts]:
    """Decode every prompt set that names a view in that view, and lift it to the world.

    Args:
        session: the decoders.
        prompt_file: what was said.
        ids: ID of each object by name.
        view_named: gives the view that a prompt set names.

    Raises:
        SamNerfError: if a view does not exist or a prompt lies outside of it.
    """
    numbered = []
    for said in prompt_file.objects:
        carried = said
        if said.view is not None:
            view = view_named(said.view)
            carried = lift(view, said, session.segment(view, said))
        numbered.append(NumberedPrompts(ids[said.name], said, carried))
    return numbered


def object_masks(
    session: Session, view: View, objects: Sequence[NumberedPrompts], matter: Matter | None = None
) -> list[ObjectMask]:
    """Every object in one view; one that is not visible has an empty mask, score 0 and a reason.

    Args:
        session: the decoders.
        view: where they are looked for.
        objects: and what was said of them.
        matter: makes alpha, too.
    """
    masks = []
    for one in objects:
        prompts = one.for_view(view.name)
        if prompts.empty:
            answer = no_answer(view, f"nothing was found in view {one.said.view!r}, where it was prompted")
        else:
            answer = session.answer(view, prompts)
        phrase = one.said.phrase
        relevancy = None
        if phrase is not None:
            relevancy = session.relevancy(view, phrase.text).cpu().numpy().astype(np.float32)
        alpha = None
        if matter is not None:
            soft = answer.cut(matter.alpha(answer.prediction, view.feature_map("sam"), answer.decoded, view.rgb))
            alpha = soft.float().cpu().numpy()
        masks.append(ObjectMask(one.object_id, one.said.name, answer, relevancy, alpha))
    return masks


def segment_views(
    folder: MaskFolder,
    sources: Sequence[ViewSource],
    segment: Callable[[View], list[ObjectMask]],
    done: Callable[[str], None],
) -> int:
    """Write the masks of every view that is not done yet; says how many were made.

    Args:
        folder: where they go.
        sources: the views, in order.
        segment: masks of every object in a view.
        done: called with the name of each view, made or skipped.
    """
    made = 0
    for source in sources:
        if not folder.is_done(source.name, source.key):
            view = source.make()
            folder.write_view(view, source.key, segment(view))
            made += 1
        done(source.name)
    return made


def segment_scene(
    scene: TrainedScene,
    session: Session,
    prompt_file: PromptFile,
    cameras: Sequence[tuple[str, Camera]],
    output: Path,
    ids: Mapping[str, int] | None = None,
    done: Callable[[str], None] = lambda _: None,
    make_view: Callable[[Camera, str], View] | None = None,
    matter: Matter | None = None,
) -> Path:
    """Every object of a prompt file in views of a scene, as files; gives the path of `masks.json`.

    Views that were made before with the same prompts and checkpoint are kept.

    Args:
        scene: where the views are rendered.
        session: decoders of the scene's teachers.
        prompt_file: what was said; a view that it names is one of `cameras` or of the scene's photographs.
        cameras: names and cameras of the views.
        output: folder of the results.
        ids: ID of each object; 1, 2, ... in the order of the file by default.
        done: called with the name of each view, made or skipped.
        make_view: `scene.view`, or something that remembers views.
        matter: makes alpha, too.

    Raises:
        SamNerfError: if a prompt names a view that does not exist, or lies outside of its view.
    """
    numbers = ids or {prompts.name: i for i, prompts in enumerate(prompt_file.objects, start=1)}
    by_name = dict(cameras)
    make = make_view or scene.view

    @functools.cache  # several objects may be prompted in one view
    def view_named(name: str) -> View:
        return make(by_name.get(name) or scene.camera(name), name)

    @functools.cache  # prompts are carried only if some view is not done yet
    def carried() -> list[NumberedPrompts]:
        return carry_prompts(session, prompt_file, numbers, view_named)

    for prompts in prompt_file.objects:
        if prompts.view is not None and prompts.view not in by_name:
            scene.camera(prompts.view)
    key = prompts_key(prompt_file.objects, scene.checkpoint_hash, *_how(session, matter))
    folder = MaskFolder(output, {numbers[p.name]: p.name for p in prompt_file.objects}, key)
    sources = [camera_source(name, camera, make) for name, camera in cameras]
    try:
        segment_views(folder, sources, lambda view: object_masks(session, view, carried(), matter), done)
    finally:
        index = folder.write_index([name for name, _ in cameras], {"checkpoint": scene.checkpoint_hash})
    return index


def segment_image(
    view: View,
    session: Session,
    prompt_file: PromptFile,
    output: Path,
    ids: Mapping[str, int] | None = None,
    matter: Matter | None = None,
) -> Path:
    """Every object of a prompt file in one photograph, as files, with alpha if there is a matter.

    Gives the path of `masks.json`.

    Raises:
        SamNerfError: if the prompts are of another view, of the world, or lie outside of the photograph.
    """
    numbers = ids or {prompts.name: i for i, prompts in enumerate(prompt_file.objects, start=1)}
    for prompts in prompt_file.objects:
        if prompts.view not in (None, view.name):
            raise SamNerfError(
                f"the prompts of {prompts.name!r} belong to view {prompts.view!r}, but the photograph is {view.name!r}"
            )
    said = [NumberedPrompts(numbers[prompts.name], prompts, prompts) for prompts in prompt_file.objects]
    pixels = hashlib.sha256(view.rgb.tobytes()).hexdigest()
    key = prompts_key(prompt_file.objects, pixels, session.mask_decoder.teacher, *_how(session, matter))
    folder = MaskFolder(output, {one.object_id: one.said.name for one in said}, key)
    folder.write_view(view, pixels, object_masks(session, view, said, matter))
    return folder.write_index([view.name], {"image": pixels})


def _how(session: Session, matter: Matter | None) -> list[str]:
    """What masks and alpha depend on besides prompts and pictures."""
    return [
        f"refinements {session.refinements} by depth {session.by_depth}",
        *([] if matter is None else [f"alpha {matter.key}"]),
    ]


def camera_source(name: str, camera: Camera, make: Callable[[Camera, str], View]) -> ViewSource:
    """A view of a camera; its key is the camera."""
    numbers = [*camera.camera_to_world.flatten().tolist(), camera.fx, camera.fy, camera.cx, camera.cy]
    return ViewSource(name, repr((numbers, camera.image_size)), lambda: make(camera, name))
