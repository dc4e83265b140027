"""The log file: kept by several processes, bounded, without secrets, and never in the way."""

import json
import logging
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from filelock import FileLock

from song_mcp import logs
from song_mcp.logfile import LogFile, Redactor, as_json, as_line, older_of
from song_mcp.settings import Settings
from tests import children
from tests.faults.canaries import GPTGE_KEY, KEYS, PIAPI_KEY

PASSWORD = "canary-proxy-password"
WRITER = """
import sys
from pathlib import Path
from song_mcp.logfile import LogFile
file = LogFile(Path(sys.argv[1]), int(sys.argv[3]))
for number in range(300):
    file.put(f"{sys.argv[2]} {number:04d} {'x' * 200}\\n")
    file.finish()
"""


def written(path: Path, *texts: str, most_bytes: int = 2**20) -> LogFile:
    file = LogFile(path, most_bytes)
    for text in texts:
        file.put(text)
        file.finish()
    return file


# The file ------------------------------------------------------------------------------------


def test_lines_are_appended_and_the_file_is_the_users_alone(tmp_path: Path) -> None:
    path = tmp_path / "home" / "song-mcp.log"
    written(path, "first\n")
    written(path, "second \ud800\n")
    assert path.read_text(encoding="utf-8") == "first\nsecond \\ud800\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_there_are_two_files_of_a_bounded_size(tmp_path: Path) -> None:
    path = tmp_path / "song-mcp.log"
    written(path, *(f"{number:099d}\n" for number in range(95)), most_bytes=1000)
    kept = [older_of(path), path]
    assert [each.stat().st_size for each in kept] == [1000, 500]
    lines = "".join(each.read_text() for each in kept).split()
    assert list(map(int, lines)) == list(range(80, 95))
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted(
        ["song-mcp.log", "song-mcp.1.log", "song-mcp.log.lock"]
    )


def test_a_file_that_cannot_be_renamed_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows, while somebody has it open."""

    def refuse(*_: object) -> None:
        raise PermissionError

    path = tmp_path / "song-mcp.log"
    monkeypatch.setattr(Path, "replace", refuse)
    written(path, "a" * 600, "b" * 600, most_bytes=1000)
    assert (older_of(path).read_text(), path.read_text()) == ("a" * 600, "b" * 600)


def test_processes_at_once_write_whole_lines_and_lose_none(tmp_path: Path) -> None:
    path = tmp_path / "song-mcp.log"
    names = ["a", "b", "c"]
    with ExitStack() as running:
        command = [sys.executable, "-c", WRITER, str(path)]
        started = [
            running.enter_context(children.popen([*command, name, "120000"])) for name in names
        ]
        assert [each.wait() for each in started] == [0, 0, 0]
    kept = older_of(path).read_text() + path.read_text()
    lines = [line.split() for line in kept.splitlines()]
    assert {(name, number): x for name, number, x in lines} == {
        (name, f"{number:04d}"): "x" * 200 for name in names for number in range(300)
    }
    assert len(lines) == 900


@pytest.mark.parametrize("kind", ["a file", "nothing to write to", "a folder as the log"])
def test_a_folder_that_cannot_be_written_loses_the_log_and_nothing_else(
    tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "home" / "song-mcp.log"
    if kind == "a file":
        path.parent.write_text("in the way")
    elif kind == "a folder as the log":
        path.mkdir(parents=True)
    else:
        path = Path("/proc/nowhere/song-mcp.log")
    file = written(path, "lost\n", "lost too\n")
    file.finish()
    assert not path.is_file()


def test_what_is_too_much_is_dropped_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "song-mcp.log"
    file = LogFile(path)
    with FileLock(tmp_path / "song-mcp.log.lock"):  # as another process holds it
        for number in range(1000):
            file.put(f"{number:0999d}\n")
    file.finish()
    file.put("later\n")
    file.finish()
    lines = path.read_text().splitlines()
    dropped = [int(line.split()[0]) for line in lines if "dropped" in line]
    assert dropped
    assert len(lines) - 1 - len(dropped) + sum(dropped) == 1000


# What is in it ---------------------------------------------------------------------------------


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """A root logger whose handlers are those that a test adds."""
    root = logging.Logger("root", logging.WARNING)  # noqa: LOG001 - of this test alone
    ours = logging.getLogger(logs.OURS)
    before = ours.level
    yield root
    ours.setLevel(before)


def kept(tmp_path: Path, root: logging.Logger, how: str, secrets: tuple[str, ...] = ()) -> LogFile:
    file = LogFile(tmp_path / "song-mcp.log")
    logs._keep(root, file, how, Redactor(secrets))  # noqa: SLF001 - what `install` adds
    return file


def raise_it(text: str) -> None:
    raise ValueError(text)


def fail(logger: logging.Logger, text: str) -> None:
    try:
        raise_it(text)
    except ValueError:
        logger.exception("task failed: %s", text)


def test_a_line_has_its_time_process_level_and_place(tmp_path: Path, root: logging.Logger) -> None:
    file = kept(tmp_path, root, "info")
    fail(root, "x\x1b[2J\u2028y")
    file.finish()
    first, *trace = file.path.read_text(encoding="utf-8").splitlines()
    time, process, level, name, *words = first.split(" ", 4)
    assert time.startswith("20")
    assert (process, level, name) == (str(os.getpid()), "ERROR", "root:")
    assert words == ["task failed: x [2J y"]
    assert trace[0] == "    Traceback (most recent call last):"
    assert all(line.startswith("    ") for line in trace)


def test_json_has_a_record_a_line(tmp_path: Path, root: logging.Logger) -> None:
    file = kept(tmp_path, root, "json")
    fail(root, "x\ny")
    file.finish()
    (line,) = file.path.read_text(encoding="utf-8").splitlines()
    told = json.loads(line)
    assert told.keys() == {"time", "process", "level", "logger", "message", "traceback"}
    assert (told["level"], told["message"]) == ("error", "task failed: x y")


@pytest.mark.parametrize("form", [as_line, as_json])
@pytest.mark.parametrize(
    "said",
    [
        *KEYS,
        f"https://host.example/song.mp3?sig={PIAPI_KEY[:9]}",
        f"http://user:{PASSWORD}@proxy.example:3128",
        f"https://{PASSWORD}@host.example/#{PASSWORD}",
    ],
)
@pytest.mark.usefixtures("form")
def test_no_secret_gets_into_it(
    tmp_path: Path, root: logging.Logger, said: str, form: object
) -> None:
    how = "json" if form is as_json else "info"
    file = kept(tmp_path, root, how, (*KEYS, "", "abc"))
    fail(root, f"{'y' * 1980} {said} {said}")
    file.finish()
    text = file.path.read_text(encoding="utf-8")
    assert "[hidden]" in text or "@" not in text
    for secret in (*KEYS, PASSWORD, PIAPI_KEY[:9]):
        assert secret not in text


def test_the_same_fault_is_kept_once_a_minute_unless_faults_are_looked_for(
    tmp_path: Path, root: logging.Logger
) -> None:
    for how, lines in (("info", 1), ("debug", 3)):
        (tmp_path / how).mkdir()
        file = kept(tmp_path / how, root, how)
        for _ in range(3):
            root.error("again")
        file.finish()
        assert len(file.path.read_text().splitlines()) == lines


def test_the_settings_name_every_secret_value() -> None:
    settings = Settings.read(
        PIAPI_API_KEY=PIAPI_KEY,
        GPTGE_API_KEY=GPTGE_KEY,
        SONG_MCP_PROXY=f"http://user:{PASSWORD}%21@proxy.example:3128",
    )
    assert set(settings.secrets) >= {PIAPI_KEY, GPTGE_KEY, f"{PASSWORD}%21", f"{PASSWORD}!"}


@pytest.mark.parametrize("given", ["off", "OFF"])
def test_it_can_be_off(given: str, tmp_path: Path) -> None:
    assert Settings.read(SONG_MCP_LOG=given, SONG_MCP_HOME=str(tmp_path)).log_path is None


def test_a_folder_that_is_wrong_has_none() -> None:
    assert Settings.read(SONG_MCP_HOME="relative").log_path is None


# A server that keeps it -------------------------------------------------------------------------


def test_a_server_says_in_it_that_it_started_and_ended_and_nothing_on_stdout(
    tmp_path: Path,
) -> None:
    ran = children.run(
        [sys.executable, "-m", "song_mcp"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env={
            "HOME": str(tmp_path),
            "SONG_MCP_HOME": str(tmp_path / "home"),
            "PIAPI_API_KEY": PIAPI_KEY,
            "GPTGE_API_KEY": "your-gptge-key",
        },
    )
    assert ran.stdout == ""
    first, remark, last = (tmp_path / "home" / "song-mcp.log").read_text().splitlines()
    assert "song-mcp" in first
    assert "piapi" in first
    assert "GPTGE_API_KEY: is not a key but an example's word" in remark
    assert last.endswith("song-mcp ends: its client hung up")
    assert PIAPI_KEY not in first
