"""The house keeps its shape: imports go downwards, folders introduce themselves, modules stay small."""

import ast
import dataclasses
import importlib
import inspect
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from samnerf.cli.main import COMMANDS

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "samnerf"

# A module may import from its own floor and from those below; the longest prefix decides.
FLOORS = {
    "samnerf.cli": 5,
    "samnerf.demo": 5,
    "samnerf.viewer": 5,
    "samnerf.nuke": 5,
    "samnerf.server": 5,
    "samnerf.export": 4,
    "samnerf.evaluation": 4,
    "samnerf.images": 3,
    "samnerf.session": 3,
    "samnerf.objects": 3,
    "samnerf.configs": 2,
    "samnerf.scene": 2,
    "samnerf.camera_path": 2,
    "samnerf.view": 2,
    "samnerf.distill": 2,
    "samnerf.preprocessing": 2,
    "samnerf.scale": 2,
    "samnerf.teachers": 1,
    "samnerf.matting": 1,
    "samnerf.feature_manifest": 1,
    "samnerf.feature_store": 1,
    "samnerf.errors": 0,
    "samnerf.atomic_files": 0,
    "samnerf.array_files": 0,
    "samnerf.camera": 0,
    "samnerf.feature_map": 0,
    "samnerf.mask_cleaning": 0,
    "samnerf.masks": 0,
    "samnerf.prompts": 0,
    "samnerf.surface_samples": 0,
    "samnerf.visible_surface": 0,
    "samnerf": 0,
}
HEAVY = ("transformers", "open_clip", "segment_anything")
MAXIMUM_LINES = 400


def module_name(path: Path) -> str:
    """`samnerf/viewer/app.py` -> `samnerf.viewer.app`."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def folders(folder: Path = PACKAGE) -> Iterator[Path]:
    """Every folder of the package that holds modules; symbolic links are followed."""
    if any(folder.glob("*.py")):
        yield folder
    for below in sorted(folder.iterdir()):
        if below.is_dir() and below.name != "__pycache__":
            yield from folders(below)


MODULES = {module_name(path): path for folder in folders() for path in sorted(folder.glob("*.py"))}


def floor(name: str) -> int:
    """The floor of a module, by the longest prefix in the table."""
    parts = name.split(".")
    return next(
        FLOORS[prefix]
        for length in range(len(parts), 0, -1)
        if (prefix := ".".join(parts[:length])) in FLOORS and (length > 1 or len(parts) == 1)
    )


def imported_modules(path: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of everything a file imports from this package, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names if alias.name.startswith("samnerf."))
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: write the import in full, from samnerf..."
            if node.module == "samnerf" or (node.module or "").startswith("samnerf."):
                for alias in node.names:
                    whole = f"{node.module}.{alias.name}"
                    yield node.lineno, whole if whole in MODULES else str(node.module)


def test_every_module_has_a_floor():
    assert {"samnerf", "samnerf.viewer", "samnerf.preprocessing", "samnerf.configs"} <= set(MODULES)
    homeless = [
        name for name in MODULES if not any(name == p or name.startswith(f"{p}.") for p in set(FLOORS) - {"samnerf"})
    ]
    assert homeless == ["samnerf"]


@pytest.mark.parametrize("name", sorted(MODULES))
def test_imports_go_downwards(name: str):
    upwards = [
        f"line {line}: {name} (floor {floor(name)}) imports {target} (floor {floor(target)})"
        for line, target in imported_modules(MODULES[name])
        if floor(target) > floor(name)
    ]
    assert not upwards, "\n".join(upwards)


def loaded_by(statement: str) -> set[str]:
    """Top-level names of the modules in a fresh interpreter after the statement."""
    program = f"{statement}; import sys; print(*{{name.partition('.')[0] for name in sys.modules}})"
    return set(
        subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.split()
    )


def test_the_bare_package_loads_nothing_heavy():
    assert loaded_by("import samnerf, samnerf.cli.main").isdisjoint({"torch", "viser", "nerfstudio", *HEAVY})


def test_the_plain_data_load_no_teacher_no_viewer_and_no_nerfstudio():
    modules = ", ".join(name for name in MODULES if name in FLOORS and FLOORS[name] == 0)
    assert loaded_by(f"import {modules}").isdisjoint({"viser", "nerfstudio", *HEAVY})


def test_the_entry_points_of_nerfstudio_load_no_teacher():
    assert loaded_by("import samnerf.configs.methods, samnerf.configs.dataparsers").isdisjoint(HEAVY)


@pytest.mark.parametrize("folder", [path.relative_to(ROOT).as_posix() for path in folders()])
def test_every_folder_introduces_itself(folder: str):
    docstring = ast.get_docstring(ast.parse((ROOT / folder / "__init__.py").read_text(encoding="utf-8"))) or ""
    assert len(docstring.split()) >= 20, (
        f"{folder}/__init__.py: say what lives here, what it may import, where to start"
    )


@pytest.mark.parametrize("name", sorted(MODULES))
def test_every_module_has_a_docstring_and_one_idea(name: str):
    text = MODULES[name].read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text)), f"{name} has no docstring"
    assert text.count("\n") <= MAXIMUM_LINES, f"{name} has grown past {MAXIMUM_LINES} lines: two ideas?"


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_is_a_documented_dataclass_that_runs(name: str):
    command = COMMANDS[name]
    assert floor(command.module) == 5
    found = getattr(importlib.import_module(command.module), command.class_name)
    assert inspect.isclass(found)
    assert dataclasses.is_dataclass(found)
    assert inspect.isfunction(vars(found).get("run"))
    docstring = found.__doc__ or ""
    assert docstring.strip()
    assert not docstring.startswith(f"{command.class_name}("), "the docstring is the one dataclasses made up"


def test_no_tracked_text_names_a_path_of_one_machine():
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if tracked.returncode != 0:
        pytest.skip("not a git checkout")
    homes = [f"/{folder}/" for folder in ("work", "home", "Users", "root")]
    found = []
    for name in filter(None, tracked.stdout.split("\0")):
        path = ROOT / name
        if path.is_symlink() or not path.is_file():
            continue
        content = path.read_bytes()
        if b"\0" in content[:8192]:
            continue
        for number, line in enumerate(content.decode("utf-8", errors="replace").splitlines(), start=1):
            if any(f" {line}".find(f"{before}{home}") >= 0 for home in homes for before in " \"'=(:"):
                found.append(f"{name}:{number}: {line.strip()}")
    assert not found, "\n".join(found)
