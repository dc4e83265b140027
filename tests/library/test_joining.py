"""Songs joined from their parts, as FFmpeg plays them: nothing is missing, double or moved."""

import struct
import wave
from array import array
from collections.abc import Sequence
from contextlib import suppress
from io import BytesIO
from itertools import pairwise
from random import Random
from typing import Any

import av
import mutagen.mp3
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from song_mcp.errors import LibraryError
from song_mcp.library import joining, mp3
from song_mcp.library.joining import Piece, joined
from song_mcp.library.mp3 import _back, _data, _larger, _room, _silent
from tests import decoding, recordings

Made = dict[str, Any]

KINDS: dict[str, Made] = {
    "constant": {"kbits": 128},
    "poor": {"kbits": 64, "channels": 1},
    "rich": {"kbits": 320},
    "variable": {"is_variable": True},
    "48 kHz": {"rate": 48_000},
    "MPEG 2": {"rate": 22_050, "kbits": 56},
    "variable MPEG 2": {"rate": 22_050, "is_variable": True},
}
SECONDS = 2.5
CUTS = (1.234, 0.987, 2.2, 0.777, None)
"""Where the parts of a chain of five are cut, none at the border of a frame."""


def part(number: int, made: Made, *, is_tagged: bool = True, seconds: float = SECONDS) -> bytes:
    content = decoding.mp3(seconds, number, **made)
    rate, channels = made.get("rate", 44_100), made.get("channels", 2)
    return decoding.tagged(content, round(seconds * rate), rate, channels) if is_tagged else content


def pieces(contents: Sequence[bytes], cuts: Sequence[float | None]) -> list[Piece]:
    return [
        Piece(f"Part {number}", content, cut)
        for number, (content, cut) in enumerate(zip(contents, cuts, strict=True))
    ]


def check(contents: Sequence[bytes], cuts: Sequence[float | None], whole: bytes, rate: int) -> None:
    """Check that the whole's frames, once decoded, are those of the parts in order.

    Only at a seam are there others, because sound goes on for a moment in a decoder: one frame, or
    two of MPEG 2, which has half the samples in a frame.
    """
    samples = 1152 if rate > 24_000 else 576
    at_a_seam = 2304 // samples - 1
    known: dict[bytes, tuple[int, int]] = {}
    for number, content in enumerate(contents):
        for place, frame in enumerate(decoding.frames_decoded(content)):
            known.setdefault(frame, (number, place))
    found = [known.get(frame) for frame in decoding.frames_decoded(whole)]
    named = [each for each in found if each is not None]
    assert named == sorted(set(named)), "in order, and each once"
    strange = 0
    for each, following in pairwise(found):
        strange = strange + 1 if each is None else 0
        assert strange <= at_a_seam
        if each is not None and following is not None:
            assert following in {(each[0], each[1] + 1), (each[0] + 1, 0)}
    for number, cut in enumerate(cuts):
        heard = [place for who, place in named if who == number]
        if heard and cut is not None:
            assert abs((heard[-1] + 1) * samples / rate - min(cut, SECONDS)) <= 2.1 * 1152 / rate


# MP3 ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("is_tagged", [True, False])
def test_a_chain_of_five_plays_its_parts_in_order(kind: str, *, is_tagged: bool) -> None:
    made = KINDS[kind]
    rate = made.get("rate", 44_100)
    contents = [part(number, made, is_tagged=is_tagged) for number in range(5)]
    whole = joined(pieces(contents, CUTS))
    check(contents, CUTS, whole, rate)
    heard_s = len(decoding.decoded(whole)) / 4 / rate
    last_s = len(decoding.decoded(contents[-1])) / 4 / rate
    samples = 1152 if rate > 24_000 else 576
    assert abs(heard_s - sum(CUTS[:4]) - last_s) <= samples / rate
    assert abs(mutagen.mp3.MPEGInfo(BytesIO(whole)).length - heard_s) <= samples / rate


@settings(max_examples=25)
@given(
    kind=st.sampled_from(list(KINDS)),
    are_tagged=st.lists(st.booleans(), min_size=2, max_size=5),
    places=st.lists(st.floats(0.15, SECONDS + 0.2), min_size=4, max_size=4),
)
def test_any_chain_plays_its_parts_in_order(
    kind: str, are_tagged: list[bool], places: list[float]
) -> None:
    """Also if only some parts tell their delays, and for positions at and past the end."""
    made = KINDS[kind]
    rate = made.get("rate", 44_100)
    contents = [part(number, made, is_tagged=each) for number, each in enumerate(are_tagged)]
    cuts = (*places[: len(contents) - 1], None)
    whole = joined(pieces(contents, cuts))
    check(contents, cuts, whole, rate)
    lengths = [len(decoding.decoded(content)) / 4 / rate for content in contents]
    told = [
        length if cut is None else min(cut, length)
        for length, cut in zip(lengths, cuts, strict=True)
    ]
    heard_s = len(decoding.decoded(whole)) / 4 / rate
    assert abs(heard_s - sum(told)) <= 2 * 1152 / rate


@pytest.mark.parametrize("kind", KINDS)
def test_the_data_of_a_frame_ends_where_that_of_the_next_one_begins(kind: str) -> None:
    """So it is known which bytes at the end of a frame are free; LAME itself leaves few."""
    sound = mp3.sound_of(part(1, KINDS[kind]), 0)
    begun, ended, at = [], [], 0
    for frame in sound.frames:
        begun.append(at - _back(frame, sound.shape))
        ended.append(begun[-1] + _data(frame, sound.shape))
        at += _room(frame, sound.shape)
    gaps = [after - end for end, after in zip(ended, begun[1:], strict=False)]
    assert min(gaps) == 0
    assert gaps.count(0) > len(gaps) / 2


def test_where_the_last_frame_has_room_no_bitrate_is_changed() -> None:
    contents = [part(number, KINDS["constant"]) for number in range(2)]
    whole = joined(pieces(contents, (None, None)))
    frames = decoding.packets(contents[0]) + decoding.packets(contents[1])
    assert {frame[2] >> 4 for frame in decoding.packets(whole)} == {
        frame[2] >> 4 for frame in frames
    }


def test_what_the_encoder_put_before_the_sound_is_not_heard_between_parts() -> None:
    """The next part starts when the one before ends, and not 25 ms later."""
    contents = [part(number, KINDS["constant"]) for number in range(2)]
    whole = decoding.frames_decoded(joined(pieces(contents, (1.0, None))))
    first, second = (decoding.frames_decoded(content) for content in contents)
    kept = sum(frame in first for frame in whole)
    assert kept == round((44_100 + 1105) / 1152)
    assert whole[kept + 1 :] == second[2:]


def test_the_bytes_that_the_next_frames_need_are_kept_when_frames_are_left_out() -> None:
    content = part(1, KINDS["variable"])
    frames = decoding.packets(content)
    heard = decoding.frames_decoded(content)
    assert decoding.frames_decoded(b"".join(frames[1:]))[2] != heard[3], "they are needed"
    whole = decoding.frames_decoded(
        joined(pieces([part(2, KINDS["variable"]), content], (1.0, None)))
    )
    assert whole[-len(frames) + 2 :] == heard[2:]


def test_where_no_frame_has_room_for_them_no_frame_is_left_out() -> None:
    """The frames of the first part say that they are full, and no bitrate is higher."""
    side = (4095 << 224 | 4095 << 165 | 176 << 106).to_bytes(32, "big")
    full = (b"\xff\xfb\xe0\x00" + side).ljust(1044, b"\x55") * 20
    following = part(1, KINDS["variable"])
    whole = joined(pieces([full, following], (0.3, None)))
    kept = round((0.3 * 44_100 - 1105) / 1152)
    assert decoding.packets(whole)[kept:] == decoding.packets(following)
    assert whole.count(b"\x55" * 1008) == kept


def test_frames_whose_bytes_the_part_lacks_are_silent_and_not_noise() -> None:
    """A part that begins in the middle of a stream, as if somebody had cut it there."""
    content = part(1, KINDS["constant"], is_tagged=False)
    cut_open = b"".join(decoding.packets(content)[20:])
    before = part(2, KINDS["constant"], is_tagged=False)
    whole = decoding.frames_decoded(joined(pieces([before, cut_open], (1.0, None))))
    heard = decoding.frames_decoded(content)
    start = len(whole) - len(heard[20:])
    assert not any(array("f", whole[start + 1]))
    assert whole[start + 3 :] == heard[23:]
    whole = decoding.frames_decoded(joined(pieces([cut_open, before], (1.0, None))))
    assert not any(array("f", whole[0] + whole[1]))
    assert whole[3:30] == heard[23:50]


def test_the_header_says_how_much_there_is_and_where() -> None:
    contents = [part(number, KINDS["variable"]) for number in range(3)]
    whole = joined(pieces(contents, (1.0, 1.5, None)))
    told = mutagen.mp3.MPEGInfo(BytesIO(whole))
    frames = decoding.packets(whole)
    assert (told.encoder_info, told.sketchy) == ("LAME 3.100.0+", False)
    xing = whole[whole.index(b"Xing") :][:120]
    flags, count, size = struct.unpack(">III", xing[4:16])
    assert (flags, count, size) == (15, len(frames), len(whole))
    places = list(xing[16:116])
    assert places == sorted(places)
    halfway = len(whole) - sum(map(len, frames[len(frames) // 2 :]))
    assert abs(places[50] - 256 * halfway / len(whole)) <= 1


def test_a_whole_of_one_bitrate_says_so() -> None:
    contents = [part(number, KINDS["rich"], is_tagged=False) for number in range(2)]
    whole = joined(pieces(contents, (1.0, None)))
    assert mutagen.mp3.MPEGInfo(BytesIO(whole)).bitrate_mode == mutagen.mp3.BitrateMode.CBR
    assert whole[36:40] == b"Info"


def test_tags_and_what_lies_between_frames_are_left_out() -> None:
    frames = decoding.packets(part(1, KINDS["constant"]))
    tag = b"ID3\x04\0\0\0\0\0\x0a" + bytes(10)
    odd = (
        tag
        + b"".join(frames[:50])
        + b"\xff\xff\xfb junk"
        + b"".join(frames[50:])
        + b"TAG"
        + bytes(125)
    )
    whole = joined(pieces([odd, part(2, KINDS["constant"])], (None, None)))
    assert decoding.packets(whole)[:90] == frames[:90]


def test_a_frame_that_is_cut_off_at_the_end_is_left_out() -> None:
    content = part(1, KINDS["constant"], is_tagged=False)
    following = part(2, KINDS["constant"], is_tagged=False)
    whole = joined(pieces([content[:-1], following], (None, None)))
    assert decoding.packets(whole) == decoding.packets(content)[:-1] + decoding.packets(following)


def test_a_part_with_a_header_frame_of_the_other_mode_is_joined() -> None:
    content = part(1, KINDS["constant"], is_tagged=False)
    header = b"\xff\xfb\x90\xc0".ljust(21, b"\0") + b"Info\0\0\0\0"
    whole = joined(pieces([header.ljust(417, b"\0") + content, content], (1.0, None)))
    assert decoding.packets(whole)[0] == decoding.packets(content)[0]


def test_checksums_are_right_after_a_change() -> None:
    """FFmpeg refuses a frame with a wrong one, if it is told to look."""
    shape = mp3.Shape(mp3.MPEG_1, 44_100, 2)
    frame = (b"\xff\xfa\x90\x00" + bytes(2 + 32)).ljust(417, b"\0")
    silent = _silent(frame, shape, 0)
    larger = _larger(silent, 300)
    assert larger is not None
    assert len(larger) > 717
    assert accepts(silent)
    assert accepts(bytes(larger))
    assert not accepts(frame)


def accepts(frame: bytes) -> bool:
    context = av.CodecContext.create("mp3float", "r")
    context.options = {"err_detect": "crccheck+explode"}
    try:
        return bool(context.decode(av.Packet(frame)))  # type: ignore[attr-defined]  # of audio
    except av.FFmpegError:
        return False


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (
            decoding.mp3(0.5, rate=48_000),
            "Part 0 is MPEG 1, 44100 Hz, stereo, and Part 1 is MPEG 1, 48000 Hz, stereo.",
        ),
        (decoding.mp3(0.5, channels=1), "Part 1 is MPEG 1, 44100 Hz, mono"),
        (decoding.mp3(0.5, rate=22_050, kbits=56), "Part 1 is MPEG 2, 22050 Hz, stereo"),
        (recordings.wav(), "Part 0 is MP3, and Part 1 is WAV."),
        (recordings.m4a(), "Part 0 is MP3, and Part 1 is M4A."),
    ],
)
def test_parts_that_differ_are_named_with_what_they_are(other: bytes, words: str) -> None:
    with pytest.raises(LibraryError) as refused:
        joined(pieces([decoding.mp3(0.5), other], (None, None)))
    assert words in str(refused.value)
    assert "encoded anew" in str(refused.value)


def test_parts_of_another_kind_are_not_joined() -> None:
    with pytest.raises(
        LibraryError, match="The parts are FLAC, and only MP3 and WAV can be joined"
    ):
        joined(pieces([recordings.flac(), recordings.flac()], (None, None)))


def test_a_song_of_too_many_frames_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mp3, "FRAMES_LIMIT", 150)
    content = part(1, KINDS["constant"], is_tagged=False)
    assert len(decoding.packets(content)) < 150
    with pytest.raises(LibraryError, match="together they are too long"):
        joined(pieces([content, content], (None, None)))
    monkeypatch.setattr(mp3, "FRAMES_LIMIT", 50)
    with pytest.raises(LibraryError, match="Part 0 cannot be joined: it has too many frames"):
        joined(pieces([content, content], (None, None)))


def test_not_even_all_parts_are_read_if_they_have_far_too_many_frames(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    content = part(1, KINDS["constant"], is_tagged=False)
    monkeypatch.setattr(joining, "READ_LIMIT", 3 * len(decoding.packets(content)) - 1)
    assert joined(pieces([content] * 2, (0.1, None)))
    with pytest.raises(LibraryError, match="too many frames"):
        joined(pieces([content] * 3, (0.1, 0.1, None)))


@settings(max_examples=60)
@given(
    kind=st.sampled_from(list(KINDS)),
    is_tagged=st.booleans(),
    changes=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=20),
    rest=st.integers(0, 8000),
)
def test_a_damaged_part_is_joined_or_refused(
    kind: str, changes: list[tuple[int, int]], rest: int, *, is_tagged: bool
) -> None:
    damaged = bytearray(part(1, KINDS[kind], is_tagged=is_tagged))
    for place, byte in changes:
        damaged[place] = byte
    good = part(2, KINDS[kind])
    for contents in ([bytes(damaged[: rest + 2000]), good], [good, bytes(damaged[: rest + 2000])]):
        with suppress(LibraryError):
            joined(pieces(contents, (1.0, None)))


def test_what_is_no_frame_is_searched_only_so_far() -> None:
    """Each byte looks like the beginning of a frame."""
    frames = decoding.packets(decoding.mp3(0.5))
    content = b"".join(frames[:10]) + b"\xff" * 2_000_000 + b"".join(frames[10:])
    for unreadable in (content, b"\xff" * 2_000_000):
        with pytest.raises(ValueError, match="too much between"):
            mp3.sound_of(unreadable, 0)
    with pytest.raises(ValueError, match="no frames"):
        mp3.sound_of(b"\xff" * 2_000, 0)


def test_a_part_that_changes_its_mode_is_not_cut_short_unseen() -> None:
    changed = decoding.mp3(0.5) + decoding.mp3(9.0, 2, channels=1)
    with pytest.raises(LibraryError, match="Part 0 cannot be joined: it has too much between"):
        joined(pieces([changed, decoding.mp3(0.5)], (None, None)))


# WAV ---------------------------------------------------------------------------------------


def wav(seconds: float, seed: int, *, rate: int = 44_100, width: int = 2) -> bytes:
    file = BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(2)
        writer.setsampwidth(width)
        writer.setframerate(rate)
        writer.writeframes(Random(seed).randbytes(2 * width * round(seconds * rate)))  # noqa: S311 - any noise will do
    return file.getvalue()


def samples_of(content: bytes) -> bytes:
    with wave.open(BytesIO(content)) as reader:
        return bytes(reader.readframes(reader.getnframes()))


@pytest.mark.parametrize("width", [1, 2, 3])
def test_samples_are_joined_exactly(width: int) -> None:
    first, second = wav(0.3, 1, width=width), wav(0.2, 2, width=width)
    whole = joined(pieces([first, second], (0.123456, None)))
    kept = round(0.123456 * 44_100) * 2 * width
    assert samples_of(whole) == samples_of(first)[:kept] + samples_of(second)
    assert len(whole) == int.from_bytes(whole[4:8], "little") + 8


def test_a_placeholder_in_place_of_the_length_means_all_samples() -> None:
    first, second = bytearray(wav(0.1, 1)), wav(0.1, 2)
    first[40:44] = b"\xff" * 4
    whole = joined(pieces([bytes(first), second], (9.0, None)))
    assert samples_of(whole) == bytes(first[44:]) + samples_of(second)


@pytest.mark.parametrize(
    "other", [wav(0.1, 2, rate=48_000), wav(0.1, 2, width=3), recordings.wav(0.1)]
)
def test_samples_that_differ_are_not_joined(other: bytes) -> None:
    with pytest.raises(
        LibraryError, match=r"Part 0 is WAV, 44100 Hz, stereo, 16 bits.* Part 1 is WAV"
    ):
        joined(pieces([wav(0.1, 1), other], (None, None)))


def test_packed_samples_are_not_counted() -> None:
    packed = bytearray(wav(0.1, 1))
    packed[20:22] = b"\x11\0"  # ADPCM
    with pytest.raises(LibraryError, match="Part 0 cannot be joined"):
        joined(pieces([bytes(packed)] * 2, (None, None)))
