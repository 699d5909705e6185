"""Which scenes are to be trained: a TOML or JSON file.

output = "outputs/many"                     # runs; relative to this file, like every path in it
method = "samnerf-distill"                  # of scenes that name none
arguments = ["--pipeline.datamanager.extract-missing", "True"]     # of ns-train, for every scene

[resources]                                 # of one scene
cpus = 4
gpus = 1

[[scenes]]
capture = "captures/fox"
name = "fox"                                # by itself the name of the capture's folder
steps = 10000                               # by itself as many as the method says
arguments = ["--machine.seed", "3"]         # after those for every scene
"""

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from samnerf.errors import SamNerfError

_OURS = (
    "--data",
    "--output-dir",
    "--experiment-name",
    "--timestamp",
    "--load-dir",
    "--load-step",
    "--max-num-iterations",
)
_Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


@dataclass(frozen=True)
class SceneJob:
    """One scene to be trained, with paths that hold wherever it is done.

    Attributes:
        name: of the scene, unique within a manifest.
        capture: folder or JSON file.
        method: of nerfstudio.
        output: of all runs; this one's is `<output>/<name>/<method>/run`.
        steps: of the whole training; None for as many as the method says.
        arguments: further ones for `ns-train`.
    """

    name: str
    capture: Path
    method: str
    output: Path
    steps: int | None = None
    arguments: tuple[str, ...] = ()

    @property
    def run(self) -> Path:
        """Folder of config.yml and checkpoints."""
        return self.output / self.name / self.method / "run"


@dataclass(frozen=True)
class TrainingManifest:
    """Scenes, and what each of them has to itself while it trains."""

    scenes: tuple[SceneJob, ...]
    cpus: float = 1.0
    gpus: float | None = None
    """None for one where there are any."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Resources(_Strict):
    cpus: float = Field(default=1.0, gt=0)
    gpus: float | None = Field(default=None, ge=0)


class _Scene(_Strict):
    capture: str = Field(min_length=1)
    name: _Name | None = None
    method: _Name | None = None
    steps: int | None = Field(default=None, gt=0)
    arguments: list[str] = []


class _Document(_Strict):
    output: str = Field(min_length=1)
    method: _Name | None = None
    arguments: list[str] = []
    resources: _Resources = Field(default_factory=_Resources)
    scenes: list[_Scene] = Field(min_length=1)


def read_manifest(path: Path) -> TrainingManifest:
    """Read and check a manifest.

    Raises:
        SamNerfError: naming the entry that is wrong and why.
    """
    path = Path(path)
    where = f"training manifest {path}"
    try:
        document = _Document.model_validate(_parsed(path, where))
    except ValidationError as error:
        first = error.errors()[0]
        entry = ".".join(str(part) for part in first["loc"]) or "the file"
        raise SamNerfError(f"{where}: {entry}: {first['msg'][:1].lower()}{first['msg'][1:]}") from error
    folder = path.absolute().parent
    jobs = tuple(_job(scene, document, folder, f"{where}: scenes.{i}") for i, scene in enumerate(document.scenes))
    taken: dict[str, int] = {}
    for i, job in enumerate(jobs):
        if job.name in taken:
            raise SamNerfError(f'{where}: scenes.{taken[job.name]} and scenes.{i} are both called "{job.name}"')
        taken[job.name] = i
    return TrainingManifest(jobs, document.resources.cpus, document.resources.gpus)


def _parsed(path: Path, where: str) -> Any:
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".json":
            return json.loads(text)
        if path.suffix == ".toml":
            return tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        raise SamNerfError(f"{where} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    except ValueError as error:
        raise SamNerfError(f"{where} is not {path.suffix[1:].upper()}: {error}") from error
    raise SamNerfError(f"{where} must end in .toml or .json")


def _job(scene: _Scene, document: _Document, folder: Path, where: str) -> SceneJob:
    capture = folder / scene.capture
    method = scene.method or document.method
    if method is None:
        raise SamNerfError(f'{where} has no method, and neither has the file; say method = "samnerf-distill"')
    arguments = (*document.arguments, *scene.arguments)
    for argument in arguments:
        name = argument.partition("=")[0].replace("_", "-")
        if name in _OURS:
            cure = "say steps = ..." if name == "--max-num-iterations" else "it is given by the manifest"
            raise SamNerfError(f"{where}: {name} may not be among the arguments; {cure}")
    name = scene.name or (capture.parent if capture.suffix == ".json" else capture).name
    return SceneJob(name, capture, method, folder / document.output, scene.steps, arguments)
