"""What all commands have in common: help, what is said of wrong words, and quiet ends."""

import argparse
import os
import pty
import re
import signal
import subprocess
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path

import pytest

from song_mcp import cli
from song_mcp.commands import COMMANDS
from tests import children

AS_MODULE = (sys.executable, "-m", "song_mcp")
DOES = {argparse._StoreTrueAction, argparse._HelpAction, argparse._VersionAction}  # noqa: SLF001


def command(name: str) -> argparse.ArgumentParser:
    (subparsers,) = (
        each
        for each in cli._parser(name)._actions  # noqa: SLF001 - argparse lists them nowhere else
        if isinstance(each, argparse._SubParsersAction)  # noqa: SLF001
    )
    found = subparsers.choices[name]
    assert isinstance(found, argparse.ArgumentParser)
    return found


# Help -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_describes_it_and_has_an_example(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert cli.main([name, "--help"]) == 0
    said = capsys.readouterr().out
    module = import_module(f"song_mcp.commands.{name}")
    assert " ".join(module.DESCRIPTION.split()) in " ".join(said.split())
    assert module.DESCRIPTION.endswith(".")
    assert f"example: {module.EXAMPLE}" in " ".join(said.split())
    assert module.EXAMPLE.startswith(f"song-mcp {name}")
    assert said.isascii()
    assert max(map(len, said.splitlines())) <= 80


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_says_what_each_option_does_and_what_holds_without_it(name: str) -> None:
    for action in command(name)._actions:  # noqa: SLF001 - argparse lists them nowhere else
        assert action.help, action
        takes_a_value = type(action) not in DOES and action.nargs != 0
        is_optional = bool(action.option_strings) and not action.required
        if takes_a_value and is_optional and action.default not in {None, ""}:
            assert "default" in action.help, action


@pytest.mark.parametrize("name", COMMANDS)
def test_the_example_is_one_that_the_command_takes(name: str) -> None:
    import shlex

    _, *words = shlex.split(import_module(f"song_mcp.commands.{name}").EXAMPLE)
    assert cli._parser(name).parse_args(words).command == name  # noqa: SLF001


# Wrong words ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", COMMANDS)
def test_what_is_said_of_a_wrong_value_has_no_name_of_a_function(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for action in command(name)._actions:  # noqa: SLF001 - argparse lists them nowhere else
        if action.type is None or not action.option_strings:
            continue
        with suppress(SystemExit):  # parsed alone: one that is right would run the command
            command(name).parse_args([action.option_strings[-1], "no such value"])
        said = capsys.readouterr().err
        assert not re.search(r"invalid \w+ value", said)
        assert "Traceback" not in said


@pytest.mark.parametrize(
    ("typed", "meant"), [("doctr", "doctor"), ("SANDBOX", "sandbox"), ("servr", "serve")]
)
def test_an_unknown_command_names_the_nearest(
    typed: str, meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([typed]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert f"Did you mean song-mcp {meant}?" in err


def test_a_command_that_is_near_nothing_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["qqq", "demo"]) == 2
    assert capsys.readouterr().err == (
        "song-mcp has no command 'qqq'. song-mcp --help lists all.\n"
    )


# Ends -----------------------------------------------------------------------------------------


def raising(error: BaseException) -> int:
    raise error


@pytest.mark.parametrize(
    "error",
    [
        KeyboardInterrupt(),
        BaseExceptionGroup("x", [KeyboardInterrupt()]),
        BaseExceptionGroup("x", [BaseExceptionGroup("y", [KeyboardInterrupt()])]),
    ],
)
def test_ctrl_c_is_a_status(error: BaseException) -> None:
    assert cli._without_traceback(lambda: raising(error)) == 130  # noqa: SLF001


def test_other_failures_are_not_hidden() -> None:
    with pytest.raises(BaseExceptionGroup):
        cli._without_traceback(  # noqa: SLF001
            lambda: raising(BaseExceptionGroup("x", [ValueError(), BrokenPipeError()]))
        )


@pytest.mark.parametrize("arguments", [["--help"], ["config"]], ids=" ".join)
def test_nobody_who_reads_is_no_traceback(arguments: list[str], tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        ran = children.run(
            [*AS_MODULE, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=writer,
            stderr=subprocess.PIPE,
            env={"HOME": str(tmp_path)},
            check=False,
        )
    finally:
        os.close(writer)
    assert (ran.returncode, ran.stderr) == (128 + signal.SIGPIPE, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_full_disk_is_a_sentence(tmp_path: Path) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        ran = children.run(
            [*AS_MODULE, "config"],
            stdin=subprocess.DEVNULL,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env={"HOME": str(tmp_path)},
            check=False,
        )
    assert ran.returncode == 1
    assert ran.stderr == "What this command prints could not be written: No space left on device.\n"


# A terminal -----------------------------------------------------------------------------------


def test_in_a_terminal_it_says_what_it_is_and_what_to_do(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    try:
        ran = children.run(
            AS_MODULE,
            stdin=theirs,
            capture_output=True,
            text=True,
            env={"HOME": str(tmp_path)},
            check=False,
        )
    finally:
        os.close(ours)
        os.close(theirs)
    assert (ran.returncode, ran.stdout) == (2, "")
    named = re.findall(r"^  song-mcp (\w+)", ran.stderr, re.MULTILINE)
    assert named == ["install", "demo", "doctor"]
    assert set(named) <= set(COMMANDS)
    assert max(map(len, ran.stderr.splitlines())) <= 80
    assert list(tmp_path.iterdir()) == []


def test_it_serves_there_if_told_to(tmp_path: Path) -> None:
    """Ctrl-D ends its input."""
    ours, theirs = pty.openpty()
    try:
        os.write(ours, b"\x04")
        ran = children.run(
            [*AS_MODULE, "--stdio"],
            stdin=theirs,
            capture_output=True,
            text=True,
            env={"HOME": str(tmp_path)},
            check=False,
        )
    finally:
        os.close(ours)
        os.close(theirs)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
