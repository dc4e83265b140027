"""The inbox: audio that came within an answer of a service, until the library has it.

Such audio is sent once. So it is written to a file as it comes, and named only when all of it is on
the disk: then it is there, whatever happens to this process. The file has the name of its task, so
that it can be found without the row that says so. Its link, `inbox:NAME`, is in the journal where
other clips have an address; no text shows it.
"""

import errno
import os
import re
import secrets
from collections.abc import Callable
from contextlib import suppress
from io import FileIO
from pathlib import Path

from anyio.to_thread import run_sync

from song_mcp import files, folders, system
from song_mcp.errors import LibraryError

SCHEME = "inbox:"
PART = ".part"
"""How the name of a file ends that is still being received, or never was to its end."""
NAME = re.compile(r"(?!(?i:con|prn|aux|nul|com\d|lpt\d)$)[A-Za-z0-9_-]{1,100}")
"""A name in the folder: none that stands for a device on Windows."""
NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | system.NO_FOLLOW | system.BINARY
PIECE_BYTES = 2**20
FULL = frozenset({errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)})
GONE = (
    "Its audio came with the answer of the service, which sends it once, and is no longer in the "
    "inbox folder of song-mcp, so it cannot be saved."
)


def is_link(url: str) -> bool:
    """Tell whether a link is one to the inbox."""
    return url.startswith(SCHEME)


class Inbox:
    """The files in `folder`, which is made with the first one; none has more than `cap_bytes`."""

    def __init__(self, folder: Path, *, cap_bytes: int) -> None:
        self.folder = folder
        self.cap_bytes = cap_bytes

    def receive(self, name: str = "") -> "Incoming":
        """Return a file to be written that will have this name, or one of its own."""
        return Incoming(self, name if NAME.fullmatch(name) else secrets.token_hex(10))

    def link(self, name: str) -> str:
        """Return the link to the file with this name, "" if it is not there as a whole."""
        is_there = NAME.fullmatch(name) is not None and (self.folder / name).is_file()
        return SCHEME + name if is_there else ""

    def names(self) -> list[str]:
        """Return the names of all that is there, whole or not."""
        try:
            return sorted({path.name.removesuffix(PART) for path in self.folder.iterdir()})
        except OSError:
            return []

    def remove(self, name: str) -> None:
        """Remove a file, whole or not, if it is there."""
        if NAME.fullmatch(name):
            for path in (self.folder / name, self.folder / (name + PART)):
                files.remove(path)

    async def fetch(self, link: str, sink: Callable[[bytes], None], *, cap_bytes: int) -> None:
        """Pass the bytes of a file to `sink`, as downloads do.

        Raises LibraryError if it is gone or has more than `cap_bytes`, and whatever `sink` raises.
        """
        try:
            with self._opened(link.removeprefix(SCHEME)) as file:
                if os.fstat(file.fileno()).st_size > cap_bytes:
                    raise LibraryError(f"The audio has {_too_many(cap_bytes)}.")
                while piece := await run_sync(file.read, PIECE_BYTES):
                    sink(piece)
        except OSError as error:
            raise LibraryError(GONE) from error

    def _opened(self, name: str) -> FileIO:
        if not NAME.fullmatch(name):
            raise LibraryError(GONE)
        return FileIO(files.open_plain(self.folder / name), "rb")


class Incoming:
    """A file that is being received. Nothing here raises: what was sent is read to its end anyway.

    `fault` says, as the end of a sentence, why the file cannot be kept; "" as long as it can.
    """

    def __init__(self, inbox: Inbox, name: str) -> None:
        self.name = name
        self.fault = ""
        self._inbox = inbox
        self._part = inbox.folder / (name + PART)
        self._file: FileIO | None = None
        self._size = 0

    def write(self, data: bytes) -> None:
        """Add `data` at the end, unless the file cannot be kept."""
        if self.fault:
            return
        self._size += len(data)
        if self._size > self._inbox.cap_bytes:
            self._fail(f"it has {_too_many(self._inbox.cap_bytes)}")
            return
        try:
            _pour(self._opened(), data)
        except OSError as error:
            self._fail(self._explained(error))

    def keep(self) -> str:
        """Return the link of the file when all of it is on the disk, or "" if that fails."""
        if self._file is None:
            self._fail(self.fault or "it was empty")
            return ""
        try:
            system.to_disk(self._file.fileno())
            self._file.close()
            files.patiently(self._part.replace, self._inbox.folder / self.name)
            folders.sync(self._inbox.folder)
        except OSError as error:
            self._fail(self._explained(error))
            return ""
        self._file = None
        return SCHEME + self.name

    def discard(self) -> None:
        """Remove what was received, unless it was kept."""
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
            files.remove(self._part)
            self._file = None

    def _opened(self) -> FileIO:
        if self._file is None:
            folders.own(self._inbox.folder)
            self._file = FileIO(os.open(self._part, NEW, 0o600), "wb")
        return self._file

    def _fail(self, fault: str) -> None:
        self.fault = fault
        self.discard()

    def _explained(self, error: OSError) -> str:
        if error.errno in FULL:
            return f"the folder {str(self._inbox.folder)!r} has no room left"
        return f"the folder {str(self._inbox.folder)!r} cannot be written ({error.strerror})"


def _too_many(cap_bytes: int) -> str:
    return f"more than {cap_bytes} bytes (SONG_MCP_CLIP_BYTES)"


def _pour(file: FileIO, data: bytes) -> None:
    """Write everything now, without a buffer: a full disk raises here and not when closing."""
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]
