"""Who plays the person: prompts read off the ground truth of a view, and cameras where none has stood."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import UInt8

from samnerf.camera import Camera
from samnerf.evaluation.protocol import measured_objects, tight_box
from samnerf.objects.lifting import interior_points
from samnerf.preprocessing.synthetic.poses import look_at
from samnerf.preprocessing.synthetic.scene import Scene
from samnerf.prompts import Phrase, Point, PromptFile, PromptSet, Scribble

NOVEL_VIEWS = 5


def demo_prompts(ids_by_view: Mapping[str, UInt8[np.ndarray, "_ _"]], names: Mapping[int, str]) -> PromptFile:
    """One prompt for every object, by click, words, box and scribble in turn, where a person would put it.

    The view that shows most objects is prompted; an object that it hides is prompted where it shows best. Words
    belong to no view.
    """
    main = max(ids_by_view, key=lambda view: len(measured_objects(ids_by_view[view])))
    objects = []
    for turn, (object_id, name) in enumerate(names.items()):
        shown = object_id in measured_objects(ids_by_view[main])
        view = main if shown else max(ids_by_view, key=lambda v, i=object_id: int((ids_by_view[v] == i).sum()))
        mask = ids_by_view[view] == object_id
        if not mask.any():
            continue
        pixels = [(column + 0.5, row + 0.5) for row, column in interior_points(mask, 2)]
        kind = ("click", "words", "box", "scribble")[turn % 4]
        if kind == "words":
            objects.append(PromptSet(name, phrase=Phrase(name)))
        elif kind == "box":
            objects.append(PromptSet(name, boxes=(tight_box(mask),), view=view))
        elif kind == "scribble" and len(pixels) == 2:
            objects.append(PromptSet(name, scribbles=(Scribble(tuple(pixels)),), view=view))
        else:
            objects.append(PromptSet(name, points=(Point(*pixels[0]),), view=view))
    return PromptFile(tuple(objects))


def novel_cameras(scene: Scene, like: Camera, count: int = NOVEL_VIEWS) -> list[Camera]:
    """Cameras on a ring around the objects of an invented scene, in the frame of its capture.

    Args:
        scene: what to look at.
        like: a camera of the capture, whose lens and size they have.
        count: how many.
    """
    centres = np.array([thing.centre for thing in scene.objects], dtype=np.float64)
    target = np.array([*centres[:, :2].mean(axis=0), 0.1])
    cameras = []
    for turn in range(count):
        azimuth, elevation = 2 * math.pi * (turn + 0.37) / count, math.radians(24 + 16 * (turn % 2))
        direction = np.array(
            [math.cos(azimuth) * math.cos(elevation), math.sin(azimuth) * math.cos(elevation), math.sin(elevation)]
        )
        pose = look_at(target + 1.6 * direction, target)
        cameras.append(Camera(pose, like.fx, like.fy, like.cx, like.cy, like.height, like.width))
    return cameras


def phrases_to_show(names: Sequence[str], ids_by_view: Sequence[UInt8[np.ndarray, "_ _"]]) -> list[str]:
    """For each view the name of a large object, as far as possible another in each."""
    shown: list[str] = []
    for ids in ids_by_view:
        counts = np.bincount(ids.ravel(), minlength=len(names) + 1)[1:]
        order = sorted(range(len(names)), key=lambda i: (shown.count(names[i]), -counts[i]))
        visible = [i for i in order if counts[i] >= 0.01 * ids.size] or order
        shown.append(names[visible[0]])
    return shown
