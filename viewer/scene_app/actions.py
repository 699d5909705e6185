"""What a person can do in the viewer: from a desk and plain values to the next desk, and to changes of the objects.

All of it raises SamNerfError where something is wrong, and leaves everything as it was.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from samnerf.camera import Camera
from samnerf.errors import SamNerfError
from samnerf.evaluation.metrics import iou
from samnerf.images.automatic_masks import automatic_masks
from samnerf.images.settings import automatic_settings
from samnerf.objects.everything import lock_everything
from samnerf.objects.grid_algebra import overlap
from samnerf.objects.layer_files import load_layers, save_layers
from samnerf.objects.lifting import interior_points, lift, lift_point
from samnerf.objects.locking import Lock, lock, lock_vote, world_prompts
from samnerf.objects.prompt_locking import SAME_OBJECT
from samnerf.objects.support import Support
from samnerf.objects.votes import Vote
from samnerf.prompts import Box, Point, PromptFile, PromptSet
from samnerf.scene import TrainedScene
from samnerf.session import Session
from samnerf.viewer.scene_app.answers import SceneAnswer, answer_desk
from samnerf.viewer.scene_app.desk import Click, Desk, DrawnBox
from samnerf.viewer.scene_app.frames import Frame
from samnerf.viewer.scene_app.shared_objects import SharedObjects
from samnerf.viewer.scene_app.soft_edges import SoftEdges
from samnerf.viewer.scene_app.work import Work

EXAMPLES = 3
TRIED_EXAMPLES = 12
ENOUGH_AGREEMENT = 0.9
"""IoU from which on two masks are the same thing."""
LARGEST_EXAMPLE = 0.2
"""Share of a view from which on a thing is no example, but backdrop."""


class Actions:
    """Everything that can be done.

    Args:
        scene: safe for several threads (see `shared_model`).
        session: the decoders.
        support: the scene's views, from which objects are judged.
    """

    def __init__(self, scene: TrainedScene, session: Session, support: Support) -> None:
        self.scene = scene
        self.session = session
        self.support = support
        self.soft_edges = SoftEdges(session.mask_decoder)

    def click(self, desk: Desk, frame: Frame, place: tuple[float, float]) -> Desk:
        """A click with the desk's tool.

        Args:
            desk: before it.
            frame: what is seen.
            place: (x, y) as parts of the picture's width and height, 0 to 1.
        """
        x, y = _pixels(frame.camera, place)
        point = Point(x, y, 0 if desk.tool == "Take away" else 1)
        return desk.click(Click(lift_point(frame.camera, frame.rendering.depth, point), point, frame.view.name))

    def draw_box(self, desk: Desk, frame: Frame, first: tuple[float, float], second: tuple[float, float]) -> Desk:
        """A box between two places, parts of the picture's width and height.

        Raises:
            SamNerfError: if it has no area.
        """
        corners = _pixels(frame.camera, first), _pixels(frame.camera, second)
        (x1, x2), (y1, y2) = (sorted(corner[axis] for corner in corners) for axis in (0, 1))
        if x2 - x1 < 1 or y2 - y1 < 1:
            raise SamNerfError("that box has no area; press, drag across the object, and let go")
        said = PromptSet(boxes=(Box(x1, y1, x2, y2),), view=frame.view.name)
        lifted = lift(frame.view, said, self.session.segment(frame.view, said, by_depth=desk.settings.by_depth))
        return desk.draw(DrawnBox(said.boxes[0], frame.view.name, lifted.world_points))

    def soften(self, desk: Desk, soft: bool) -> Desk:
        """Show what is prompted by its alpha, or by its mask again.

        Raises:
            SamNerfError: if there is no adapter, or it is of no use; better now than with every picture.
        """
        if soft:
            self.soft_edges.matter()
        return desk.adjust(replace(desk.settings, soft_edges=soft))

    def answer(self, desk: Desk, frame: Frame) -> SceneAnswer | None:
        """What the desk's prompts mean in a frame; only decoders run.

        Raises:
            SamNerfError: if there is a phrase but no text decoder, or alpha is asked for and there is no adapter.
        """
        matter = self.soft_edges.matter() if desk.settings.soft_edges and not desk.said.empty else None
        return answer_desk(self.session, frame, desk, matter)

    def examples(self, frame: Frame) -> list[tuple[float, float]]:
        """Places in the middle of things that stand out, as parts of width and height; at most three.

        A thing stands out if a click on its middle finds the same thing again; others fill up what is missing.

        Raises:
            SamNerfError: if the decoder answers one object at a time only.
        """
        view = frame.view
        settings = replace(automatic_settings(self.scene.pair), points_per_side=8)
        found = [
            one
            for one in automatic_masks(view, self.session.mask_decoder, settings)
            if 0.002 < one.mask.mean() < LARGEST_EXAMPLE
        ]
        masks = [one.mask for one in sorted(found, key=lambda one: -one.score)[:TRIED_EXAMPLES]]
        clicks = [(mask, interior_points(mask, 1)[0]) for mask in masks]
        height, width = view.image_size
        agreeing = [iou(self._clicked(frame, column, row), mask) for mask, (row, column) in clicks]
        order = sorted(range(len(clicks)), key=lambda i: -min(agreeing[i], ENOUGH_AGREEMENT))
        return [((clicks[i][1][1] + 0.5) / width, (clicks[i][1][0] + 0.5) / height) for i in order[:EXAMPLES]]

    def _clicked(self, frame: Frame, column: int, row: int) -> np.ndarray:
        said = PromptSet(points=(Point(column + 0.5, row + 0.5, 1),), view=frame.view.name)
        return self.session.answer(frame.view, said).prediction.mask().cpu().numpy()

    def lock(self, desk: Desk, frame: Frame, objects: SharedObjects, name: str, work: Work) -> list[str]:
        """Lock what is prompted, as it is shown; words alone lock each thing that they find. Gives the new names.

        Raises:
            SamNerfError: if nothing is prompted, or it is nowhere in the world.
            CancelledError: if the work was cancelled.
        """
        answer = self.answer(desk, frame)
        if answer is None:
            raise SamNerfError("there is nothing to lock; click an object or say what you look for, first")
        if answer.reason is not None:
            raise SamNerfError(f"there is nothing to lock: {answer.reason}")
        wanted = name.strip() or (desk.said.phrase.text if desk.said.phrase else "object")
        found = self._locks(desk, frame, answer, wanted, work)
        names: list[str] = []

        def with_locks(layers):  # type: ignore[no-untyped-def]
            names.clear()
            for one in found:
                free = wanted if layers.find(wanted) is None else layers.numbered(wanted, 2)
                layers = layers.add(one, free)
                names.append(layers.objects[-1].name)
            return layers

        objects.change(f"lock {wanted!r}", with_locks)
        return names

    def _locks(self, desk: Desk, frame: Frame, answer: SceneAnswer, name: str, work: Work) -> list[Lock]:
        view, session, support = frame.view, self.session, self.support
        if desk.said.words_alone and len(answer.decoded) > 1:
            locks: list[Lock] = []
            for one in answer.decoded:
                found = lock(session, support, view, replace(one, name=name, view=view.name), work.step)
                if all(overlap(found.grid, other.grid) < SAME_OBJECT for other in locks):
                    locks.append(found)
            return locks
        here = support.of(view)
        first = Vote(here, here.on_grid(torch.from_numpy(answer.mask)))
        if not first.mask.any():
            raise SamNerfError("what is prompted is too small to be locked from here; go nearer")
        said = world_prompts(here, replace(desk.said.prompts(view.name, name), phrase=None), first.mask)
        return [lock_vote(session, support, first, said, work.step)]

    def lock_everything(self, objects: SharedObjects, work: Work) -> list[str]:
        """Lock all objects that are found without prompts, besides those that are there. Gives the new names.

        Raises:
            SamNerfError: if nothing new is found, or the decoder answers one object at a time only.
            CancelledError: if the work was cancelled.
        """
        found = lock_everything(self.session, self.support, automatic_settings(self.scene.pair), work.step)
        names: list[str] = []

        def with_locks(layers):  # type: ignore[no-untyped-def]
            names.clear()
            for one in found:
                if all(overlap(one.grid, other.grid) < SAME_OBJECT for other in layers.objects):
                    names.append(layers.numbered("object"))
                    layers = layers.add(one, names[-1])
            if not names:
                raise SamNerfError("nothing new was found; click what you are looking for, and lock it")
            return layers

        objects.change("lock everything", with_locks)
        return names

    def save(self, objects: SharedObjects, path: Path) -> None:
        """Write the objects and their grids."""
        save_layers(path, objects.layers, self.scene.checkpoint_hash)

    def load(self, objects: SharedObjects, path: Path) -> None:
        """Read objects instead of those that are there; that can be undone.

        Raises:
            SamNerfError: saying what is wrong with the file.
        """
        loaded = load_layers(path, self.scene.checkpoint_hash)
        objects.change("load", lambda layers: replace(loaded, next_id=max(loaded.next_id, layers.next_id)))


def save_prompts(path: Path, desk: Desk, objects: SharedObjects) -> None:
    """Write what was said of each object, and what is prompted now, as a prompt file; it replays to the same masks.

    Raises:
        SamNerfError: if nothing was said.
    """
    sets: list[PromptSet] = [
        replace(one.said, name=one.name, view=None) for one in objects.layers.objects if not one.said.empty
    ]
    if not desk.said.empty:
        sets.append(desk.said.everywhere(_free_name([one.name for one in sets])))
    if not sets:
        raise SamNerfError("nothing was said yet, so there are no prompts to save")
    PromptFile(tuple(sets)).save(path)


def _free_name(taken: Sequence[str]) -> str:
    return next(name for n in range(1, len(taken) + 2) if (name := "prompted" + f" {n}" * (n > 1)) not in taken)


def _pixels(camera: Camera, place: tuple[float, float]) -> tuple[float, float]:
    """Pixels from parts of width and height; places beside the picture go to its border."""
    x, y = (min(max(float(part), 0.0), 1.0) for part in place)
    return x * camera.width, y * camera.height
