"""Songs to be saved under attack, and how the folder and its surroundings must look after it."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import anyio.lowlevel

from song_mcp.songs import Clip, Task
from tests import recordings

AUDIO, COVER = "https://cdn.example/a.mp3", "https://cdn.example/a.png"
SONG = recordings.mp3(0.3)
PICTURE = recordings.PNG
CAP = 2**20
TASK = Task("l1", "piapi", "udio", "song", "completed", datetime(2026, 11, 22, tzinfo=UTC))
CLIP = Clip("c1", "completed", title="Harbour Lights", audio_url=AUDIO)


class Web:
    """Downloads in small pieces; `between` is called before each of them."""

    def __init__(self, pages: dict[str, bytes], between: Callable[[], None] | None = None) -> None:
        self._pages = pages
        self._between = between

    async def __call__(self, url: str, sink: Callable[[bytes], None], **_: int) -> None:
        content = self._pages[url]
        for start in range(0, len(content), 500):
            await anyio.lowlevel.checkpoint()
            if self._between:
                self._between()
            sink(content[start : start + 500])


def snapshot(folder: Path) -> dict[str, str]:
    """Return everything below a folder, links as links, with a digest of each file."""
    return {str(path.relative_to(folder)): _digest(path) for path in sorted(folder.rglob("*"))}


def _digest(path: Path) -> str:
    if path.is_symlink():
        return f"link to {path.readlink()}"
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"


def is_whole(path: Path) -> bool:
    """Return whether a file of the library is a whole song, or a whole picture."""
    content = path.read_bytes()
    return content == PICTURE if path.suffix == ".png" else content.endswith(SONG)
