"""What is in front of the audio is left out, and lengths that are not true are made true."""

import struct
import wave
from collections.abc import Callable
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from song_mcp.errors import NotYetError
from song_mcp.library import formats
from song_mcp.library.lengths import measured_s
from song_mcp.library.mending import mended
from tests import recordings
from tests.faults.crafted_files import id3

AUDIO: dict[str, tuple[bytes, formats.Format]] = {
    "mp3": (recordings.mp3(), formats.MP3),
    "aac": (recordings.aac(), formats.AAC),
    "wav": (recordings.wav(), formats.WAV),
    "aiff": (recordings.aiff(), formats.AIFF),
    "flac": (recordings.flac(), formats.FLAC),
    "vorbis": (recordings.vorbis(), formats.VORBIS),
    "ogg flac": (recordings.ogg_flac(), formats.OGG_FLAC),
    "webm": (recordings.webm(), formats.WEBM),
    "m4a": (recordings.m4a(), formats.M4A),
}
MP3, WAV, AIFF = (AUDIO[name][0] for name in ("mp3", "wav", "aiff"))
SOUND = len(WAV) - 44
TAG = id3(bytes(300))
BIG_TAG = id3(bytes(600_000))
JUNK = {
    "zeros": bytes(417),
    "a line end": b"\r\n",
    "spaces and line ends": b" \n\t\r\n" * 50,
    "as many zeros as may be": bytes(2**17 - 1),
    "a tag": TAG,
    "a line end and a tag": b"\r\n" + TAG,
    "a tag and zeros": TAG + bytes(5000),
    "zeros and a tag with a large picture": bytes(40) + BIG_TAG,
}
NOISE = {
    "filling": b"\xff" * 60_000,
    "letters": b"U" * 5000,
    "a text": b"One moment please. " * 300,
    "noise": bytes(range(1, 256)) * 300,
    "the beginnings of frames": b"\xff\xfb\x90\x00" * 3 + bytes(9),
    "a head of a radio": b"ICY 200 OK\r\nicy-name: x\r\n\r\n",
}


@pytest.mark.parametrize("junk", JUNK)
@pytest.mark.parametrize("name", AUDIO)
def test_what_is_in_front_of_the_audio_is_left_out(name: str, junk: str) -> None:
    audio, kind = AUDIO[name]
    content = mended(JUNK[junk] + audio)
    assert formats.recognise(BytesIO(content)) == kind
    assert content == audio


@pytest.mark.parametrize("junk", NOISE)
@pytest.mark.parametrize("name", ["mp3", "aac"])
def test_frames_are_found_behind_any_padding(name: str, junk: str) -> None:
    assert mended(NOISE[junk] + AUDIO[name][0]) == AUDIO[name][0]


@pytest.mark.parametrize("name", AUDIO)
def test_audio_that_needs_no_mending_is_the_same_object(name: str) -> None:
    audio, _ = AUDIO[name]
    assert mended(audio) is audio


def test_an_mp3_keeps_its_first_frames_though_bytes_are_missing_behind_them() -> None:
    broken = MP3[:900] + MP3[950:]
    assert mended(broken) == broken


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0",
        b"\xff",
        bytes(200_000) + MP3,
        b"<html>" + MP3,
        b'{"error": 1}\n' + MP3,
        recordings.PNG + MP3,
        b"PK\3\4" + bytes(26) + MP3,
        b"FLV\1\5\0\0\0\x09" + MP3,
        MP3[:300],
        b"#EXTM3U\n",
    ],
)
def test_what_is_no_audio_stays_as_it_is(content: bytes) -> None:
    assert mended(content) == content


# Lengths -----------------------------------------------------------------------------------


def wav_told(data: int, whole: int | None = None, content: bytes = WAV) -> bytes:
    """A WAV file that tells this length of its sound, and of the whole."""
    told = bytearray(content)
    told[40:44] = struct.pack("<I", data)
    if whole is not None:
        told[4:8] = struct.pack("<I", whole)
    return bytes(told)


def rf64(content: bytes = WAV, told: int = SOUND) -> bytes:
    sizes = struct.pack("<4sIQQQI", b"ds64", 28, len(content) + 28, told, 0, 0)
    return b"RF64\xff\xff\xff\xffWAVE" + sizes + wav_told(0xFFFFFFFF)[12:]


def played(content: bytes) -> int:
    """Return how many frames a strict reader plays of a WAV file."""
    with wave.open(BytesIO(content)) as reader:
        return len(reader.readframes(reader.getnframes())) // 2


@pytest.mark.parametrize(
    "told",
    [
        0,
        1 << 28,
        1 << 30,
        2_000_000_000,
        0x7FFFFFFF,
        0x7FFFF000,
        0x80000000,
        0xFFFFFFFF,
        0xFFFFFFFF - 36,
    ],
)
def test_a_wav_that_was_streamed_is_saved_with_true_lengths(told: int) -> None:
    content = mended(wav_told(told, told))
    assert content == WAV
    assert played(content) == recordings.RATE


@pytest.mark.parametrize("told", [SOUND + 1, SOUND + 2, len(WAV), len(WAV) - 8])
def test_a_wav_that_tells_a_little_too_much_is_saved_with_true_lengths(told: int) -> None:
    assert mended(wav_told(told, told + 36)) == WAV


def test_a_packed_wav_plays_as_long_as_it_says_that_its_samples_do() -> None:
    kind = struct.pack("<4sIHHIIHHH", b"fmt ", 18, 0x11, 1, 8000, 4055, 256, 4, 0)
    sound = struct.pack("<4sI", b"data", 8110) + bytes(8110)
    counted = struct.pack("<4sII", b"fact", 4, 16_000)
    for extra, seconds in ((counted, 2), (b"", None)):
        body = b"WAVE" + kind + extra + sound
        content = struct.pack("<4sI", b"RIFF", len(body)) + body
        assert formats.recognise(BytesIO(content)) == formats.WAV
        assert measured_s(BytesIO(content), formats.WAV) == seconds


@pytest.mark.parametrize(
    "tail",
    [b"TAG" + b"Lamp".ljust(125, b"\0"), TAG, b"APETAGEX" + bytes(50), b"\r\n", b"\0" * 300],
)
def test_an_m4a_or_webm_may_have_something_behind_it(tail: bytes) -> None:
    for audio, kind in (AUDIO["m4a"], AUDIO["webm"]):
        content = mended(audio + tail)
        assert formats.recognise(BytesIO(content)) == kind
        assert measured_s(BytesIO(content), kind) == 1


@pytest.mark.parametrize("kind", [b"mdat", b"moof"])
def test_an_m4a_whose_last_box_is_cut_off_stays_so(kind: bytes) -> None:
    content = AUDIO["m4a"][0] + recordings.box(kind, bytes(500))[:-100]
    assert mended(content) == content
    with pytest.raises(NotYetError, match="cut off"):
        formats.recognise(BytesIO(content))


def test_a_wav_whose_last_byte_is_missing_plays_its_whole_frames() -> None:
    content = mended(WAV[:-1])
    assert formats.recognise(BytesIO(content)) == formats.WAV
    assert played(content) == recordings.RATE - 1


def test_only_the_length_of_the_whole_may_be_wrong() -> None:
    assert mended(wav_told(SOUND, 0)) == WAV
    assert mended(wav_told(SOUND, 0xFFFFFFFF)) == WAV


@pytest.mark.parametrize("told", [SOUND, 0, 2**40])
def test_a_wav_for_long_recordings_becomes_a_plain_one(told: int) -> None:
    content = mended(rf64(told=told))
    assert content.startswith(b"RIFF")
    assert played(content) == recordings.RATE
    assert measured_s(BytesIO(content), formats.WAV) == 1


def test_chunks_of_odd_length_may_be_filled_up_or_not() -> None:
    for filling in (b"", b"\0"):
        extra = struct.pack("<4sI", b"LIST", 5) + b"INFOx" + filling
        content = WAV[:36] + extra + wav_told(0x7FFFFFFF)[36:]
        mended_content = mended(content)
        assert formats.recognise(BytesIO(mended_content)) == formats.WAV
        assert measured_s(BytesIO(mended_content), formats.WAV) == 1


def test_a_wav_that_is_cut_off_stays_so() -> None:
    content = WAV[: len(WAV) // 2]
    assert mended(content) == content


def test_an_aiff_that_was_streamed_is_saved_with_true_lengths() -> None:
    streamed = bytearray(AIFF)
    sound = AIFF.index(b"SSND")
    for place in (4, 22, sound + 4):
        streamed[place : place + 4] = bytes(4)
    assert mended(bytes(streamed)) == AIFF


@given(
    st.sampled_from([content[:size] for content, _ in AUDIO.values() for size in (4, 12, 60, 400)]),
    st.binary(max_size=300),
    st.sampled_from([b"", b"\r\n", TAG, bytes(9)]),
)
def test_no_bytes_bring_mending_down(start: bytes, rest: bytes, front: bytes) -> None:
    content = front + start + rest
    assert len(mended(content)) <= len(content)


LENGTHS: list[tuple[Callable[[float], bytes], formats.Format]] = [
    (recordings.aac, formats.AAC),
    (recordings.aiff, formats.AIFF),
    (recordings.ogg_flac, formats.OGG_FLAC),
    (recordings.webm, formats.WEBM),
    (recordings.webm, formats.MATROSKA),
]


@pytest.mark.parametrize(("make", "kind"), LENGTHS, ids=lambda each: getattr(each, "extension", ""))
def test_how_long_the_newer_kinds_play_is_read(
    make: Callable[[float], bytes], kind: formats.Format
) -> None:
    assert measured_s(BytesIO(make(2.5)), kind) == pytest.approx(2.5, abs=0.03)


def test_a_live_webm_tells_no_length() -> None:
    assert measured_s(BytesIO(recordings.webm(is_live=True)), formats.WEBM) is None
