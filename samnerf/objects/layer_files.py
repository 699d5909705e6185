"""The objects of a scene on disk: a JSON file, and beside it a safetensors file with their grids.

    objects.json                       names, IDs, colours, scores, what was said, and where each grid lies
    objects.<hash>.safetensors         the probabilities, one tensor for each object, by its ID

Probabilities are kept in 8 bits, rounded to the nearest: what is read differs from what was written by at most 1/510.
The JSON file names the other and its SHA-256. The grids are written first, under a name that depends on what they are,
the JSON file last, and grids that it no longer names are removed after that: so whoever reads finds a pair that belongs
together, whenever the writer was stopped.
"""

import hashlib
import re
from pathlib import Path
from typing import Any, TypeGuard

import torch
from jaxtyping import Float, UInt8
from safetensors import SafetensorError
from safetensors.torch import load as read_tensors
from safetensors.torch import save as tensor_bytes
from torch import Tensor

from samnerf import __version__
from samnerf.atomic_files import read_json, write_bytes, write_json
from samnerf.errors import SamNerfError
from samnerf.objects.layers import ObjectLayers
from samnerf.objects.probability_grid import ProbabilityGrid
from samnerf.objects.scene_object import MOST_ID, SceneObject
from samnerf.prompts import PromptSet, finite_numbers, prompts_from_json, prompts_to_json

FORMAT = "samnerf-objects"
VERSION = 1


def save_layers(path: Path, layers: ObjectLayers, scene: str) -> None:
    """Write the pair of files.

    Args:
        path: of the JSON file; the grids go beside it.
        layers: none is a valid number of objects, too.
        scene: SHA-256 of the checkpoint in whose world they are.

    Raises:
        SamNerfError: if a probability is none, or a file cannot be written.
    """
    path = Path(path)
    content = tensor_bytes({str(one.object_id): _quantised(one) for one in layers.objects})
    digest = hashlib.sha256(content).hexdigest()
    grids = path.with_name(f"{path.stem}.{digest[:16]}.safetensors")
    document = {
        "format": FORMAT,
        "version": VERSION,
        "program": f"samnerf {__version__}",
        "scene": scene,
        "grids": {"file": grids.name, "sha256": digest},
        "next_id": layers.next_id,
        "objects": [_to_json(one) for one in layers.objects],
    }
    write_bytes(grids, content)
    write_json(path, document)
    old = re.compile(re.escape(path.stem) + r"\.[0-9a-f]{16}\.safetensors")
    for beside in path.parent.iterdir():
        if old.fullmatch(beside.name) and beside.name != grids.name:
            beside.unlink(missing_ok=True)


def load_layers(path: Path, scene: str, ignore_scene: bool = False) -> ObjectLayers:
    """Read and check the pair of files.

    Args:
        path: of the JSON file.
        scene: SHA-256 of the checkpoint for which they are read.
        ignore_scene: read them though they were locked in another training.

    Raises:
        SamNerfError: naming the file, the object and the field that is wrong, and what would be right; if the objects
            were locked in another training of the scene; if both files do not belong together.
    """
    path = Path(path)
    where = f"objects file {path}"
    document = read_json(path, "objects file")
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise SamNerfError(f'{where} does not say "format": "{FORMAT}"')
    if document.get("version") != VERSION:
        raise SamNerfError(f"{where} is of version {document.get('version')!r}; this program reads version {VERSION}")
    locked_in = document.get("scene")
    if not isinstance(locked_in, str):
        raise SamNerfError(f'{where}: "scene" is {locked_in!r} but must be the SHA-256 of a checkpoint')
    if locked_in != scene and not ignore_scene:
        raise SamNerfError(
            f"{where} was locked in another training of the scene (checkpoint {locked_in[:12]}, now {scene[:12]}); "
            "lock again, or pass --ignore-scene (in Python ignore_scene=True) if its geometry is still the same"
        )
    entries, next_id = document.get("objects"), document.get("next_id")
    if not isinstance(entries, list):
        raise SamNerfError(f'{where}: "objects" is {entries!r} but must be a list')
    if not _whole(next_id, 1, MOST_ID + 1):
        raise SamNerfError(f'{where}: "next_id" is {next_id!r} but must be 1 to {MOST_ID + 1}')
    tensors = _read_grids(path, document.get("grids"))
    objects = tuple(_from_json(entry, tensors, f"{where}, object {i}") for i, entry in enumerate(entries, start=1))
    try:
        return ObjectLayers(objects, next_id)
    except SamNerfError as error:
        raise SamNerfError(f"{where}: {error}") from error


def _to_json(one: SceneObject) -> dict[str, Any]:
    return {
        "id": one.object_id,
        "name": one.name,
        "colour": list(one.colour),
        "visible": one.visible,
        "uncertain": one.uncertain,
        "view_scores": {view: round(score, 6) for view, score in one.view_scores.items()},
        "said": None if one.said.empty else prompts_to_json(one.said),
        "grid": {
            "tensor": str(one.object_id),
            "shape": list(one.grid.values.shape),
            "lower": one.grid.lower.tolist(),
            "spacing": one.grid.spacing,
        },
    }


def _quantised(one: SceneObject) -> UInt8[Tensor, "x y z"]:
    values = one.grid.values
    if not bool(((values >= 0) & (values <= 1)).all()):
        raise SamNerfError(f"object {one.name!r} cannot be saved: it has probabilities that are not from 0 to 1")
    return (values * 255).round().to(torch.uint8).contiguous()


def _read_grids(path: Path, named: Any) -> dict[str, Tensor]:
    where = f"objects file {path}"
    if not isinstance(named, dict) or not all(isinstance(named.get(key), str) for key in ("file", "sha256")):
        raise SamNerfError(f'{where}: "grids" is {named!r} but must name a "file" and its "sha256"')
    if Path(named["file"]).name != named["file"]:
        raise SamNerfError(f"{where}: its grids are to be in {named['file']!r} but must lie beside it")
    grids = path.with_name(named["file"])
    try:
        content = grids.read_bytes()
    except OSError as error:
        raise SamNerfError(
            f"grids {grids} cannot be read ({error.strerror}); {path.name} needs them beside it, so copy both files"
        ) from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != named["sha256"]:
        raise SamNerfError(
            f"grids {grids} are not those of {path.name} (hash {digest[:12]}, expected {named['sha256'][:12]}); "
            "copy both files again, or lock again"
        )
    try:
        return read_tensors(content)
    except (SafetensorError, ValueError) as error:
        raise SamNerfError(f"grids {grids} are no safetensors file: {error}") from error


def _from_json(entry: Any, tensors: dict[str, Tensor], where: str) -> SceneObject:
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        raise SamNerfError(f'{where}: expected an object with a "name"')
    where = f"{where} ({entry['name']!r})"
    object_id, visible, uncertain = entry.get("id"), entry.get("visible", True), entry.get("uncertain")
    if not _whole(object_id, 1, MOST_ID):
        raise SamNerfError(f'{where}: "id" is {object_id!r} but must be 1 to {MOST_ID}')
    if not isinstance(visible, bool):
        raise SamNerfError(f'{where}: "visible" is {visible!r} but must be true or false')
    if not (uncertain is None or isinstance(uncertain, str)):
        raise SamNerfError(f'{where}: "uncertain" is {uncertain!r} but must be words or null')
    colour = entry.get("colour")
    if not isinstance(colour, list) or len(colour) != 3 or not all(_whole(part, 0, 255) for part in colour):
        raise SamNerfError(f'{where}: "colour" is {colour!r} but must be three whole numbers 0 to 255')
    said = entry.get("said")
    grid = _grid(entry.get("grid"), tensors, where)
    scores = _view_scores(entry.get("view_scores", {}), where)
    prompts = PromptSet(entry["name"]) if said is None else prompts_from_json(said, f'{where}, "said"')
    try:
        return SceneObject(
            object_id, entry["name"], (colour[0], colour[1], colour[2]), grid, scores, prompts, uncertain, visible
        )
    except SamNerfError as error:
        raise SamNerfError(f"{where}: {error}") from error


def _view_scores(value: Any, where: str) -> dict[str, float]:
    if not isinstance(value, dict):
        raise SamNerfError(f'{where}: "view_scores" is {value!r} but must give a score to each view by its name')
    for view, score in value.items():
        (number,) = finite_numbers([score], 1, f'{where}, "view_scores" of {view!r}')
        if not 0 <= number <= 1:
            raise SamNerfError(f'{where}: "view_scores" of {view!r} is {score!r} but must lie between 0 and 1')
    return {view: float(score) for view, score in value.items()}


def _grid(value: Any, tensors: dict[str, Tensor], where: str) -> ProbabilityGrid:
    if not isinstance(value, dict):
        raise SamNerfError(f'{where}: "grid" is {value!r} but must have tensor, shape, lower and spacing')
    tensor = tensors.get(str(value.get("tensor")))
    if tensor is None:
        raise SamNerfError(f"{where}: the grids have no tensor {value.get('tensor')!r}; copy both files again")
    shape = value.get("shape")
    if tensor.dtype != torch.uint8 or tensor.ndim != 3 or list(tensor.shape) != shape or not tensor.numel():
        raise SamNerfError(
            f"{where}: its tensor is {tensor.dtype} of shape {list(tensor.shape)} but must be torch.uint8 of the "
            f"shape [x, y, z] that its grid says, {shape!r}"
        )
    (spacing,) = finite_numbers([value.get("spacing")], 1, f'{where}, "spacing"')
    if not spacing > 0:
        raise SamNerfError(f'{where}: "spacing" is {spacing:g} but must be above 0')
    return ProbabilityGrid(_probabilities(tensor), _corner(value.get("lower"), where), spacing)


def _probabilities(tensor: UInt8[Tensor, "x y z"]) -> Float[Tensor, "x y z"]:
    return tensor.float() / 255


def _corner(value: Any, where: str) -> Float[Tensor, "3"]:
    return torch.tensor(finite_numbers(value, 3, f'{where}, "lower"'))


def _whole(value: Any, least: int, most: int) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
