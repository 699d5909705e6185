"""What `samnerf <command>` promises about help, errors and exit statuses."""

import errno
import resource
import subprocess
import sys
import types
from dataclasses import dataclass

import pytest
import torch

from samnerf.cli import main as cli
from samnerf.errors import SamNerfError


@pytest.fixture
def command(monkeypatch):
    """Registers a command `probe` whose `run` is the function given."""

    def register(run):
        @dataclass
        class Probe:
            """A command made for the test."""

            number: int = 1
            """Any number."""

            def run(self):
                return run(self)

        module = types.ModuleType("probe_command")
        vars(module)["Probe"] = Probe
        monkeypatch.setitem(sys.modules, "probe_command", module)
        monkeypatch.setitem(cli.COMMANDS, "probe", cli.Command("probe_command", "Probe", "a probe"))

    return register


def raising(error):
    def run(self):
        raise error

    return run


def cpu_seconds_of_children():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def test_help_names_every_command_within_a_second_of_work():
    before = cpu_seconds_of_children()
    answer = subprocess.run(
        [sys.executable, "-c", "import sys; from samnerf.cli.main import main; sys.exit(main())", "--help"],
        capture_output=True,
        text=True,
    )
    assert cpu_seconds_of_children() - before < 1
    assert answer.returncode == 0
    for name, entry in cli.COMMANDS.items():
        assert f"  {name}" in answer.stdout
        assert entry.summary in answer.stdout


def test_version_is_the_package_version(capsys):
    import samnerf

    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"samnerf {samnerf.__version__}\n"


def test_no_command_shows_the_help_and_is_not_a_success(capsys):
    assert cli.main([]) == 2
    assert "usage: samnerf" in capsys.readouterr().out


def test_a_misspelt_command_is_answered_with_the_right_one(capsys):
    assert cli.main(["segmnt"]) == 2
    message = capsys.readouterr().err
    assert "there is no command 'segmnt'; did you mean 'segment'?" in message
    assert message.count("\n") == 1


def test_a_command_gets_its_options(command):
    seen = []
    command(lambda self: seen.append(self.number))
    assert cli.main(["probe", "--number", "7"]) == 0
    assert seen == [7]


def test_an_option_that_does_not_exist_exits_with_2(command, capsys):
    command(lambda self: None)
    with pytest.raises(SystemExit) as stop:
        cli.main(["probe", "--numbre", "7"])
    assert stop.value.code == 2


def test_an_error_of_the_outside_is_one_line_and_status_1(command, capsys):
    command(raising(SamNerfError("frame 3 has no image;\nput it back")))
    assert cli.main(["probe"]) == 1
    captured = capsys.readouterr()
    assert captured.err == "samnerf probe: frame 3 has no image; put it back\n"
    assert captured.out == ""


@pytest.mark.parametrize("position", [0, 1, 2])
def test_debug_anywhere_shows_the_traceback(command, position):
    command(raising(SamNerfError("wrong")))
    arguments = ["probe", "--number=2"]
    arguments.insert(position, "--debug")
    with pytest.raises(SamNerfError, match="wrong"):
        cli.main(arguments)


def test_an_interruption_is_status_130_and_says_how_to_go_on(command, capsys):
    command(raising(KeyboardInterrupt()))
    assert cli.main(["probe"]) == 130
    assert "samnerf probe: interrupted; run the same command again" in capsys.readouterr().err


def test_a_command_may_say_itself_how_to_go_on(command, capsys):
    command(raising(KeyboardInterrupt("add --resume")))
    assert cli.main(["probe"]) == 130
    assert capsys.readouterr().err == "\nsamnerf probe: interrupted; add --resume\n"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "out.png"), "no space left on device (out.png); free some"),
        (PermissionError(errno.EACCES, "Permission denied", "out"), "permission denied (out); choose another folder"),
        (MemoryError(), "out of memory"),
        (torch.OutOfMemoryError("CUDA out of memory"), "out of memory"),
    ],
)
def test_what_the_person_can_mend_is_one_line(command, capsys, error, words):
    command(raising(error))
    assert cli.main(["probe"]) == 1
    message = capsys.readouterr().err
    assert words in message
    assert message.count("\n") == 1


@pytest.mark.parametrize("error", [ValueError("a mistake"), FileNotFoundError(errno.ENOENT, "No such file", "x")])
def test_a_mistake_of_the_program_keeps_its_traceback(command, error):
    command(raising(error))
    with pytest.raises(type(error)):
        cli.main(["probe"])


@pytest.mark.parametrize(
    ("prints", "word"), [("_run = lambda *_: print('x' * 10**6)", "demo"), ("_help = lambda: 'x' * 10**6", "--help")]
)
def test_a_reader_who_has_seen_enough_is_no_error(prints, word):
    program = f"import sys; from samnerf.cli import main as cli; cli.{prints}; sys.exit(cli.main(['{word}']))"
    answer = subprocess.run(
        f'"{sys.executable}" -c "{program}" | head -c 1', shell=True, capture_output=True, text=True
    )
    assert (answer.stdout, answer.stderr) == ("x", "")
