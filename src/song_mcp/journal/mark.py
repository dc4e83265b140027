"""The mark: a file beside the journal, by which a restored copy of it is known.

Each submission writes its own moment: the number, and the task that was sent. A journal without
that moment is an older copy, however far it has come since with what it knows. The mark is never
ahead of the journal that wrote it. A mark that is missing
or cannot be read or written says nothing; nor does it if it was restored together with the journal.
"""

import logging
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from song_mcp import files, system

logger = logging.getLogger(__name__)

LONGEST = 100
"""The most bytes of a mark."""
NUMBER_DIGITS = 18
NEW = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | system.BINARY


@dataclass(frozen=True)
class Moment:
    """The moment, by its number, at which a submission of the task `local_id` was begun."""

    number: int
    local_id: str


class Mark:
    """The mark of the journal in the file `journal`."""

    def __init__(self, journal: Path) -> None:
        self._path = journal.with_name(f"{journal.name}.mark")

    def read(self) -> Moment | None:
        """Return the moment, None if there is none."""
        with suppress(OSError, ValueError), self._path.open("rb") as file:
            number, local_id = file.read(LONGEST).decode("ascii").split()
            if number.isdecimal() and len(number) <= NUMBER_DIGITS:
                return Moment(int(number), local_id)
        return None

    def write(self, moment: Moment) -> None:
        """Write the moment, as well as the disk allows."""
        new = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        try:
            with os.fdopen(os.open(new, NEW, 0o600), "wb") as file:
                file.write(f"{moment.number} {moment.local_id}".encode())
            files.patiently(new.replace, self._path)
        except OSError as error:
            logger.info("the mark of the journal cannot be written: %s", error.strerror)
            files.remove(new)

    def forget(self) -> None:
        """Remove the mark: the journal was replaced by what could be read of it."""
        files.remove(self._path)
