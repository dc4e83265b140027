"""The command line, as a person runs it: each command in a process of its own."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.abc import ByteReceiveStream

from song_mcp import __version__
from song_mcp.sandbox.app import STANDS_IN_FOR
from song_mcp.songs import SERVICES, preferred
from tests import children
from tests.harvest import gather
from tests.limits import HANGS_S

ROOT = Path(__file__).parent.parent
SONG_MCP = Path(sys.executable).with_name("song-mcp")
AS_MODULE = (sys.executable, "-m", "song_mcp")


def run(
    folder: Path, *arguments: str, variables: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run song-mcp to its end in `folder`, with nothing on stdin."""
    ran = children.run(
        [*AS_MODULE, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=folder,
        env={"HOME": str(folder), **(variables or {})},
        check=False,
    )
    gather("printed", ran.stdout + ran.stderr)
    return ran


def output_of(command: Sequence[str], **options: Any) -> str:  # noqa: ANN401 - as of `run`
    """Run a command that must succeed; returns what it printed."""
    return str(children.run(command, stdout=subprocess.PIPE, text=True, **options).stdout)


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Let children get Ctrl-C even if this process was started with it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


async def said(stream: ByteReceiveStream | None, word: bytes) -> bytes:
    """Wait until a process has printed a word; returns everything up to then."""
    assert stream is not None
    heard = b""
    while word not in heard:
        heard += await stream.receive()
    return heard


async def rest(stream: ByteReceiveStream | None) -> bytes:
    assert stream is not None
    return b"".join([chunk async for chunk in stream])


# Version, help, config ----------------------------------------------------------------------


def test_the_version_is_told(tmp_path: Path) -> None:
    ran = run(tmp_path, "--version")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, f"song-mcp {__version__}\n", "")


def test_help_names_every_command(tmp_path: Path) -> None:
    ran = run(tmp_path, "--help")
    assert ran.returncode == 0
    assert all(command in ran.stdout for command in ("serve", "demo", "sandbox", "config"))


def test_an_unknown_command_is_refused(tmp_path: Path) -> None:
    ran = run(tmp_path, "sing")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize("called", [(str(SONG_MCP),), AS_MODULE], ids=["by-name", "as-module"])
def test_config_is_the_example_with_the_commands_path(
    tmp_path: Path, called: tuple[str, ...]
) -> None:
    printed = output_of([*called, "config"], cwd=tmp_path)
    example = (ROOT / "mcp.json.example").read_text(encoding="utf-8")
    assert printed == example.replace("/ABSOLUTE/PATH/TO/song-mcp", str(SONG_MCP))
    assert os.access(json.loads(printed)["mcpServers"]["song-mcp"]["command"], os.X_OK)


def test_config_gives_an_absolute_path_for_a_relative_call() -> None:
    here = SONG_MCP.parent.parent
    printed = output_of([f"./{SONG_MCP.parent.name}/song-mcp", "config"], cwd=here)
    assert json.loads(printed)["mcpServers"]["song-mcp"]["command"] == str(SONG_MCP)


def test_config_finds_the_command_that_was_called_by_its_bare_name(tmp_path: Path) -> None:
    variables = {"PATH": os.pathsep.join([str(SONG_MCP.parent), os.defpath])}
    printed = output_of(["/bin/sh", "-c", "song-mcp config"], cwd=tmp_path, env=variables)
    assert json.loads(printed)["mcpServers"]["song-mcp"]["command"] == str(SONG_MCP)


# Serving ------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "example.com", ""])  # noqa: S104
def test_only_this_machine_is_served_over_http(tmp_path: Path, host: str) -> None:
    ran = run(tmp_path, "serve", "--port", "0", "--host", host)
    assert (ran.returncode, ran.stdout) == (2, "")
    (sentence,) = ran.stderr.splitlines()
    assert f"this machine alone, not {host!r}: its HTTP is not encrypted" in sentence


def test_serving_over_http_on_a_taken_port_ends_with_a_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ran = run(tmp_path, "serve", "--port", port)
    assert (ran.returncode, ran.stdout) == (2, "")
    said = f"song-mcp cannot listen on port {port} of 127.0.0.1: Address already in use.\n"
    assert ran.stderr == said


def test_bad_settings_are_told_on_stderr_and_end_nothing(tmp_path: Path) -> None:
    variables = {
        "PIAPI_API_KEY": "key-very-secret",
        "PIAPI_BASE_URL": "http://api.piapi.ai",
        "GPTGE_API_KEY": "your-gptge-key",
        "SONG_MCP_WAIT_SECONDS": "key-very-secret",
    }
    ran = run(tmp_path, variables=variables)
    assert (ran.returncode, ran.stdout) == (0, "")
    assert [line.partition(":")[0] for line in ran.stderr.splitlines()] == [
        "song-mcp pays nothing before these settings are corrected",
        "PIAPI_BASE_URL",
        "SONG_MCP_WAIT_SECONDS",
        "These settings count as not set",
        "GPTGE_API_KEY",
    ]
    assert "key-very-secret" not in ran.stderr


def test_nothing_on_stdin_is_a_session_without_a_word(tmp_path: Path) -> None:
    ran = run(tmp_path)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


# Sandbox ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_the_sandbox_tells_how_to_use_it_until_a_signal(
    tmp_path: Path, number: signal.Signals
) -> None:
    command = [*AS_MODULE, "sandbox", "--port", "0"]
    services = [SERVICES[name] for name in STANDS_IN_FOR]
    keys = [service.key_variable for service in services if service.needs_key]
    with anyio.fail_after(HANGS_S):
        async with children.process(command, cwd=tmp_path) as process:
            printed = await said(process.stdout, f"{keys[-1]}=sandbox\n".encode())
            process.send_signal(number)
            assert await rest(process.stdout) == b""
            assert await rest(process.stderr) == b""
            assert await process.wait() in {0, 130}
    values = dict(re.findall(r"^  (\w+)=(\S+)$", printed.decode(), re.MULTILINE))
    assert {values.pop(name) for name in keys} == {"sandbox"}
    assert {service.base_url_variable for service in services} <= values.keys()
    [base_url] = set(values.values())
    assert re.fullmatch(r"http://127\.0\.0\.1:[1-9]\d+", base_url)


def test_a_taken_port_is_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = run(tmp_path, "sandbox", "--port", str(port))
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == f"The sandbox cannot listen on port {port}: Address already in use.\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("sandbox", "--port", "65536"),
        ("sandbox", "--port", "-1"),
        ("sandbox", "--port", "http"),
        ("sandbox", "--song-seconds", "nan"),
        ("demo", "--song-seconds", "-1"),
        ("demo", "--song-seconds", "long"),
    ],
    ids=" ".join,
)
def test_a_number_that_cannot_be_right_is_refused(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    ran = run(tmp_path, *arguments)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert f"argument {arguments[1]}: " in ran.stderr
    assert list(tmp_path.iterdir()) == []


# Demo ---------------------------------------------------------------------------------------


STEPS = (
    "connect over stdio",
    *(f"generate_song with {SERVICES[name].default_model.name}" for name in STANDS_IN_FOR),
    "a song that arrives late",
    "extend_song",
    "join_song",
    f"cover_song with {preferred((SERVICES[name] for name in STANDS_IN_FOR), 'cover').name}",
    "list_songs and resources",
    "read a clip's resources",
)


@pytest.mark.first
def test_the_demo_makes_songs_and_shows_where_they_are(tmp_path: Path) -> None:
    ran = run(tmp_path, "demo", "--folder", "shown", "--song-seconds", "0.5")
    assert ran.returncode == 0, ran.stderr
    assert "Traceback" not in ran.stderr
    assert [step for step in STEPS if f"\n  {step}  " not in ran.stdout] == []
    songs = [line.split("  ") for line in ran.stdout.splitlines() if ".mp3" in line]
    files = [Path(cells[-1].strip()) for cells in songs]
    table = [[cell.strip() for cell in cells if cell.strip()] for cells in songs if len(cells) > 2]
    assert [row[:2] for row in table[: len(STANDS_IN_FOR)]] == [
        [SERVICES[name].label, SERVICES[name].default_model.name] for name in STANDS_IN_FOR
    ]
    assert {len(row) for row in table} == {6}
    assert all(file.is_file() for file in files)
    assert re.search(r"its first links were refused \([1-9]\d* times\)", ran.stdout)
    assert {file.parent for file in files} == {tmp_path / "shown", tmp_path / "shown" / "library"}
    assert (tmp_path / "shown" / "journal" / "journal.sqlite3").is_file()


def test_the_demo_fails_with_a_sentence_where_a_step_does_not_hold(tmp_path: Path) -> None:
    (tmp_path / "library").write_text("in the way", encoding="utf-8")
    ran = run(tmp_path, "demo", "--folder", ".", "--song-seconds", "0.5")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert f"The demo failed: {STEPS[1]}: " in ran.stderr
    assert str(tmp_path / "library") in ran.stderr
    assert "Traceback" not in ran.stderr


def test_the_demo_needs_a_folder_that_can_be_one(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("in the way", encoding="utf-8")
    ran = run(tmp_path, "demo", "--folder", "taken")
    assert (ran.returncode, ran.stdout) == (2, "")
    folder = tmp_path / "taken"
    assert ran.stderr == f"The demo cannot use the folder {folder}: File exists.\n"


@pytest.mark.usefixtures("ctrl_c")
async def test_ctrl_c_ends_the_demo_and_its_server(tmp_path: Path) -> None:
    command = [*AS_MODULE, "demo", "--folder", "demo", "--song-seconds", "3600"]
    with anyio.fail_after(HANGS_S):
        async with children.process(command, cwd=tmp_path) as process:
            await said(process.stderr, b"song")
            (server,) = sessions_below(process.pid)
            process.send_signal(signal.SIGINT)
            printed, complaints = await rest(process.stdout), await rest(process.stderr)
            assert await process.wait() == 130
    assert printed == b""
    assert b"Traceback" not in complaints
    with pytest.raises(ProcessLookupError):
        os.kill(server, 0)


def sessions_below(parent: int) -> list[int]:
    """The ids of a process's children that lead a session, as a server on stdio does.

    Python's own helpers, such as the resource tracker of worker processes, stay in the parent's.
    """
    listed = output_of(["/bin/ps", "-A", "-o", "pid=,ppid="])
    pairs = [(int(pid), int(of)) for pid, of in map(str.split, listed.splitlines())]
    return [pid for pid, of in pairs if of == parent and _leads_a_session(pid)]


def _leads_a_session(pid: int) -> bool:
    try:
        return os.getsid(pid) == pid
    except ProcessLookupError:
        return False
