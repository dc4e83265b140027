"""Audio without what others wrote into its file, so that a tagger meets nothing of theirs.

Nothing limits how much metadata a file brings: a few MiB of it have cost a tagger hours, or
gigabytes. So it is not parsed but cut off, in time and memory that grow with the file's size alone.
An MP4 file holds the places of its sound, so its metadata is not cut out: it becomes free space.
"""

from io import BytesIO

from song_mcp.library import formats
from song_mcp.library.boxes import HEAD, file_boxes
from song_mcp.library.formats import Format

BOXES_LIMIT = 10_000
"""The most boxes that a tagger is shown; a song has some fifty, one in fragments a few thousand."""
TABLES_LIMIT = 2**20
"""The most bytes of tables that a tagger is shown, which makes objects of them; a song has some
100 kB."""
DEPTH_LIMIT = 6
"""How deep boxes are nested at most; those of a track's tables are five deep."""
CONTAINERS = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"moof", b"traf"}
METADATA = {b"udta", b"meta", b"ilst"}
FRAGMENT_HEAD = b"tfhd"
FROM_START = 1
"""The flag of a fragment's head that places its sound from the start of the file.

A tagger moves the sound, and mutagen corrects that place in the first fragment alone.
"""
STREAM_INFO_BYTES = 34
SOUND_CHUNKS = {b"FVER", b"COMM", b"SSND"}
"""The chunks of an AIFF file that are needed to play it."""


def bare(content: bytes, kind: Format) -> bytes:
    """Return an MP3, FLAC, M4A or AIFF file, which was recognised as that, without its metadata.

    Raises ValueError if a tagger cannot be shown the rest: it is broken, or of too many parts.
    """
    cut = {formats.MP3: _mp3, formats.FLAC: _flac, formats.M4A: _m4a, formats.AIFF: _aiff}
    return cut[kind](content)


def _mp3(content: bytes) -> bytes:
    return content[formats.mp3_start(BytesIO(content)) :]


def _flac(content: bytes) -> bytes:
    """Return the first block, which describes the sound, and the sound."""
    blocks = list(formats.flac_blocks(BytesIO(content)))
    _, start, first_end, _ = blocks[0]
    info, (_, _, end, is_last) = content[start:first_end], blocks[-1]
    if len(info) != STREAM_INFO_BYTES or not is_last:
        raise ValueError("this FLAC file does not describe its sound")
    head = bytes([formats.STREAM_INFO | 0x80]) + STREAM_INFO_BYTES.to_bytes(3, "big")
    return b"fLaC" + head + info + content[end:]


# AIFF --------------------------------------------------------------------------------------


def _aiff(content: bytes) -> bytes:
    """Return the chunks that describe the sound, and the sound."""
    kept = [content[8:12]]
    for kind, start, length in formats.wav_chunks(BytesIO(content), ">"):
        if kind in SOUND_CHUNKS:
            kept.append(content[start - HEAD : start + length] + bytes(length % 2))
    if len(kept) > len(SOUND_CHUNKS) + 1:
        raise ValueError("this AIFF file describes its sound twice")
    whole = b"".join(kept)
    return b"FORM" + len(whole).to_bytes(4, "big") + whole


# M4A ---------------------------------------------------------------------------------------


def _m4a(content: bytes) -> bytes:
    freed = bytearray(content)
    view, film = memoryview(freed), _Film()
    for kind, start, end in file_boxes(BytesIO(content)):
        box = view[start - HEAD : end]
        is_plain = int.from_bytes(box[:4], "big") == len(box) and bytes(box[4:HEAD]) == kind
        if not is_plain and kind in CONTAINERS | METADATA:
            raise ValueError("a box of this MP4 file has an unusual length")
        film.take(box, kind)
    return bytes(freed)


class _Film:
    """Frees the metadata of an MP4 file, and counts what is left."""

    def __init__(self) -> None:
        self._boxes = self._bytes = self._depth = 0

    def take(self, box: memoryview, kind: bytes) -> None:
        """Take a box with all that is in it; raise ValueError if a tagger cannot be shown it."""
        self._boxes += 1
        if self._boxes > BOXES_LIMIT:
            raise ValueError("this MP4 file has too many boxes")
        if kind in METADATA:
            box[4:HEAD] = b"free"
        elif kind in CONTAINERS:
            self._enter(box[HEAD:])
        elif kind == FRAGMENT_HEAD and int.from_bytes(box[HEAD:][:4], "big") & FROM_START:
            raise ValueError("the places of this MP4 file's fragments would be wrong")
        elif self._depth and kind != b"free":
            self._bytes += len(box)
            if self._bytes > TABLES_LIMIT:
                raise ValueError("this MP4 file has too large tables")

    def _enter(self, content: memoryview) -> None:
        """Take each box inside; raise if they do not fill what they are in."""
        self._depth += 1
        if self._depth > DEPTH_LIMIT:
            raise ValueError("this MP4 file is nested too deep")
        while content:
            length = int.from_bytes(content[:4], "big")
            if not HEAD <= length <= len(content):
                raise ValueError("a box of this MP4 file is broken")
            box, content = content[:length], content[length:]
            self.take(box, bytes(box[4:HEAD]))
        self._depth -= 1
