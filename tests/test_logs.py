"""What the server says on stderr: never waited for, and each fault once in a while."""

import logging
import os
import sys
from collections.abc import Iterator
from types import TracebackType

import pytest

from song_mcp import system
from song_mcp.logs import AGAIN_S, LONGEST_LINE, LONGEST_TRACEBACK, Faults, Outlet, Stream

MOST = 100_000


@pytest.fixture(params=[True, False], ids=["watched", "unwatched"], autouse=True)
def can_poll(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pipes be watched or not, as on Windows."""
    monkeypatch.setattr(system, "CAN_POLL", request.param and system.CAN_POLL)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


# Never waited for ----------------------------------------------------------------------------


def test_whoever_does_not_read_is_not_waited_for_and_hears_later_what_was_dropped(
    pipe: tuple[int, int],
) -> None:
    reader, writer = pipe
    outlet = Outlet(writer, MOST)
    for number in range(10_000):
        outlet.put(f"{number:0100d}\n")
    outlet.finish()
    said: list[int] = []
    dropped, heard = 0, b""
    while len(said) + dropped < 10_000:
        heard += os.read(reader, 2**16)
        *lines, heard = heard.split(b"\n")
        said += [int(line) for line in lines if line.isdigit()]
        dropped += sum(int(line.split()[0]) for line in lines if b"dropped" in line)
    assert said == sorted(said)
    assert said[0] == 0
    assert dropped > 5000


def test_whoever_reads_hears_everything_before_the_end(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    outlet = Outlet(writer, MOST)
    outlet.put("last words\n")
    outlet.finish()
    assert os.read(reader, 100) == b"last words\n"


def test_a_reader_that_has_gone_stops_nothing() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    outlet = Outlet(writer, MOST)
    for _ in range(10_000):
        outlet.put("nobody hears this\n")
    outlet.finish()
    os.close(writer)


def test_what_is_printed_goes_the_same_way(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    stream = Stream(Outlet(writer, MOST), writer)
    print("printed \ud800", file=stream, flush=True)
    assert os.read(reader, 100) == b"printed \\ud800\n"
    assert stream.fileno() == writer
    assert not stream.isatty()


# One line per fault --------------------------------------------------------------------------


class Said:
    """A logger whose handler says into `lines`, at the time `now`."""

    def __init__(self, name: str) -> None:
        self.lines: list[str] = []
        self.now = 0.0
        self.logger = logging.Logger(name)  # noqa: LOG001 - of this test alone
        self.logger.addHandler(Faults(self.lines.append, lambda: self.now))

    def fail(self, error: Exception, *words: object) -> None:
        try:
            raise error
        except type(error):
            self.logger.exception("task %s failed", *words)


@pytest.fixture
def ours() -> Said:
    return Said("song_mcp.somewhere")


def test_a_fault_is_one_line_with_its_traceback_the_first_time_alone(ours: Said) -> None:
    for number in range(1000):
        ours.now = number * AGAIN_S / 100
        ours.fail(ValueError("x"), number)
    first, *others = ours.lines
    assert first.startswith("task 0 failed\nTraceback")
    assert len(others) == 9
    assert all(line.count("\n") == 1 for line in others)
    assert others[0] == "task 100 failed (99 times more since it was last said)\n"


def test_another_fault_is_said_at_once(ours: Said) -> None:
    ours.fail(ValueError("x"), 1)
    ours.fail(KeyError("x"), 1)
    assert len(ours.lines) == 2


def test_lines_of_ours_are_the_same_only_if_their_words_are(ours: Said) -> None:
    for task in ("a", "b", "a"):
        ours.logger.error("task %s was accepted and cannot be recorded", task)
    assert [line.split()[1] for line in ours.lines] == ["a", "b"]


def test_lines_of_others_repeat_what_clients_sent_and_are_the_same_by_their_place() -> None:
    theirs = Said("mcp.server.transport_security")
    for number in range(1000):
        theirs.logger.warning(f"Invalid Host header: {number}.example")  # noqa: G004 - as they do
    assert theirs.lines == ["Invalid Host header: 0.example\n"]


def test_a_line_and_a_traceback_are_bounded(ours: Said) -> None:
    ours.logger.error("line\n" * 10_000)
    ours.fail(ValueError("x" * 100_000), 1)
    line, fault = ours.lines
    assert line.count("\n") == 1
    assert len(line) <= LONGEST_LINE + 1
    assert len(fault) <= LONGEST_LINE + LONGEST_TRACEBACK + 10
    assert fault.count("Traceback") <= 1


def test_ever_new_faults_do_not_fill_the_memory(ours: Said) -> None:
    for number in range(5000):
        ours.logger.error("fault %d", number)
    (handler,) = ours.logger.handlers
    assert isinstance(handler, Faults)
    assert len(handler.known) == 1000


def test_a_record_that_cannot_be_formatted_raises_nothing(
    ours: Said, capsys: pytest.CaptureFixture[str]
) -> None:
    ours.logger.error("%d", "no number")
    assert ours.lines == []
    assert "Logging error" in capsys.readouterr().err


def test_a_fault_without_a_traceback_is_said(ours: Said) -> None:
    nothing: tuple[type[ValueError], ValueError, TracebackType | None] = (
        ValueError,
        ValueError("never raised"),
        None,
    )
    ours.logger.error("odd", exc_info=nothing)
    assert ours.lines[0].startswith("odd\nValueError: never raised")
    assert sys.exc_info() == (None, None, None)
