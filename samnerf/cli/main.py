"""`samnerf <command>`: finds the command, runs it, and says in one line what went wrong.

Only the chosen command's module is imported, so that `samnerf --help` answers at once. Exit status: 0 done,
1 failed, 2 not understood, 130 interrupted.
"""

import errno
import importlib
import os
import sys
from collections.abc import Sequence
from typing import NamedTuple

from samnerf import __version__
from samnerf.errors import SamNerfError


class Command(NamedTuple):
    """Where a command lives: `class_name` in `module` is a dataclass with a method `run`."""

    module: str
    class_name: str
    summary: str


COMMANDS = {
    "synthetic": Command("samnerf.cli.synthetic", "Synthetic", "write a ray-traced capture with exact ground truth"),
    "prepare": Command("samnerf.cli.prepare", "Prepare", "make a Mip-NeRF 360 or LLFF scene a capture"),
    "extract": Command("samnerf.cli.extract", "Extract", "run the teachers on every image of captures"),
    "train-many": Command("samnerf.cli.train_many", "TrainMany", "train every scene of a manifest, here or on Ray"),
    "segment": Command(
        "samnerf.cli.segment", "Segment", "segment views of a trained scene by a prompt file or by locked objects"
    ),
    "lock": Command("samnerf.cli.lock", "Lock", "lock the objects of a prompt file in the world of a trained scene"),
    "export": Command("samnerf.cli.export", "Export", "locked objects as masks, mattes, videos, points, meshes"),
    "export encoded-matte": Command(
        "samnerf.cli.encoded_matte", "ExportEncodedMatte", "SAM's features of each frame as EXR, for SAM for Nuke"
    ),
    "export torchscript": Command(
        "samnerf.cli.torchscript", "ExportTorchscript", "SAM for Nuke's ML nodes, and a gizmo"
    ),
    "image": Command("samnerf.cli.image", "Image", "segment pictures by clicks, boxes, words, or by nothing"),
    "image-app": Command("samnerf.cli.image_app", "ImageApp", "the same in the browser"),
    "serve": Command("samnerf.cli.serve", "Serve", "the same over HTTP, for other programs"),
    "serve-nuke": Command("samnerf.cli.serve_nuke", "ServeNuke", "the frame server for Nuke's ML client"),
    "view": Command("samnerf.cli.view", "View", "a trained scene in the browser: click, name and lock its objects"),
    "eval": Command("samnerf.cli.eval", "Eval", "scores against ground truth, or by a public protocol"),
    "demo": Command("samnerf.cli.demo", "Demo", "scene, features, training, masks and scores in one go"),
    "download": Command("samnerf.cli.download", "Download", "fetch and check weights of the released teachers"),
    "matting": Command("samnerf.cli.matting", "Matting", "true alpha: train an adapter, or measure alpha"),
    "train-teachers": Command("samnerf.cli.train_teachers", "TrainTeachers", "train the tiny SAM and the tiny CLIPSeg"),
}
"""Name on the command line -> the command."""

_UNWRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status; `arguments` defaults to those of the process.

    A command whose interruption needs other words than "run it again" raises `KeyboardInterrupt` with them.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in arguments
    words = [argument for argument in arguments if argument != "--debug"]
    if not words or words[0] in ("-h", "--help", "help"):
        return _printed(_help(), 0 if words else 2)
    if words[0] == "--version":
        return _printed(f"samnerf {__version__}", 0)
    name, options = words[0], words[1:]
    if " ".join(words[:2]) in COMMANDS:
        name, options = " ".join(words[:2]), words[2:]
    if name not in COMMANDS:
        print(f"samnerf: there is no command {name!r}{_suggestion(name)}; see samnerf --help", file=sys.stderr)
        return 2
    try:
        _run(name, options)
        sys.stdout.flush()
    except KeyboardInterrupt as interruption:
        if debug:
            raise
        cure = str(interruption) or "run the same command again to go on"
        print(f"\nsamnerf {name}: interrupted; {cure}", file=sys.stderr)
        return 130
    except BrokenPipeError:
        return _reader_left()
    except Exception as error:
        line = readable(error)
        if debug or line is None:  # what nobody foresaw is a mistake of ours, and its traceback is the report
            raise
        print(f"samnerf {name}: {line}", file=sys.stderr)
        return 1
    return 0


def _printed(text: str, status: int) -> int:
    """Print, and give the exit status."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        return _reader_left()
    return status


def _reader_left() -> int:
    """The reader (`| head`) has seen enough; Python would complain again while closing."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1


def readable(error: Exception) -> str | None:
    """One line for an error the person at the keyboard can mend; None for a mistake of the program."""
    if isinstance(error, SamNerfError):
        return " ".join(str(error).splitlines())
    if isinstance(error, OSError) and error.errno in _UNWRITABLE:
        where = f" ({error.filename})" if error.filename else ""
        cure = "free some and run again" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "choose another folder"
        return f"{(error.strerror or 'the system refused').lower()}{where}; {cure}"
    torch = sys.modules.get("torch")
    if isinstance(error, MemoryError) or (torch is not None and isinstance(error, torch.OutOfMemoryError)):
        return "out of memory; close other programs, or choose smaller images, fewer rays or a smaller teacher"
    return None


def _run(name: str, options: list[str]) -> None:
    command = COMMANDS[name]
    dataclass = getattr(importlib.import_module(command.module), command.class_name)
    import tyro  # a quarter of a second that `samnerf --help` does not need

    tyro.cli(dataclass, prog=f"samnerf {name}", args=options).run()


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {command.summary}" for name, command in COMMANDS.items()]
    return "\n".join(
        [
            "usage: samnerf <command> [options]",
            "",
            "Segment anything in a NeRF: clicks, boxes and words on any view of a trained scene.",
            "",
            *lines,
            "",
            "samnerf <command> --help  options of a command",
            "samnerf --version         the version",
            "--debug                   with any command: the traceback of an error",
        ]
    )


def _suggestion(name: str) -> str:
    import difflib

    close = difflib.get_close_matches(name, COMMANDS, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
