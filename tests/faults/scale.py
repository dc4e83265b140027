"""How large the fault tests are: a fiftieth by default, the whole with SONG_FAULTS_SCALE=1.

Those marked `at_size`, whose smallest part takes seconds of both cores, run only if it is set.

Read when the tests are collected: a fixture takes the variables of song-mcp out of each test.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

IS_CHOSEN = "SONG_FAULTS_SCALE" in os.environ
SCALE = float(os.environ.get("SONG_FAULTS_SCALE", "0.02"))
REPORTS = os.environ.get("SONG_FAULTS_REPORTS", "")
"""The file in which what was counted is kept, "" for none."""
LIMIT_S = 300.0 + 1500.0 * SCALE
"""What each phase of a fault test may take, on the slowest of machines."""


def scaled(full: int, least: int = 1) -> int:
    """Return the part of `full` that this run does, at least `least`.

    If a part would miss a kind of fault, `least` says how much has all of them.
    """
    return max(least, round(full * SCALE))


def sample(rows: Iterable[T]) -> list[T]:
    """Return all of these at the size that was chosen, and every third by default."""
    return list(rows)[:: 1 if IS_CHOSEN else 3]


def report(line: str) -> None:
    """Print what was counted, and keep it for `make faults`, whose workers' output nobody sees."""
    print(line)
    if REPORTS:
        with Path(REPORTS).open("a", encoding="utf-8") as reports:
            reports.write(line.rstrip("\n") + "\n")
