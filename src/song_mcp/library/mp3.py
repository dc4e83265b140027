"""MP3 files joined at the borders of their frames, without decoding anything.

Three things make this more than putting files one after the other:

* The header frame. A file may begin with a frame that holds no sound but numbers of the whole file
  (Xing, Info, VBRI). Those of the parts are left out, and one for the whole is written.
* The encoder's delay. An encoder puts some samples before the first one of the sound, and may say
  in the header frame how many. A player drops them at the start of a file, but nobody drops them in
  the middle. So whole frames of them are left out there, and the rest is counted: each part begins
  as near to its time as frames allow, so what is rounded away does not add up over the parts.
* The bit reservoir. A frame's data may begin up to 511 bytes before it, in the frames before. What
  is cut off at the end of a part takes nothing from the rest, because no data lies after its own
  frame. If frames are left out at the start of a part, the bytes in them that the next ones need
  are kept: they are put where the last frame before the seam has room, and it gets the header of a
  higher bitrate if it has none. If even that is not enough, fewer frames are left out. Frames whose
  bytes the part itself lacks are silenced: a player would take the bytes of another frame for them.

What is read comes from outside: nothing is believed that could cost more than the file's size does.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate, islice, pairwise
from typing import NamedTuple

from song_mcp.library.formats import BITRATES, SAMPLE_RATES

MPEG_1 = 3
"""The header's number of the version whose frames have two granules."""
MONO = 3
"""The header's number of the only mode with one channel."""
UNPROTECTED = 1
"""The bit of a header's second byte that says that no checksum follows."""
HEAD = 4
CHECKSUM = 2
RESERVOIR = 511
"""The most bytes by which a frame's data may begin before it."""
DECODER_DELAY = 529
"""Samples by which every decoder is late."""
JUNK_LIMIT = 2**16
"""The most bytes of a file that are skipped between its frames and behind them."""
FRAMES_LIMIT = 150_000
"""The most frames of a file, and of a whole: an hour has 150,000 of the shortest usual ones."""
ENCODERS = (b"LAME", b"Lavc", b"Lavf", b"L3.9")
"""How the names of encoders begin that say their delays behind them."""
XING_FIELDS = ((1, 4), (2, 4), (4, 100), (8, 4))
"""The flag and the bytes of each field in a Xing header: frames, bytes, places, quality."""
ALL_FIELDS = 0x0F
PLACES = 100
TAG_BYTES = 36
"""The bytes that LAME adds: a name, the delays at DELAYS, and at the end a length and checksums."""
DELAYS = 21

Frame = memoryview | bytes


class Shape(NamedTuple):
    """What the frames of a stream share: the number of the MPEG version, Hertz and channels."""

    version: int
    rate: int
    channels: int

    @classmethod
    def of(cls, frame: Frame) -> "Shape":
        """Return the shape of a stream of which this is a frame."""
        version = frame[1] >> 3 & 3
        rate = SAMPLE_RATES[version][frame[2] >> 2 & 3]
        return cls(version, rate, 1 if frame[3] >> 6 == MONO else 2)

    @property
    def samples(self) -> int:
        """How many samples of each channel a frame has."""
        return 1152 if self.version == MPEG_1 else 576

    @property
    def side(self) -> int:
        """How many bytes of side information a frame has."""
        if self.version == MPEG_1:
            return 17 if self.channels == 1 else 32
        return 9 if self.channels == 1 else 17

    def __str__(self) -> str:
        """Say it in words."""
        name = {MPEG_1: "MPEG 1", 2: "MPEG 2"}.get(self.version, "MPEG 2.5")
        return f"{name}, {self.rate} Hz, {'mono' if self.channels == 1 else 'stereo'}"


@dataclass(frozen=True)
class Tag:
    """What an encoder says of its delays: how many samples are `before` and `after` the sound.

    `raw` are the bytes that it stands in.
    """

    before: int
    after: int
    raw: bytes


@dataclass(frozen=True)
class Sound:
    """The frames of an MP3 file that hold sound, in order."""

    shape: Shape
    frames: Sequence[Frame]
    tag: Tag | None = None

    @property
    def early(self) -> int:
        """How many samples are played before the first one of the sound, as far as is known."""
        return self.tag.before + DECODER_DELAY if self.tag else 0

    @property
    def length(self) -> int:
        """How many samples of each channel the sound has."""
        delays = self.tag.before + self.tag.after if self.tag else 0
        return max(0, len(self.frames) * self.shape.samples - delays)


# Reading -----------------------------------------------------------------------------------


def sound_of(content: bytes, start: int) -> Sound:
    """Return the sound of an MP3 file, whose first frame is at `start` or soon after.

    Raises ValueError if it has no frames that can be read, too many, or too much between them.
    """
    reader = _Reader(content, start)
    first = next(reader, None)
    if first is None:
        raise ValueError("it has no frames that can be read")
    is_header, tag = _header_frame(first)
    if is_header:
        reader.shape = None  # some encoders write that frame in another mode
    else:
        reader = _Reader(content, start)
    frames = list(islice(reader, FRAMES_LIMIT + 1))
    if reader.shape is None:
        raise ValueError("it has no frames that can be read")
    if len(frames) > FRAMES_LIMIT:
        raise ValueError("it has too many frames")
    return Sound(reader.shape, frames, tag)


class _Reader(Iterator[Frame]):
    """Reads frame after frame; all have the `shape` of the first one, None before that."""

    def __init__(self, content: bytes, at: int) -> None:
        self.shape: Shape | None = None
        self._content = content
        self._view = memoryview(content)
        self._at = at
        self._junk = JUNK_LIMIT

    def __next__(self) -> Frame:
        """Return the next frame that is whole, and skip what is none."""
        length = self._length(self._at) if self.shape else 0
        if not length:
            length = self._found()
        frame = self._view[self._at : self._at + length]
        self.shape = self.shape or Shape.of(frame)
        self._at += length
        return frame

    def _length(self, at: int) -> int:
        """Return the length of the frame at `at`, 0 if there is none or it is cut off."""
        length = frame_length(self._view[at : at + HEAD], self.shape)
        return length if at + length <= len(self._content) else 0

    def _found(self) -> int:
        """Go to the next frame that another one follows; raises StopIteration if there is none.

        Raises ValueError if more would have to be skipped, as sound would be lost unseen.
        """
        start, end = self._at, self._at + self._junk
        while (at := self._content.find(b"\xff", self._at, end)) >= 0:
            self._at = at + 1
            length = self._length(at)
            if length and self._length(at + length):
                self._at = at
                self._junk -= at - start
                return length
        if end < len(self._content):
            raise ValueError("it has too much between its frames that is none of them")
        raise StopIteration


def frame_length(header: Frame, shape: Shape | None = None) -> int:
    """Return the length in bytes of the frame with this header, 0 if it is none of this shape."""
    if len(header) < HEAD or header[0] != 0xFF or header[1] & 0xE6 != 0xE2:
        return 0
    length = _lengths(header[1] >> 3 & 3)[header[2]]
    return length if shape is None or not length or Shape.of(header) == shape else 0


@cache
def _lengths(version: int) -> list[int]:
    """Return the length in bytes of a frame by the third byte of its header, 0 for no frame."""
    if version not in SAMPLE_RATES:
        return [0] * 256
    kilobits = (0, *BITRATES[1 if version == MPEG_1 else 2], 0)
    rates = (*SAMPLE_RATES[version], 0)
    bits_per_hertz = 144_000 if version == MPEG_1 else 72_000
    return [
        kilobits[third >> 4] * bits_per_hertz // rate + (third >> 1 & 1)
        if kilobits[third >> 4] and (rate := rates[third >> 2 & 3])
        else 0
        for third in range(256)
    ]


def _header_frame(frame: Frame) -> tuple[bool, Tag | None]:
    """Tell whether this is the header frame of a file, and return the delays that it says."""
    if bytes(frame[36:40]) == b"VBRI":
        return True, None
    side_end = HEAD + Shape.of(frame).side
    for at in (side_end, side_end + CHECKSUM):
        if bytes(frame[at : at + 4]) in {b"Xing", b"Info"}:
            return True, _tag(bytes(frame[at:]))
    return False, None


def _tag(xing: bytes) -> Tag | None:
    """Return the delays that an encoder says behind a Xing header, None if it says none."""
    flags = int.from_bytes(xing[4:8], "big")
    start = 8 + sum(size for flag, size in XING_FIELDS if flags & flag)
    raw = xing[start : start + TAG_BYTES]
    if len(raw) < TAG_BYTES or not raw.startswith(ENCODERS):
        return None
    delays = int.from_bytes(raw[DELAYS : DELAYS + 3], "big")
    return Tag(delays >> 12, delays & 0xFFF, raw)


# One frame ---------------------------------------------------------------------------------


def _side(frame: Frame) -> int:
    """Return where the side information of a frame starts."""
    return HEAD if frame[1] & UNPROTECTED else HEAD + CHECKSUM


def _room(frame: Frame, shape: Shape) -> int:
    """Return how many bytes for data a frame has."""
    return len(frame) - _side(frame) - shape.side


def _back(frame: Frame, shape: Shape) -> int:
    """Return how many bytes before the room in the frame its data begins, rooms alone counted."""
    start = _side(frame)
    return frame[start] << 1 | frame[start + 1] >> 7 if shape.version == MPEG_1 else frame[start]


def _data(frame: Frame, shape: Shape) -> int:
    """Return how many bytes of data a frame has: the sum of what its granules say, in bits."""
    start = _side(frame)
    bits = int.from_bytes(frame[start : start + shape.side], "big")
    if shape.version == MPEG_1:
        before, each, count = 18 if shape.channels == 1 else 20, 59, 2 * shape.channels
    else:
        before, each, count = 9 if shape.channels == 1 else 10, 63, shape.channels
    end = 8 * shape.side - before
    lengths = (bits >> (end - each * index - 12) & 0xFFF for index in range(count))
    return -(-sum(lengths) // 8)


def _silent(frame: Frame, shape: Shape, back: int) -> bytes:
    """Return the frame without sound; its room, which may hold data of others, stays.

    It has no data, but says `back` bytes: a decoder keeps no bytes before those for later frames.
    """
    start = _side(frame)
    unused = 8 * shape.side - (9 if shape.version == MPEG_1 else 8)
    side = (back << unused).to_bytes(shape.side, "big")
    return _sealed(frame[:start], side, frame[start + shape.side :])


def _larger(frame: Frame, bytes_more: int) -> Frame | None:
    """Return the frame with room for at least `bytes_more`, None if no bitrate has that."""
    for bitrate in range(frame[2] >> 4, 15):
        head = bytes([*frame[:2], bitrate << 4 | frame[2] & 0x0F, *frame[3 : _side(frame)]])
        more = frame_length(head) - len(frame)
        if more >= bytes_more:
            side = Shape.of(frame).side
            at = _side(frame)
            return _sealed(
                head, bytes(frame[at : at + side]), bytes(frame[at + side :]) + bytes(more)
            )
    return None


def _sealed(head: Frame, side: bytes, room: Frame) -> bytes:
    """Return a frame of these parts, with a right checksum if it has one."""
    if len(head) > HEAD:
        checksum = _checksum(bytes(head[2:HEAD]) + side)
        head = bytes(head[:HEAD]) + checksum.to_bytes(CHECKSUM, "big")
    return bytes(head) + side + bytes(room)


def _checksum(covered: bytes) -> int:
    """Return the checksum of a frame: CRC-16 with 0x8005, from all ones."""
    value = 0xFFFF
    for byte in covered:
        value ^= byte << 8
        for _ in range(8):
            value = value << 1 ^ (0x18005 if value & 0x8000 else 0)
    return value


# The seam ----------------------------------------------------------------------------------


def _start(sound: Sound, skipped: int) -> tuple[bytes, Sequence[Frame]]:
    """Return how a part can begin with its frame number `skipped`.

    That are the bytes of the frames before it that the next ones need, and all frames that follow,
    those silenced whose bytes even the part lacks.
    """
    shape, frames = sound.shape, list(sound.frames[skipped:])
    before = b"".join(
        bytes(frame[_side(frame) + shape.side :])
        for frame in sound.frames[max(0, skipped - RESERVOIR) : skipped]
    )
    needed = at = 0
    for index, frame in enumerate(frames):
        if at >= RESERVOIR:
            break
        back = _back(frame, shape) - at
        if back > len(before):
            frames[index] = _silent(frame, shape, min(at, _back(frame, shape)))
        else:
            needed = max(needed, back)
        at += _room(frame, shape)
    return before[len(before) - needed :], frames


def _carry(frames: list[Frame], carried: bytes, shape: Shape) -> bool:
    """Put bytes behind the data of the last of these frames; return whether there was room."""
    if not carried:
        return True
    if not frames:
        return False
    last = frames[-1]
    data_here = max(0, _data(last, shape) - _back(last, shape))
    missing = len(carried) - max(0, _room(last, shape) - data_here)
    larger = _larger(last, missing) if missing > 0 else last
    if larger is None:
        return False
    frames[-1] = bytes(larger[: len(larger) - len(carried)]) + carried
    return True


# The whole ---------------------------------------------------------------------------------


def joined(parts: Sequence[tuple[Sound, float | None]]) -> bytes:
    """Return one MP3 file with the frames of these parts in order.

    Each part plays from its beginning up to so many seconds, None for all of it; the last one plays
    to its end. The parts have one shape. Raises ValueError if the whole has too many frames.
    """
    first, last = parts[0][0], parts[-1][0]
    whole = _Whole(first)
    for (_, until_s), (following, _) in pairwise(parts):
        whole.go_on(until_s, following)
    frames = whole.played_out()
    if len(frames) > FRAMES_LIMIT:
        raise ValueError("together they are too long")
    tag = _tag_of_whole(first.tag, last.tag.after) if first.tag and last.tag else b""
    return b"".join([_header(frames, first.shape, tag), *frames])


class _Whole:
    """The frames of a whole in the making, and the part that plays now.

    `_starts_at` is how many samples a decoder has played when the sound of that part starts.
    """

    def __init__(self, first: Sound) -> None:
        self._frames: list[Frame] = []
        self._sound = first
        _, self._rest = _start(first, 0)
        self._starts_at = float(first.early)

    def go_on(self, until_s: float | None, following: Sound) -> None:
        """Let what plays end after so many seconds of it, and the following sound start then.

        As many of the frames before that sound are left out as it has room for their data.
        """
        sound, samples = self._sound, self._sound.shape.samples
        length = sound.length if until_s is None else min(until_s * sound.shape.rate, sound.length)
        for skipped in range(round(following.early / samples), -1, -1):
            carried, rest = _start(following, skipped)
            early = following.early - skipped * samples
            wanted = round((self._starts_at + length - early) / samples)
            frames = [*self._frames, *self._rest[: max(0, wanted - len(self._frames))]]
            if _carry(frames, carried, sound.shape):
                self._starts_at += length
                self._frames, self._sound, self._rest = frames, following, rest
                return

    def played_out(self) -> list[Frame]:
        """Return all frames, those of the part that plays to its end."""
        return [*self._frames, *self._rest]


def _header(frames: Sequence[Frame], shape: Shape, tag: bytes) -> bytes:
    """Return the header frame of a file with these frames."""
    bitrates = {frame[2] & 0xF0 for frame in frames}
    is_constant = len(bitrates) == 1
    first = frames[0]
    least = HEAD + shape.side + 8 + sum(size for _, size in XING_FIELDS) + TAG_BYTES
    wished = [frame[2] & 0xF0 for frame in frames[:1]] if is_constant else []
    heads = (
        bytes([first[0], first[1] | UNPROTECTED, bitrate | first[2] & 0x0C, first[3]])
        for bitrate in (*wished, *range(0x10, 0xF0, 0x10))
    )
    head = next(head for head in heads if frame_length(head) >= least)
    ends = [frame_length(head), *accumulate(map(len, frames), initial=frame_length(head))][1:]
    total = ends[-1]
    places = bytes(ends[len(frames) * place // PLACES] * 256 // total for place in range(PLACES))
    xing = (
        (b"Info" if is_constant else b"Xing")
        + ALL_FIELDS.to_bytes(4, "big")
        + len(frames).to_bytes(4, "big")
        + total.to_bytes(4, "big")
        + places
        + bytes(4)
    )
    start = head + bytes(shape.side) + xing
    if tag:
        start += tag[:-8] + total.to_bytes(4, "big") + bytes(2)
        start += _tag_checksum(start).to_bytes(2, "big")
    return start.ljust(frame_length(head), b"\0")


def _tag_of_whole(first: Tag, after: int) -> bytes:
    """Return what LAME adds, with the delay before the first part and that after the last one."""
    delays = (first.before << 12 | after).to_bytes(3, "big")
    return first.raw[:DELAYS] + delays + first.raw[DELAYS + 3 :]


def _tag_checksum(covered: bytes) -> int:
    """Return the checksum of a header frame: CRC-16 with 0x8005 and all bits reversed, from 0."""
    value = 0
    for byte in covered:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return value
