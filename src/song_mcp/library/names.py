"""What the file of a clip is called.

Whatever the title is, a name has only letters, marks, digits, dashes and single spaces. It ends
with the beginning of a key that stands for this clip and no other.
"""

import base64
import hashlib
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from song_mcp.library import formats
from song_mcp.songs import Clip, ServiceName, Task
from song_mcp.text import clean

DESCRIPTION_WORDS = 6
"""With so many words of its description a file is named whose song has no title."""
TITLE_CHARACTERS, TITLE_BYTES = 60, 120
"""How much of a title a file name may have: with key and extension it fits on every system."""
LONGEST_EXTENSION = 5
"""How long the extension of a file beside a song may be, with its dot."""
MARKS = 8
"""How many marks one letter may have: no script needs more, Tibetan and Hebrew included."""
INVISIBLE_MARK = re.compile("[\ufe00-\ufe0f\u180b-\u180f\u17b4\u17b5]")
APOSTROPHES = "'\u2018\u2019"
"""Signs inside words, which are removed without leaving a space."""
ID_LENGTHS = (8, 16, 32, 52)
"""How many characters of a clip's key its file name has: more only if the name is taken."""
AUDIO_EXTENSIONS = tuple(kind.extension for kind in formats.AUDIO)


def key_of(task: Task, clip: Clip) -> str:
    """Return the `digest` that stands for this clip, and no other."""
    return digest(task.service, clip.clip_id)


def digest(service: ServiceName, clip_id: str) -> str:
    """Return 52 lower-case letters and digits that stand for the clip with this id at `service`."""
    name = f"{service}\0{clip_id}".encode(errors="backslashreplace")
    return base64.b32encode(hashlib.sha256(name).digest()).decode().rstrip("=").lower()


def short_id(task: Task, clip: Clip) -> str:
    """Return the beginning of the key, which ends the file's name: people call the clip by it."""
    return key_of(task, clip)[: ID_LENGTHS[0]]


def file_names(
    task: Task, clip: Clip, extension: str, *, longest: int | None = None
) -> Iterator[str]:
    """Yield the names that the clip's file may have, best first.

    The part of the key also prevents names with a special meaning, such as NUL on Windows. With
    `longest`, no name has more UTF-16 units, nor has one of a file beside it: the title is cut or
    left out, the key is not.
    """
    titles = (clip.title or task.title, _untitled(task), task.model, "song")
    stem = next(filter(None, map(file_stem, titles)))
    key = key_of(task, clip)
    for length in ID_LENGTHS:
        ending = f" {key[:length]}"
        if longest is None:
            yield f"{stem}{ending}{extension}"
            continue
        room = longest - max(len(extension), LONGEST_EXTENSION) - len(ending)
        if room >= -1:  # without a title there is no blank before the key
            yield f"{file_stem(stem, units=max(room, 0))}{ending}{extension}".strip()


def _untitled(task: Task) -> str:
    """Return what a song without a title is about, shortly: some services give no titles."""
    if task.kind == "cover" and task.source and task.source.title:
        return f"{task.source.title} cover"
    words = task.description.split()[:DESCRIPTION_WORDS]
    return " ".join(words)


def is_named_for(path: Path, key: str) -> bool:
    """Tell whether this is an audio file whose name ends with the beginning of `key`."""
    ending = path.stem.rpartition(" ")[2]
    is_long_enough = len(ending) >= ID_LENGTHS[0]
    return path.suffix in AUDIO_EXTENSIONS and is_long_enough and key.startswith(ending)


def file_stem(title: str, *, units: int = TITLE_BYTES) -> str:
    """Return the letters, marks and digits of a title as words, "" if it has none.

    At most 60 characters, 120 bytes of UTF-8 in NFC and so many UTF-16 `units`, never cut between a
    letter and its marks. A dash stays between two words that it joins; other signs become one
    space.
    """
    text = unicodedata.normalize("NFC", clean(title, limit=1000, lines=False))
    text = re.sub(r" [ -]*|-[ -]+", " ", "".join(_clusters(text))).strip(" -")
    stem = ""
    for cluster in _clusters(text):
        longer = stem + cluster
        if len(longer) > TITLE_CHARACTERS or len(longer.encode()) > TITLE_BYTES:
            break
        if units_of(longer) > units:
            break
        stem = longer
    return stem.strip(" -")


def units_of(text: str) -> int:
    """Return how long a text is where lengths are counted in units of UTF-16, as on Windows."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _clusters(text: str) -> list[str]:
    """Split into letters with their marks; signs become a space, dashes a plain dash."""
    clusters: list[str] = []
    for char in text:
        category = unicodedata.category(char)
        if category[0] in "LN":
            clusters.append(char)
        elif category[0] == "M":
            is_placed = bool(clusters) and clusters[-1] not in {" ", "-"}
            if is_placed and len(clusters[-1]) <= MARKS and not INVISIBLE_MARK.match(char):
                clusters[-1] += char
        elif char not in APOSTROPHES and category != "Cf":
            clusters.append("-" if category == "Pd" else " ")
    return clusters
