"""Objects locked in 3D by one click, in scenes made in code: every figure that `samnerf lock` is judged by.

    make bench-locks
    python benchmarks/locks.py --seeds 21 22 23

For each scene and object one random click inside the object, in one random training view that shows it, is locked.
The lock is measured alone, in all test views, and in an orbit of 120 frames beside all other locks. Beside it stands
what the same click gives when it is carried into each test view as 2D prompts. An object that a view does not show is
right when nothing is found there. No teacher saw scenes of these seeds; trained scenes are kept in `outputs/scenes`.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median

import numpy as np
import torch
import tyro
from receipts import write_receipt
from trained_scenes import SyntheticScene, trained_scene

from samnerf.camera import Camera
from samnerf.errors import SamNerfError
from samnerf.evaluation.chamfer import chamfer_distance, diagonal
from samnerf.evaluation.metrics import boundary_iou, iou, mean
from samnerf.evaluation.panoptic import PanopticCounts, panoptic_counts, summed
from samnerf.evaluation.protocol import LEAST_COVER, interior_clicks
from samnerf.evaluation.sequences import Frame, carried, flicker, id_swaps, mean_flicker
from samnerf.export.object_points import object_points
from samnerf.images.settings import automatic_settings
from samnerf.objects.everything import lock_everything
from samnerf.objects.layers import ObjectLayers
from samnerf.objects.lifting import lift
from samnerf.objects.locking import Lock, lock
from samnerf.objects.object_rendering import object_alphas, rendered_alphas
from samnerf.objects.support import Support, object_alpha
from samnerf.preprocessing.synthetic.poses import look_at
from samnerf.preprocessing.synthetic.ray_tracer import render
from samnerf.prompts import PromptSet
from samnerf.session import Session
from samnerf.teachers.pairs import load_mask_decoder

PAIR = "tiny"
ORBIT_DISTANCE, ORBIT_ELEVATION, ORBIT_SIDE = 1.7, 30.0, 128
POINTS_EVERY = 3
"""Of so many training views one gives points; all of them show what is true of the surface."""
PROMPTED_COVER = 0.01
"""Share of a training view that an object must fill to be clicked there, where any view shows so much of it."""


@dataclass
class LocksBenchmark:
    """Locks of synthetic scenes."""

    seeds: tuple[int, ...] = (21, 22, 23)
    """Of the scenes."""
    frames: int = 120
    """Of the orbit."""
    runs: int = 5
    """How often times are taken."""

    def measure(self) -> None:
        """Run, print and write the receipt."""
        session = Session(load_mask_decoder(PAIR))
        scenes = [SceneMeasures(trained_scene(seed), session, self.frames, self.runs) for seed in self.seeds]
        for one in scenes:
            one.measure()
        rows = [row for one in scenes for row in one.rows]
        found_flicker = mean_flicker([values for one in scenes for values in one.flickers])
        true_flicker = mean_flicker([values for one in scenes for values in one.true_flickers])
        figures = {
            "lock_miou": mean(value for row in rows for value in row["ious"]),
            "reprojected_prompts_miou": mean(value for row in rows for value in row["reprojected_ious"]),
            "lock_boundary_iou": mean(value for row in rows for value in row["boundary_ious"]),
            "id_swaps": sum(one.swaps for one in scenes),
            "extra_flicker": found_flicker - true_flicker,
            "flicker": found_flicker,
            "true_flicker": true_flicker,
            "alpha_mad_e3": 1e3 * mean(value for row in rows for value in row["alpha_mads"]),
            "lock_everything_pq": summed(one.everything for one in scenes).quality,
            "render_ratio": median(ratio for one in scenes for ratio in one.ratios),
            "chamfer_relative": mean(row["chamfer_relative"] for row in rows if row["chamfer_relative"] is not None),
            "lock_seconds": median(row["seconds"] for row in rows),
            "lock_everything_seconds": median(one.everything_seconds for one in scenes),
        }
        about = {"seeds": list(self.seeds), "orbit_frames": self.frames, "orbit_side": ORBIT_SIDE}
        path = write_receipt("locks", "cpu", {**figures, **about, "objects": rows})
        for name, value in figures.items():
            print(f"{name:<26} {value:8.4f}")
        print(path)


@dataclass
class SceneMeasures:
    """The figures of one scene."""

    scene: SyntheticScene
    session: Session
    frames: int
    runs: int
    rows: list[dict] = field(default_factory=list)
    flickers: list[list[float]] = field(default_factory=list)
    true_flickers: list[list[float]] = field(default_factory=list)
    swaps: int = 0
    everything: PanopticCounts = field(default_factory=PanopticCounts)
    everything_seconds: float = math.nan
    ratios: list[float] = field(default_factory=list)

    def measure(self) -> None:
        """All of them."""
        trained = self.scene.trained
        views = [trained.view(camera, name) for name, camera in trained.cameras("train")]
        self.support = Support(views, trained.render_samples)
        self.support.prepare("sam")
        self.test = [(trained.view(camera, name), trained.render_samples(camera)) for name, camera in trained.cameras()]
        layers, true_ids = self._lock_objects()
        self._measure_points(layers, true_ids)
        self._measure_orbit(layers, true_ids)
        self._measure_times(layers)
        self._lock_everything()

    def _lock_objects(self) -> tuple[ObjectLayers, dict[int, int]]:
        """Layers of all objects that could be locked, and the true ID of each layer's."""
        layers, true_ids = ObjectLayers(), {}
        for thing in self.scene.truth.objects:
            said = self._click(thing.id, thing.name)
            began = time.perf_counter()
            found = self._locked(said)
            seconds = time.perf_counter() - began
            row = {"seed": self.scene.seed, "name": thing.name, "view": said.view, "seconds": round(seconds, 2)}
            self.rows.append(row | self._masks(thing.id, said, found) | {"chamfer_relative": None})
            if found is not None:
                true_ids[layers.next_id] = thing.id
                layers = layers.add(found, thing.name)
            print(
                f"seed {self.scene.seed}  {thing.name:<28} {mean(self.rows[-1]['ious']):.3f}  {seconds:5.1f} s",
                flush=True,
            )
        return layers, true_ids

    def _click(self, object_id: int, name: str) -> PromptSet:
        truth = self.scene.truth
        masks = {one.name: truth.ids(one.name) == object_id for one in self.support.views}
        cover = {view: mask.mean() for view, mask in masks.items()}
        showing = [view for view in cover if cover[view] >= PROMPTED_COVER] or [max(cover, key=cover.__getitem__)]
        view = showing[np.random.default_rng((self.scene.seed, object_id)).integers(len(showing))]
        (click,) = interior_clicks(masks[view], self.scene.seed, view, object_id, count=1)
        return PromptSet(name, points=(click,), view=view)

    def _locked(self, said: PromptSet) -> Lock | None:
        view = next(one.view for one in self.support.views if one.name == said.view)
        try:
            return lock(self.session, self.support, view, said)
        except SamNerfError as error:
            print(f"seed {self.scene.seed}: {error}")
            return None

    def _masks(self, object_id: int, said: PromptSet, found: Lock | None) -> dict:
        view = next(one.view for one in self.support.views if one.name == said.view)
        carried_prompts = lift(view, said, self.session.segment(view, said))
        index = [thing.id for thing in self.scene.truth.objects].index(object_id)
        ious, boundaries, mads, reprojected = [], [], [], []
        for seen, samples in self.test:
            true = self.scene.truth.ids(seen.name) == object_id
            alpha = np.zeros(true.shape) if found is None else object_alpha(samples, found.grid).numpy()
            ious.append(iou(alpha > 0.5, true))
            mads.append(float(np.abs(alpha - self.scene.truth.coverage(seen.name)[index]).mean()))
            if true.any():
                boundaries.append(boundary_iou(alpha > 0.5, true))
            reprojected.append(iou(self.session.answer(seen, carried_prompts).prediction.mask().numpy(), true))
        consistency = None if found is None else found.consistency
        return {
            "ious": ious, "boundary_ious": boundaries, "alpha_mads": mads, "reprojected_ious": reprojected,
            "consistency": consistency,
        }  # fmt: skip

    def _measure_points(self, layers: ObjectLayers, true_ids: dict[int, int]) -> None:
        trained, truth = self.scene.trained, self.scene.truth
        cameras = trained.cameras("train")
        cloud = object_points(trained, layers.objects, [camera for _, camera in cameras[::POINTS_EVERY]])
        scale = trained.pipeline.datamanager.train_dataparser_outputs.dataparser_scale
        for one in layers.objects:
            true_id = true_ids[one.object_id]
            surface = []
            for name, camera in cameras:
                rows, columns = np.nonzero(truth.ids(name) == true_id)
                pixels = torch.from_numpy(np.stack([columns + 0.5, rows + 0.5], axis=-1)).float()
                distances = torch.from_numpy(truth.depth(name)[rows, columns] * scale).float()
                surface.append(camera.unproject(pixels, distances).numpy())
            true_points = np.concatenate(surface)[::4]
            mine = cloud.positions[cloud.object_ids == one.object_id]
            distance = chamfer_distance(mine, true_points, diagonal(true_points))
            row = next(row for row in self.rows if row["seed"] == self.scene.seed and row["name"] == one.name)
            row["chamfer_relative"] = distance.symmetric

    def _measure_orbit(self, layers: ObjectLayers, true_ids: dict[int, int]) -> None:
        frames, found = [], []
        for camera in self._orbit():
            seen = render(self.scene.world, camera)
            frames.append(Frame(camera, seen.ids, seen.depth))
            here = self.scene.trained.from_capture(camera)
            alphas = rendered_alphas(here, self.scene.trained.render_samples, layers.objects)
            found.append(alphas.id_map([one.object_id for one in layers.objects]))
        least = int(LEAST_COVER * ORBIT_SIDE**2)
        self.swaps = id_swaps(found, [frame.ids for frame in frames], least)
        steps = [carried(before, after) for before, after in pairwise(frames)]
        for object_id, true_id in true_ids.items():
            true = [frame.ids == true_id for frame in frames]
            measured = [bool(mask.sum() >= least) for mask in true]
            self.flickers.append(flicker([ids == object_id for ids in found], steps, measured))
            self.true_flickers.append(flicker(true, steps, measured))

    def _orbit(self) -> list[Camera]:
        """In the frame of the capture."""
        centres = np.array([thing.centre for thing in self.scene.world.objects], dtype=np.float64)
        target = np.array([*centres[:, :2].mean(axis=0), 0.1])
        like = self.scene.trained.cameras()[0][1].scaled(ORBIT_SIDE, ORBIT_SIDE)
        elevation = math.radians(ORBIT_ELEVATION)
        cameras = []
        for turn in range(self.frames):
            azimuth = 2 * math.pi * turn / self.frames
            direction = np.array(
                [math.cos(azimuth) * math.cos(elevation), math.sin(azimuth) * math.cos(elevation), math.sin(elevation)]
            )
            pose = look_at(target + ORBIT_DISTANCE * direction, target)
            cameras.append(Camera(pose, like.fx, like.fy, like.cx, like.cy, like.height, like.width))
        return cameras

    def _measure_times(self, layers: ObjectLayers) -> None:
        trained = self.scene.trained
        one, camera = layers.objects[:1], trained.cameras()[0][1]
        for _ in range(self.runs):
            colour = _seconds(lambda: trained.pipeline.model.render_colour(camera))
            self.ratios.append(_seconds(lambda: object_alphas(trained.render_samples(camera), one)) / colour)

    def _lock_everything(self) -> None:
        began = time.perf_counter()
        locks = lock_everything(self.session, self.support, automatic_settings(PAIR))
        self.everything_seconds = time.perf_counter() - began
        layers = ObjectLayers()
        for number, found in enumerate(locks, start=1):
            layers = layers.add(found, f"object {number}")
        counts = []
        for seen, samples in self.test:
            true = self.scene.truth.ids(seen.name)
            ids = object_alphas(samples, layers.objects).id_map([one.object_id for one in layers.objects])
            counts.append(panoptic_counts(ids, true, int(LEAST_COVER * true.size)))
        self.everything = summed(counts)
        print(f"seed {self.scene.seed}  everything: {len(locks)} of {len(self.scene.truth.objects)} objects, "
              f"quality {self.everything.quality:.3f}, {self.everything_seconds:.0f} s", flush=True)  # fmt: skip


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    tyro.cli(LocksBenchmark).measure()
