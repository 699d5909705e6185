"""A capture as large as real ones, made in minutes: a few rendered views, varied, and random features."""

import hashlib
import json
from dataclasses import astuple
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image

from samnerf.feature_manifest import Manifest
from samnerf.feature_map import FeatureMap
from samnerf.feature_store import FeatureStore, store_folder
from samnerf.preprocessing.captures import Capture, read_capture
from samnerf.preprocessing.store_filling import image_records
from samnerf.preprocessing.synthetic.capture import write_capture
from samnerf.teachers.pairs import FeatureSpec, distillable_specs

HEIGHT, WIDTH = 840, 1296
VIEWS = 4
"""That are ray traced; the others are these, shifted and in other tones."""
WEIGHTS_HASH = hashlib.sha256(b"no weights: random features").hexdigest()
"""Stands in for the hash of a teacher's weights."""


def rendered_views(workers: int) -> list[UInt8[np.ndarray, "height width 3"]]:
    """The views that all images are made from."""
    with TemporaryDirectory() as folder:
        write_capture(Path(folder) / "views", views=VIEWS, test_views=1, width=WIDTH, height=HEIGHT, workers=workers)
        paths = sorted((Path(folder) / "views/images").iterdir())[:VIEWS]
        return [np.array(Image.open(path)) for path in paths]


def write_large_capture(folder: Path, images: int, pair: str, views: list[UInt8[np.ndarray, "height width 3"]]) -> Path:
    """A capture of as many images, its cameras on a circle, and a feature store for each teacher of the pair."""
    (folder / "images").mkdir(parents=True)
    random = np.random.default_rng(0)
    frames = []
    for i in range(images):
        tones = random.uniform(0.6, 1.0, 3)
        shifted = np.roll(views[i % len(views)], random.integers(0, HEIGHT, 2), axis=(0, 1))
        name = f"images/frame_{i:04d}.jpg"
        Image.fromarray((shifted * tones).astype(np.uint8)).save(folder / name, quality=95)
        angle = 2 * np.pi * i / images
        pose = np.eye(4)
        pose[:3, :3] = [[-np.sin(angle), 0, np.cos(angle)], [np.cos(angle), 0, np.sin(angle)], [0, 1, 0]]
        pose[:3, 3] = 3 * pose[:3, 2]
        frames.append({"file_path": name, "transform_matrix": pose.tolist()})
    lens = {"w": WIDTH, "h": HEIGHT, "fl_x": WIDTH, "fl_y": WIDTH, "cx": WIDTH / 2, "cy": HEIGHT / 2}
    (folder / "transforms.json").write_text(json.dumps({**lens, "frames": frames}))
    capture = read_capture(folder, decode=False)
    for spec in distillable_specs(pair).values():
        _write_features(capture, spec)
    return folder


def _write_features(capture: Capture, spec: FeatureSpec) -> None:
    teacher, channels, side, layout, _ = astuple(spec)
    summaries = teacher.startswith("clipseg")
    manifest = Manifest(teacher, WEIGHTS_HASH, layout, channels, side, image_records(capture), summaries)
    store = FeatureStore.create(store_folder(capture.features, teacher, layout), manifest)
    generator = torch.Generator().manual_seed(0)
    for frame in capture.frames:
        values = torch.randn(channels, side, side, generator=generator)
        summary = values.mean(dim=(1, 2)) if summaries else None
        store.put(frame.name, FeatureMap(values, frame.size, layout, teacher, summary))
