"""Audio is recognised by its bytes, and only whole audio is accepted."""

import struct
from contextlib import suppress
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from song_mcp.errors import LibraryError
from song_mcp.library import formats
from tests import recordings

KINDS = {
    "mp3": (recordings.mp3(0.5), formats.MP3),
    "wav": (recordings.wav(0.5), formats.WAV),
    "flac": (recordings.flac(), formats.FLAC),
    "opus": (recordings.opus(), formats.OPUS),
    "vorbis": (recordings.vorbis(), formats.VORBIS),
    "ogg flac": (recordings.ogg_flac(), formats.OGG_FLAC),
    "m4a": (recordings.m4a(), formats.M4A),
    "aac": (recordings.aac(), formats.AAC),
    "aiff": (recordings.aiff(), formats.AIFF),
    "aifc": (recordings.aiff(kind=b"AIFC"), formats.AIFF),
    "webm": (recordings.webm(), formats.WEBM),
    "live webm": (recordings.webm(is_live=True), formats.WEBM),
    "matroska": (recordings.webm(doc_type=b"matroska"), formats.MATROSKA),
}
MP3 = KINDS["mp3"][0]
WEBM_FILM = recordings.webm(
    1, recordings.webm_track(1, b"V_VP9"), recordings.webm_track(2, b"A_OPUS")
)
FLAC_HEAD_BYTES = 44
"""What of a FLAC file says how long it is: nothing says how many bytes its frames have."""


def id3(length: int, content: bytes = b"") -> bytes:
    sizes = bytes(length >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x04\x00\x00" + sizes + content.ljust(length, b"\0")


def xing(promised_bytes: int, flags: int = 3) -> bytes:
    """A first frame with a Xing header that announces so many bytes."""
    frame = bytearray(MP3[:208])
    numbers = [flags, *([40] if flags & 1 else []), promised_bytes]
    header = b"Xing" + struct.pack(f">{len(numbers)}I", *numbers)
    frame[21 : 21 + len(header)] = header
    return bytes(frame)


def recognised(content: bytes) -> formats.Format:
    return formats.recognise(BytesIO(content))


def refusal(content: bytes) -> str:
    with pytest.raises(LibraryError) as caught:
        recognised(content)
    assert "keeps its link" in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_of_audio_is_recognised_by_its_bytes(name: str) -> None:
    content, kind = KINDS[name]
    assert recognised(content) == kind


@pytest.mark.parametrize("name", sorted(KINDS.keys() - {"mp3", "live webm"}))
@pytest.mark.parametrize("part", [0.05, 0.1, 0.3])
def test_audio_that_is_cut_off_is_refused(name: str, part: float) -> None:
    content, _ = KINDS[name]
    checked = FLAC_HEAD_BYTES if name == "flac" else len(content)
    refusal(content[: int(checked * part)])


@pytest.mark.parametrize("name", sorted(KINDS.keys() - {"mp3", "flac", "live webm"}))
def test_audio_without_its_last_bytes_is_refused(name: str) -> None:
    assert "cut off" in refusal(KINDS[name][0][:-7])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><html>Expired</html>", "web page"),
        (b"\xef\xbb\xbf  <html>\xff\xfb\x90\x00", "web page"),
        (b'{"error": "expired"}', "message of the host"),
        (b"[]", "message of the host"),
        (b"CTENFDAM" + bytes(1000), "not audio of a kind known here"),
        (b"\xff\xfb\x90\x00 one frame and no second", "not audio of a kind known here"),
        (b"\xff\xf1\x50\x80" + bytes(2000), "not audio of a kind known here"),
        (b"\xff\xeb\x90\x00" + bytes(2000), "not audio of a kind known here"),
        (b'{"error": {"message": "Expired", "code": 5}}', '(the link may have expired): "Expired"'),
        (b'{"status": "processing"}', '"processing"'),
        (b'{"code": 404}', '"404"'),
        (b'{"ok": 1}', "message of the host"),
        (b'{"message": "<b>[x](http://x)', "message of the host"),
        (b"The song is not ready.", 'is a text, not audio: "The song is not ready."'),
        (b"\n \xe6\xad\x8c", "is a text"),
        (recordings.PNG, "is a picture"),
        (b"PK\3\4" + bytes(30) + MP3, "is an archive"),
        (b"%PDF-1.7" + bytes(30), "is a PDF document"),
        (b"#EXTM3U\n#EXT-X-VERSION:3\nhttps://x/1.ts\n", "is a playlist"),
        (b"\xef\xbb\xbf#EXTM3U\n", "is a playlist"),
        (b"https://x/1.mp3\r\nhttps://x/2.mp3\r\n", "is a playlist"),
        (b"[playlist]\nFile1=https://x/1.mp3\n", "is a playlist"),
        (b"<?xml version='1.0'?><playlist version='1'>", "is a playlist"),
        (b"<?xml version='1.0'?>\n<MPD xmlns='x'>", "is a playlist"),
        (b"RIFF\x00\x00\x00\x00AVI LIST" + bytes(100), "is a video (AVI)"),
        (b"FLV\1\5\0\0\0\x09" + MP3, "is a video (FLV)"),
        ((b"G" + bytes(187)) * 5, "is a video or a piece of a stream (MPEG-TS)"),
        ((bytes(4) + b"G" + bytes(187)) * 5, "is a video or a piece of a stream (MPEG-TS)"),
        (b"\0\0\1\xba" + bytes(100), "is a video (MPEG)"),
        (recordings.box(b"wide") + recordings.box(b"mdat", bytes(9)), "is a video (QuickTime)"),
        (recordings.ogg_page(b"\x80theora", 0, 0, 2) * 3, "is a video (Ogg)"),
        (
            recordings.ogg_page(b"\x01vorbis", 0, 0, 2)
            + recordings.ogg_page(b"\x80theora", 0, 0, 2),
            "is a video (Ogg)",
        ),
        (
            recordings.ogg_page(b"Speex", 0, 0, 2) + recordings.ogg_page(b"x", 1),
            "neither Vorbis nor Opus nor FLAC",
        ),
        (WEBM_FILM, "is a video (WebM"),
        (recordings.webm(1, recordings.webm_track(17, b"S_TEXT")), "without sound"),
        (recordings.webm(doc_type=b"other"), "without sound"),
        (recordings.box(b"ftyp", b"avif", bytes(4)), "without sound"),
        (recordings.m4a(handler=b"vide", codec=b"avc1"), "is a video (MP4)"),
        (recordings.m4a(codec=b"text"), "not plain audio"),
        (recordings.m4a(codec=b"enca"), "encrypted"),
        (recordings.m4a(codec=b"drms"), "encrypted"),
        (recordings.m4a(brand=b"M4P "), "encrypted"),
    ],
)
def test_what_is_no_audio_is_refused_with_what_it_is(content: bytes, said: str) -> None:
    assert said in refusal(content)


def test_a_film_with_sound_is_no_song() -> None:
    film = recordings.mp4_track(b"vide", b"avc1", 1)
    sound = recordings.mp4_track(b"soun", b"mp4a", 1)
    start = recordings.box(b"ftyp", b"isom", bytes(4))
    content = start + recordings.box(b"moov", film, sound) + recordings.box(b"mdat", bytes(9))
    assert "is a video (MP4)" in refusal(content)


@pytest.mark.parametrize("codec", [b"sowt", b"twos", b"in24", b"fl32", b"lpcm", b".mp3"])
def test_quicktime_of_bare_samples_is_kept(codec: bytes) -> None:
    assert recognised(recordings.m4a(codec=codec, brand=b"qt  ")) == formats.M4A


@pytest.mark.parametrize("first", [b"styp", b"free", b"skip", b"wide", b"mdat", b"moov"])
def test_mp4_need_not_begin_with_its_kind(first: bytes) -> None:
    whole = recordings.m4a()
    rest = whole[20:] if first in {b"moov", b"mdat"} else whole
    movie, sound = rest[: rest.index(b"mdat") - 4], rest[rest.index(b"mdat") - 4 :]
    content = {b"moov": rest, b"mdat": sound + movie}.get(first, recordings.box(first) + rest)
    assert recognised(content) == formats.M4A


def test_an_mp3_may_begin_with_several_id3_tags_and_padding() -> None:
    assert recognised(id3(300) + id3(20_000) + bytes(100) + MP3) == formats.MP3


def test_an_id3_tag_with_a_footer_is_skipped_whole() -> None:
    tag = bytearray(id3(50))
    tag[5] = 0x10
    assert formats.mp3_start(BytesIO(bytes(tag) + b"3DI" + bytes(7) + MP3)) == 70


def test_an_id3_tag_without_audio_behind_it_is_cut_off() -> None:
    assert "cut off" in refusal(id3(5000)[:3000])
    assert "cut off" in refusal(id3(5000))


def test_a_page_behind_an_id3_tag_is_refused() -> None:
    refusal(id3(50) + b"<html>" + bytes(5000))


@pytest.mark.parametrize("flags", [2, 3])
def test_an_mp3_is_held_to_the_length_its_first_frame_promises(flags: int) -> None:
    whole = xing(208 + len(MP3), flags) + MP3
    assert recognised(whole) == formats.MP3
    assert "cut off" in refusal(whole[: len(whole) // 2])


def test_a_first_frame_without_a_length_promises_nothing() -> None:
    assert recognised(xing(10**9, flags=1) + MP3) == formats.MP3


@pytest.mark.parametrize("length", [0, 0xFFFFFFFF])
def test_a_wav_that_was_streamed_need_not_know_its_length(length: int) -> None:
    content = bytearray(KINDS["wav"][0])
    content[40:44] = struct.pack("<I", length)
    assert recognised(bytes(content)) == formats.WAV


def test_a_wav_without_a_format_is_refused() -> None:
    refusal(b"RIFF\x00\x00\x00\x00WAVEdata\x04\x00\x00\x00" + bytes(4))


def test_an_m4a_with_wide_boxes_is_recognised() -> None:
    wide = struct.pack(">I4sQ", 1, b"mdat", 216) + bytes(200)
    assert recognised(recordings.m4a() + wide) == formats.M4A


def test_an_m4a_whose_last_box_runs_to_the_end_is_recognised() -> None:
    assert recognised(recordings.m4a() + b"\0\0\0\0free" + bytes(50)) == formats.M4A


def test_an_m4a_box_shorter_than_its_header_is_refused() -> None:
    refusal(recordings.m4a() + b"\0\0\0\4free" + bytes(50))


@pytest.mark.parametrize(
    "content",
    [
        id3(0) * 200_000,
        b"RIFF\0\0\0\0WAVE" + b"junk\0\0\0\0" * 200_000,
        b"fLaC" + bytes(4) * 200_000,
        recordings.ogg_page(b"\x01vorbis", 0) * 200_000,
        recordings.box(b"ftyp", b"M4A ", bytes(4)) + recordings.box(b"free") * 200_000,
    ],
)
def test_a_file_of_nothing_but_headers_is_soon_refused(content: bytes) -> None:
    refusal(content)


STARTS = st.sampled_from([content[:size] for content, _ in KINDS.values() for size in (4, 12, 60)])


@given(STARTS, st.binary(max_size=300))
def test_no_bytes_bring_recognition_down(start: bytes, rest: bytes) -> None:
    with suppress(LibraryError):
        assert recognised(start + rest) in formats.AUDIO
