"""How large the fault tests are: a tenth by default, all of it with SONG_FAULTS_SCALE=1.

Read when the tests are collected: a fixture takes the variables of song-mcp out of each test.
"""

import os

SCALE = float(os.environ.get("SONG_FAULTS_SCALE", "0.1"))


def scaled(full: int) -> int:
    """Give the part of `full` that this run does, at least 1."""
    return max(1, round(full * SCALE))
