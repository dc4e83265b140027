"""Saves one song after the other into a folder, until it is killed in the middle of one.

`python -m tests.faults.saver FOLDER RUN` prints a line for each song that it begins.
"""

import sys
from dataclasses import replace
from pathlib import Path

import anyio

from song_mcp.library.store import Library
from tests.faults.names import AUDIO, CAP, CLIP, COVER, PICTURE, SONG, TASK, Web


async def save_for_ever(folder: Path, run: str) -> None:
    library = Library(folder, Web({AUDIO: SONG, COVER: PICTURE}), cap_bytes=CAP)
    number = 0
    while True:
        number += 1
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()
        await library.save(TASK, replace(CLIP, clip_id=f"{run}-{number}", image_url=COVER))


if __name__ == "__main__":
    anyio.run(save_for_ever, Path(sys.argv[1]), sys.argv[2])
