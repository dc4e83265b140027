"""The log file beside the journal: what the server did and met, for whoever looks for a fault.

All processes on one journal append to it, each from a thread of its own, and nothing waits for
that. A file is opened for a moment, inside a lock, and never kept open: on Windows a file that a
process holds open cannot be renamed by another. At `MOST_BYTES` it becomes the older one of two. If
it cannot be written, its lines are lost and nothing else is.

No line holds a secret that the settings name, or what follows the `?` in an address.
"""

import json
import logging
import os
import re
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from queue import Empty, SimpleQueue

from filelock import FileLock

from song_mcp import folders, system
from song_mcp.text import without_queries

MOST_BYTES = 2**20
"""How large the file may become before it is the older one."""
MOST_WAITING = 256 * 2**10
"""How many bytes wait at most to be written; what does not fit is dropped and counted."""
LOCK_S, LOCK_POLL_S = 2.0, 0.002
"""How long, in seconds, another process may hold the lock before lines are lost."""
END_LOOK_S, END_LOOKS = 0.005, 100
"""How often, and how often at most, the end of the process looks whether all is written."""
SHORTEST_SECRET = 4
"""How long a secret must be to be replaced: shorter ones would garble ordinary words."""

CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
"""What could move a terminal's cursor, or end a line."""

Form = Callable[[logging.LogRecord, str, str], str]
"""Returns what the file has of a record, its line and its traceback ("" if there is none)."""


class LogFile:
    """Appends to the file `path`; `put` never waits."""

    def __init__(self, path: Path, most_bytes: int = MOST_BYTES) -> None:
        """Append to `path`, of which there are two of at most `most_bytes` each."""
        self.path = path
        self._most_bytes = most_bytes
        self._lock = FileLock(
            path.with_name(f"{path.name}.lock"),
            timeout=LOCK_S,
            poll_interval=LOCK_POLL_S,
            mode=0o600,
            thread_local=False,
        )
        self._queue: SimpleQueue[bytes] = SimpleQueue()
        self._turn = threading.RLock()  # a signal may come while this thread holds it
        self._size = 0
        self._dropped = 0
        self._thread: threading.Thread | None = None

    def put(self, text: str) -> None:
        """Let this text be appended, or drop it if too much waits already."""
        content = text.encode("utf-8", "backslashreplace")
        with self._turn:
            if self._size + len(content) > MOST_WAITING:
                self._dropped += 1
                return
            self._size += len(content)
            self._queue.put(content)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="song-mcp log", daemon=True)
                self._thread.start()

    def finish(self) -> None:
        """Return when all is written, after half a second in any case.

        May be called in a handler of signals.
        """
        for _ in range(END_LOOKS):
            if self._size == 0:
                return
            time.sleep(END_LOOK_S)

    def _run(self) -> None:
        while True:
            content = self._queue.get()
            with suppress(Empty):
                while True:
                    content += self._queue.get_nowait()
            with self._turn:
                dropped, self._dropped = self._dropped, 0
            said = f"{dropped} lines were dropped: there were too many.\n" if dropped else ""
            with suppress(OSError, NotImplementedError):  # also filelock's Timeout
                self._append(content + said.encode())
            with self._turn:
                self._size -= len(content)

    def _append(self, content: bytes) -> None:
        folders.own(self.path.parent)
        with self._lock:
            if self._is_full(len(content)):
                self._begin_anew()
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | system.BINARY
            opened = os.open(self.path, flags, 0o600)
            with os.fdopen(opened, "ab") as file:
                file.write(content)

    def _is_full(self, more: int) -> bool:
        try:
            size = self.path.stat().st_size
        except FileNotFoundError:
            return False
        return size > 0 and size + more > self._most_bytes

    def _begin_anew(self) -> None:
        """Make this the older file; if somebody holds it open, by a copy."""
        older = older_of(self.path)
        try:
            self.path.replace(older)
        except OSError:
            with suppress(OSError):
                older.write_bytes(self.path.read_bytes())
            os.truncate(self.path, 0)


def older_of(path: Path) -> Path:
    """Return where the older lines of a log file are."""
    return path.with_name(f"{path.stem}.1{path.suffix}")


class Redactor:
    """Removes secrets by their values, and from addresses what may be one."""

    def __init__(self, secrets: Iterable[str]) -> None:
        """Remove these values; "" and very short ones are left alone."""
        kept = {each for each in secrets if len(each) >= SHORTEST_SECRET}
        self._secrets = sorted(kept, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """Return the text without them."""
        for secret in self._secrets:
            text = text.replace(secret, "[hidden]")
        return without_queries(text)


def as_line(record: logging.LogRecord, line: str, trace: str) -> str:
    """Return a record as a line for people, its traceback indented below it."""
    below = "".join(f"    {CONTROLS.sub(' ', each)}\n" for each in trace.split("\n") if each)
    said = CONTROLS.sub(" ", line)
    return f"{_time_of(record)} {record.process} {record.levelname} {record.name}: {said}\n{below}"


def as_json(record: logging.LogRecord, line: str, trace: str) -> str:
    """Return a record as one line of JSON."""
    told: dict[str, object] = {
        "time": _time_of(record),
        "process": record.process,
        "level": record.levelname.lower(),
        "logger": record.name,
        "message": line,
    }
    return json.dumps(told | ({"traceback": trace} if trace else {})) + "\n"


def _time_of(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created).astimezone().isoformat(timespec="milliseconds")
