"""The mark: a number in a file beside the journal, by which a restored copy of it is known.

Each submission writes how far the journal had come when it was sent. A journal that has not come so
far is an older copy. The mark is never ahead of the journal that wrote it. A mark that is missing
or cannot be read or written says nothing; nor does it if it was restored together with the journal.
"""

import logging
import os
from contextlib import suppress
from pathlib import Path

logger = logging.getLogger(__name__)

LONGEST = 20
"""The most digits of a mark."""


class Mark:
    """The mark of the journal in the file `journal`."""

    def __init__(self, journal: Path) -> None:
        self._path = journal.with_name(f"{journal.name}.mark")

    def read(self) -> int:
        """Return the number, 0 if there is none."""
        with suppress(OSError, ValueError), self._path.open("rb") as file:
            return int(file.read(LONGEST))
        return 0

    def write(self, number: int) -> None:
        """Write the number, as well as the disk allows."""
        new = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        try:
            with os.fdopen(
                os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb"
            ) as file:
                file.write(b"%d" % number)
            new.replace(self._path)
        except OSError as error:
            logger.info("the mark of the journal cannot be written: %s", error.strerror)
            with suppress(OSError):
                new.unlink()

    def forget(self) -> None:
        """Remove the mark: the journal was replaced by what could be read of it."""
        with suppress(OSError):
            self._path.unlink()
