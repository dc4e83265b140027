"""How much of a fault test is run: all with `make faults`, a tenth with `make test`."""

import os

FULL = 1.0
A_TENTH = 0.1


def scale() -> float:
    return float(os.environ.get("SONG_FAULTS_SCALE", A_TENTH))


def scaled(full: int, least: int = 1) -> int:
    """Give the size to run of a test whose full size is `full`."""
    return max(least, round(full * scale()))


def report(line: str) -> None:
    """Print what was counted; `make faults` shows it."""
    print(line)  # noqa: T201 - the figures are the point
