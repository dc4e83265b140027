"""Clients' files on the disk: read whole, replaced in one step, never half-written."""

from pathlib import Path

LARGEST = 64 * 2**20
"""No client's file is larger; what is, is something else."""


class RefusedError(Exception):
    """A file stays as it is; the text says why and what to do, without what stands in it."""


def read(file: Path) -> str:
    """Return the text of a file with its line ends; raises RefusedError if it cannot be read."""
    try:
        with file.open("rb") as opened:
            data = opened.read(LARGEST + 1)
    except OSError as error:
        raise RefusedError(f"it cannot be read ({error.strerror})") from None
    if len(data) > LARGEST:
        raise RefusedError("it is too large to be a file of settings")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise RefusedError("it is not UTF-8 text: save it as UTF-8") from None
