"""A trained scene: nerfstudio's run, seen as cameras and views.

Nothing of nerfstudio is loaded before a scene is. Its config.yml is YAML that builds Python objects, as everywhere in
nerfstudio: open only those that you trust.
"""

import contextlib
import hashlib
import io
import traceback
import warnings
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from samnerf.camera import Camera
from samnerf.errors import SamNerfError
from samnerf.feature_map import FeatureMap
from samnerf.surface_samples import SurfaceSamples
from samnerf.teachers.contracts import Encoder
from samnerf.teachers.pairs import Kind
from samnerf.view import DistilledView, ImageView, RenderedView, View

SPLITS = ("train", "test")


@dataclass(frozen=True)
class ScenePicture:
    """One photograph of the capture: its name, its undistorted camera, and where its pixels are."""

    name: str
    camera: Camera
    split: str
    index: int
    """Its place in the dataset of its split."""
    distorted: bool


@dataclass
class TrainedScene:
    """A trained field, its capture's cameras, and the views that can be prompted.

    Attributes:
        pipeline: nerfstudio's pipeline; its model renders colour and, if teachers were distilled, features.
        pair: the pair of teachers ("tiny", ...) whose features the decoders read.
        checkpoint_hash: SHA-256 of the checkpoint; of the words "in memory" for a scene that was not loaded from one.
    """

    pipeline: Any
    pair: str
    checkpoint_hash: str
    device: str = "cpu"
    _encoders: dict[Kind, Encoder] = field(default_factory=dict)

    @staticmethod
    def load(config: Path, device: str = "cpu") -> "TrainedScene":
        """Load the newest checkpoint of a run by its config.yml; a run that was moved as a whole is found too.

        Raises:
            SamNerfError: if the config, the checkpoint or the capture is missing, broken or of another program, or if
                the features are of other weights of the teachers than are here now.
        """
        config = Path(config)
        if config.is_dir():
            raise SamNerfError(f"{config} is a folder; give the config.yml of a run, e.g. {config / 'config.yml'}")
        if not config.is_file():
            raise SamNerfError(f"config {config} does not exist; ns-train writes it as RUN/config.yml")
        checkpoint, pipeline = _load_pipeline(config)
        pipeline.to(device)
        scene = TrainedScene.from_pipeline(pipeline, _sha256(checkpoint), device)
        scene.check_weights(f"the scene {config}")
        return scene

    @staticmethod
    def from_pipeline(pipeline: Any, checkpoint_hash: str | None = None, device: str = "cpu") -> "TrainedScene":
        """The scene of a pipeline that is in memory, e.g. one that was trained just now.

        Raises:
            SamNerfError: if its model is not one of ours.
        """
        pipeline.eval()
        pair = getattr(pipeline.model.config, "pair", None)
        if pair is None or not hasattr(pipeline.model, "render_colour"):
            raise SamNerfError(
                f"this run was trained by {type(pipeline.model).__name__}, which knows no teachers; "
                "train with ns-train samnerf-distill, samnerf-no-distill or samnerf-tiny"
            )
        return TrainedScene(pipeline, pair, checkpoint_hash or hashlib.sha256(b"in memory").hexdigest(), device)

    @property
    def distilled(self) -> bool:
        """Whether features are rendered rather than encoded."""
        return hasattr(self.pipeline.model, "render_feature_maps")

    @cached_property
    def pictures(self) -> dict[str, ScenePicture]:
        """The capture's photographs by name, training split first."""
        datamanager = self.pipeline.datamanager
        found: list[ScenePicture] = []
        files: list[Path] = []
        for split, dataset in (("train", datamanager.train_dataset), ("test", datamanager.eval_dataset)):
            for index in range(len(dataset)):
                camera, distorted = _camera(dataset.cameras, index)
                filename = Path(dataset.image_filenames[index])
                if filename in files:  # eval-mode "all" holds every image in both splits
                    continue
                files.append(filename)
                found.append(ScenePicture(filename.stem, camera, split, index, distorted))
        names = _unique_names(files)
        return {
            name: ScenePicture(name, picture.camera, picture.split, picture.index, picture.distorted)
            for name, picture in zip(names, found, strict=True)
        }

    def cameras(self, split: str = "test") -> list[tuple[str, Camera]]:
        """Names and pinhole cameras of the "train" or "test" photographs.

        Raises:
            SamNerfError: if there is no such split.
        """
        if split not in SPLITS:
            raise SamNerfError(f"there is no split {split!r}; a scene has {' and '.join(SPLITS)}")
        return [(p.name, p.camera) for p in self.pictures.values() if p.split == split]

    def camera(self, name: str) -> Camera:
        """The camera of a photograph.

        Raises:
            SamNerfError: if no photograph has this name.
        """
        return self._picture(name).camera

    def from_capture(self, camera: Camera) -> Camera:
        """A camera given in the frame of the capture's `transforms.json`, in the frame of the trained scene.

        Before training nerfstudio orients, centres and scales what it reads.
        """
        outputs = self.pipeline.datamanager.train_dataparser_outputs
        transform = outputs.dataparser_transform.detach().cpu().float()
        pose = transform[:, :3] @ camera.camera_to_world
        pose[:, 3] = (pose[:, 3] + transform[:, 3]) * outputs.dataparser_scale
        return replace(camera, camera_to_world=pose)

    def to_capture(self, camera: Camera) -> Camera:
        """The inverse of `from_capture`: a camera of the trained scene in the frame of the capture."""
        outputs = self.pipeline.datamanager.train_dataparser_outputs
        transform = outputs.dataparser_transform.detach().cpu().float()
        pose = camera.camera_to_world.clone()
        pose[:, 3] = pose[:, 3] / outputs.dataparser_scale - transform[:, 3]
        return replace(camera, camera_to_world=transform[:, :3].T @ pose)

    def view(self, camera: Camera, name: str) -> View:
        """What the scene looks like from a camera: features rendered if they were distilled, otherwise encoded."""
        if self.distilled:
            return DistilledView(name, camera, self.pipeline.model)
        return self.rendered_view(camera, name)

    def rendered_view(self, camera: Camera, name: str) -> View:
        """Colour rendered and the encoders run on it, even if features could be rendered."""
        return RenderedView(name, camera, self.pipeline.model, self.encode)

    def render_samples(self, camera: Camera) -> SurfaceSamples:
        """What the rays of all pixels of a camera meet; on the CPU."""
        return self.pipeline.model.render_samples(camera)

    def image_view(self, name: str) -> View:
        """The photograph itself, with the teachers run on it.

        A photograph with lens distortion has no pinhole camera, and its view none either.

        Raises:
            SamNerfError: if no photograph has this name.
        """
        picture = self._picture(name)
        return ImageView(name, self.image(name), self.encode, None if picture.distorted else picture.camera)

    def image(self, name: str) -> UInt8[np.ndarray, "height width 3"]:
        """The pixels of a photograph, sRGB."""
        picture = self._picture(name)
        datamanager = self.pipeline.datamanager
        dataset = datamanager.train_dataset if picture.split == "train" else datamanager.eval_dataset
        return dataset.get_image_uint8(picture.index)[..., :3].numpy()

    def encode(self, kind: Kind, image: UInt8[np.ndarray, "height width 3"]) -> FeatureMap:
        """What the teacher of a kind says of an image, laid on its grid as the scene's own features are."""
        spec = getattr(self.pipeline.model, "specs", {}).get(kind)
        return self.encoder(kind).encode(image, None if spec is None else spec.layout)

    def encoder(self, kind: Kind) -> Encoder:
        """The encoder of a kind ("sam", "clipseg"), loaded when it is first asked for."""
        if kind not in self._encoders:
            from samnerf.teachers.pairs import load_encoder

            self._encoders[kind] = load_encoder(self.pair, kind, self.device)
        return self._encoders[kind]

    def check_weights(self, which: str) -> None:
        """Decoders understand only features of the weights that they were trained with.

        Args:
            which: what messages call the scene, e.g. "the scene RUN/config.yml".

        Raises:
            SamNerfError: if the scene was distilled from other weights than are here now.
        """
        from samnerf.teachers.pairs import installed_weights_hash

        for kind, statistics in getattr(self.pipeline.model, "statistics", {}).items():
            then, now = statistics.weights_hash, installed_weights_hash(self.pair, kind)
            if then is not None and now is not None and then != now:
                raise SamNerfError(
                    f"{which} was distilled from other weights of {statistics.teacher!r} (hash {then[:12]}, "
                    f"now {now[:12]}); extract features and train again, or put those weights back"
                )

    def _picture(self, name: str) -> ScenePicture:
        if name not in self.pictures:
            known = list(self.pictures)
            some = ", ".join(known[:5]) + (", ..." if len(known) > 5 else "")
            raise SamNerfError(f"the scene has no view called {name!r}; it has {some or 'none'}")
        return self.pictures[name]


def _load_pipeline(config: Path) -> tuple[Path, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from nerfstudio.engine.trainer import TrainerConfig
        from nerfstudio.utils.eval_utils import eval_setup

    def beside_the_config(loaded: TrainerConfig) -> TrainerConfig:
        # The saved folder is relative to where ns-train ran; the checkpoints lie beside the config wherever it is now.
        loaded.relative_model_dir = (config.parent / loaded.relative_model_dir).resolve()
        _find_data(config, loaded)
        return loaded

    try:
        # In the mode "inference" no image is read before it is asked for.
        with contextlib.redirect_stdout(io.StringIO()):
            _, pipeline, checkpoint, _ = eval_setup(
                config, test_mode="inference", update_config_callback=beside_the_config
            )
    except SamNerfError:
        raise
    # nerfstudio asserts, exits, or lets whatever torch, YAML and the dataparser raise pass through.
    except (Exception, SystemExit) as error:
        raise SamNerfError(f"cannot load the scene {config}: {_reason(config, error)}") from error
    return Path(checkpoint), pipeline


def _find_data(config: Path, loaded: Any) -> None:
    """Make relative paths of the data absolute that lead nowhere from here, but do from where training ran."""
    run = Path(loaded.get_base_dir()).parts
    folder = config.resolve().parent
    if Path(*run).is_absolute() or folder.parts[-len(run) :] != run:
        return
    trained_in = Path(*folder.parts[: -len(run)])
    datamanager = loaded.pipeline.datamanager
    for owner, name in ((datamanager, "data"), (datamanager.dataparser, "data"), (datamanager, "features")):
        path = getattr(owner, name, None)
        if path is not None and not Path(path).exists() and (trained_in / path).exists():
            setattr(owner, name, trained_in / path)


def _reason(config: Path, error: BaseException) -> str:
    folder = config.parent / "nerfstudio_models"
    if isinstance(error, SystemExit | IndexError) or not any(folder.glob("*.ckpt")):
        return f"no checkpoint in {folder}; train first, or copy the whole run folder"
    lines = str(error).strip().splitlines()
    first = lines[0] if lines else "no message"
    frames = traceback.extract_tb(error.__traceback__)
    # What torch raises for a damaged file depends on where it is damaged.
    if any(Path(frame.filename).name == "serialization.py" for frame in frames):
        return f"the newest checkpoint in {folder} is truncated or no checkpoint ({first})"
    if "state_dict" in first or isinstance(error, KeyError):
        return f"the checkpoint in {folder} was not written by this method ({' '.join(lines[:2])[:200]})"
    return f"{type(error).__name__}: {first}"


def _camera(cameras: Any, index: int) -> tuple[Camera, bool]:
    """The pinhole camera with the focal lengths of nerfstudio's camera, and whether that one bends its rays."""
    one = cameras[index]
    distortion = one.distortion_params
    distorted = distortion is not None and bool((distortion != 0).any())
    camera = Camera(
        one.camera_to_worlds[:3, :4].detach().cpu().float(),
        float(one.fx),
        float(one.fy),
        float(one.cx),
        float(one.cy),
        int(one.height),
        int(one.width),
    )
    return camera, distorted


def _unique_names(files: list[Path]) -> list[str]:
    """Stems; where two files share one, the folder goes before it."""
    counts = Counter(file.stem for file in files)
    return [file.stem if counts[file.stem] == 1 else f"{file.parent.name}_{file.stem}" for file in files]


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
