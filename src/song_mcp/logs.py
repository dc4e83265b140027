"""What the server says on stderr: bounded in size and in rate, and never waited for.

Some clients do not read the stderr of the server that they started, and others keep it in a file
for ever. So whatever is said goes through a queue, which a thread of its own writes out. What does
not fit is dropped, and later a line says how much that was. A fault is one line, with its traceback
the first time; the same fault again is said once in `AGAIN_S`, with a count. The process ends
without waiting for anybody who does not read.

The same and more is written to the log file (`logfile`), which a user can find.
"""

import atexit
import io
import logging
import math
import os
import sys
import threading
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Protocol

from song_mcp import system
from song_mcp.logfile import Form, LogFile, Redactor, as_json, as_line

MOST_WAITING = 256 * 2**10
"""How many bytes wait at most to be written."""
EACH = 100
"""How many bytes a text costs beside its own."""
LONGEST_LINE = 2000
LONGEST_TRACEBACK = 8000
"""In characters; the end of a traceback says the most."""
AGAIN_S = 60.0
"""How often the same fault is said: the time between two lines of it, in seconds."""
FAULTS = 1000
"""How many different faults are remembered."""
STUCK_S = 0.1
"""After how many seconds without room a reader counts as one who does not read."""
END_LOOK_S = 0.005
END_LOOKS = 100
"""How often the end of the process looks whether a reader has taken all; a bound for slow ones."""
OURS = "song_mcp"


class Finishing(Protocol):
    """Something that writes in the background."""

    def finish(self) -> None:
        """Return when all is written, after a short time in any case."""


class Outlet:
    """Writes text to a file descriptor, from a thread of its own; `put` never waits."""

    def __init__(self, descriptor: int, most: int = MOST_WAITING) -> None:
        """Write to `descriptor`; what waits has at most `most` bytes."""
        self._descriptor = descriptor
        self._most = most
        self._queue: SimpleQueue[bytes] = SimpleQueue()
        self._size = 0
        self._dropped = 0
        self._stuck_from = math.inf
        self._turn = threading.RLock()  # a signal may come while this thread holds it
        self._room = system.Watch(descriptor, to_write=True) if system.CAN_POLL else None
        threading.Thread(target=self._run, name="song-mcp stderr", daemon=True).start()

    def put(self, text: str) -> None:
        """Let this text be written, or drop it if too much waits already."""
        content = text.encode("utf-8", "backslashreplace")
        with self._turn:
            if self._size + len(content) + EACH > self._most:
                self._dropped += 1
                return
            self._size += len(content) + EACH
            self._queue.put(content)

    def finish(self) -> None:
        """Return when all is written, at once if nobody reads it, after half a second in any case.

        May be called in a handler of signals.
        """
        for _ in range(END_LOOKS):
            if self._size == 0 or time.monotonic() > self._stuck_from:
                return
            time.sleep(END_LOOK_S)

    def _run(self) -> None:
        while True:
            content = self._queue.get()
            self._write(content)
            with self._turn:
                self._size -= len(content) + EACH
                dropped, self._dropped = self._dropped, 0
            if dropped:
                self._write(f"{dropped} messages were dropped: nobody read them.\n".encode())

    def _write(self, content: bytes) -> None:
        """Write this, however long it takes; if nobody can read it any more, it is lost."""
        rest = memoryview(content)
        with suppress(OSError):
            while rest:
                self._stuck_from = time.monotonic() + STUCK_S
                if self._room is not None:  # the parent may have made writes fail that would wait
                    self._room.has_room()
                rest = rest[os.write(self._descriptor, rest[: system.PIECE]) :]
        self._stuck_from = math.inf


class Stream(io.TextIOBase):
    """Stands for `sys.stderr`, for all that is printed: warnings, tracebacks of threads too."""

    encoding = "utf-8"

    def __init__(self, outlet: Outlet, descriptor: int, *beside: Finishing) -> None:
        """Print to `outlet`, whose file is `descriptor`; flushing waits for those `beside` too."""
        self._outlet = outlet
        self._descriptor = descriptor
        self._beside = beside

    def write(self, text: str) -> int:
        """Print some text; never waits."""
        self._outlet.put(text)
        return len(text)

    def flush(self) -> None:
        """Return when all is written, if it is read at all."""
        self._outlet.finish()
        for each in self._beside:
            each.finish()

    def writable(self) -> bool:
        """Return that this can be written to."""
        return True

    def fileno(self) -> int:
        """Return the file descriptor, for what a child process says."""
        return self._descriptor


@dataclass
class Fault:
    """When a fault was last said, in seconds, and how often it was not said since."""

    said_at: float
    unsaid: int = 0


class Faults(logging.Handler):
    """Says each log record in one line, and each fault again only once in a while."""

    def __init__(
        self,
        say: Callable[[str], None],
        clock: Callable[[], float],
        form: Form = lambda _, line, trace: f"{line}\n{trace}",
        redact: Callable[[str], str] = str,
        again_s: float = AGAIN_S,
    ) -> None:
        """Pass whole lines to `say`, in this form; `clock` returns seconds that never go back.

        The same fault is said once in `again_s`.
        """
        super().__init__()
        self._say = say
        self._clock = clock
        self._form = form
        self._redact = redact
        self._again_s = again_s
        self.known: OrderedDict[Hashable, Fault] = OrderedDict()
        """The faults that were said, those said last at the end."""

    def emit(self, record: logging.LogRecord) -> None:
        """Say a record, or count it if the same fault was said a short time ago."""
        try:
            self._emit(record)
        except Exception:  # noqa: BLE001 - as every handler of the standard library
            self.handleError(record)

    def _emit(self, record: logging.LogRecord) -> None:
        line = self._redact(" ".join(record.getMessage().split("\n")))[:LONGEST_LINE]
        fault = _fault(record, line)
        now = self._clock()
        known = self.known.get(fault)
        if known is None:
            self.known[fault] = Fault(now)
            if len(self.known) > FAULTS:
                self.known.popitem(last=False)
            self._say(self._form(record, line, _traceback(record, self._redact)))
        elif now - known.said_at < self._again_s:
            known.unsaid += 1
        else:
            self._say(self._form(record, f"{line}{_again(known)}", ""))
            self.known[fault] = Fault(now)
            self.known.move_to_end(fault)


def _fault(record: logging.LogRecord, line: str) -> Hashable:
    """Return what makes two records the same fault.

    With an exception it is where that was raised. Else our own lines are different if their words
    are, as each of them may name a task; others repeat what clients sent, so their place counts.
    """
    error = record.exc_info[1] if record.exc_info else None
    if error is not None:
        last = traceback.extract_tb(error.__traceback__)[-1:]
        return (record.name, type(error), *((each.filename, each.lineno) for each in last))
    return record.name, line if _is_ours(record) else (record.pathname, record.lineno)


def _traceback(record: logging.LogRecord, redact: Callable[[str], str]) -> str:
    if not record.exc_info or record.exc_info[1] is None:
        return ""
    text = redact("".join(traceback.format_exception(record.exc_info[1])))
    return text if len(text) <= LONGEST_TRACEBACK else f"...{text[-LONGEST_TRACEBACK:]}"


def _again(known: Fault) -> str:
    return f" ({known.unsaid} times more since it was last said)" if known.unsaid else ""


def install(file: LogFile | None = None, how: str = "info", secrets: Iterable[str] = ()) -> None:
    """Let all that this process says go to stderr through a queue, for as long as it lives.

    With a `file`, log records go there too, `how` the setting says, and without the `secrets`. If
    logging is set up already, what would go to stderr goes where that says.
    """
    descriptor = os.dup(2)
    outlet = Outlet(descriptor)
    beside = [file] if file else []
    sys.stdout = sys.stderr = Stream(outlet, descriptor, *beside)
    logging.captureWarnings(capture=True)
    root = logging.getLogger()
    if not root.handlers:
        root.addHandler(Faults(outlet.put, time.monotonic))
        root.setLevel(logging.WARNING)
    if file:
        _keep(root, file, how, Redactor(secrets))
    for finish in (outlet.finish, *(each.finish for each in beside)):
        atexit.register(finish)


def _keep(root: logging.Logger, file: LogFile, how: str, redact: Redactor) -> None:
    """Keep log records in the file: ours from INFO on, or from DEBUG on to look for a fault.

    Of what others say warnings are kept, or from INFO on: their DEBUG is what clients sent.
    """
    is_debug = how == "debug"
    ours, others = logging.INFO, logging.WARNING
    if is_debug:
        ours, others = logging.DEBUG, logging.INFO
    handler = Faults(
        file.put,
        time.monotonic,
        as_json if how == "json" else as_line,
        redact,
        0.0 if is_debug else AGAIN_S,
    )
    for other in root.handlers:  # they are to hear no more than before
        other.setLevel(max(other.level, root.level))
    handler.addFilter(lambda record: record.levelno >= (ours if _is_ours(record) else others))
    root.addHandler(handler)
    for logger, level in ((root, others), (logging.getLogger(OURS), ours)):
        logger.setLevel(min(logger.level or level, level))


def _is_ours(record: logging.LogRecord) -> bool:
    return record.name.partition(".")[0] == OURS
