"""Audio as hexadecimal digits inside an answer, read while it comes."""

import json
import random
import tracemalloc

import pytest

from song_mcp.providers.hex_audio import HexAudio

MP3 = bytes(range(256)) * 3
ANSWER = {
    "data": {"audio": MP3.hex(), "status": 2},
    "trace_id": "0f",
    "base_resp": {"status_code": 0, "status_msg": "success"},
}


def sifted(text: bytes, sizes: list[int]) -> tuple[HexAudio, bytes, bytes]:
    """Pass a text in pieces of these sizes, the last one again and again."""
    audio = bytearray()
    reader = HexAudio(audio.extend)
    rest, place = b"", 0
    for size in [*sizes, *[sizes[-1]] * len(text)]:
        if place >= len(text):
            break
        rest += reader.take(text[place : place + size])
        place += size
    return reader, rest + reader.end(), bytes(audio)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 41, 48, 49, 1000, 10**6])
def test_pieces_of_any_size_bring_the_same_audio_and_the_same_rest(size: int) -> None:
    reader, rest, audio = sifted(json.dumps(ANSWER).encode(), [size])
    assert audio == MP3
    assert reader.is_whole
    assert json.loads(rest) == ANSWER | {"data": {"audio": "", "status": 2}}


@pytest.mark.parametrize("indent", [None, 0, 4])
@pytest.mark.parametrize("separators", [(",", ":"), (" , ", " : "), ("\n,\n", "\r\n:\t")])
def test_blanks_around_the_key_do_not_matter(
    indent: int | None, separators: tuple[str, str]
) -> None:
    text = json.dumps(ANSWER, indent=indent, separators=separators).encode()
    dice = random.Random(7)  # noqa: S311 - dice for sizes
    for _ in range(20):
        reader, rest, audio = sifted(text, [dice.randrange(1, 60) for _ in range(200)])
        assert (audio, reader.is_whole) == (MP3, True)
        assert json.loads(rest)["trace_id"] == "0f"


def test_capital_digits_are_digits_too() -> None:
    reader, _, audio = sifted(b'{"data":{"audio":"FFfb90"}}', [5])
    assert (audio, reader.is_whole) == (b"\xff\xfb\x90", True)


@pytest.mark.parametrize(
    "before",
    [
        {"lyrics": '"audio": "ff"'},
        {"lyrics": '\\"audio": "ff"'},
        {"lyrics": ["audio", "ff"]},
        {"audio_setting": {"format": "mp3"}, "my audio": "ff", "audio ": "ff"},
        {"audio": None},
        {"audio": {"url": "x"}},
    ],
    ids=str,
)
def test_only_the_key_itself_is_taken_for_the_audio(before: dict[str, object]) -> None:
    text = json.dumps({"said": before, **ANSWER}).encode()
    for size in (1, 13, 5000):
        reader, rest, audio = sifted(text, [size])
        assert (audio, reader.is_whole) == (MP3, True)
        assert json.loads(rest)["said"] == before


@pytest.mark.parametrize("value", ["https://cdn.example/x.mp3", "", "SUQzBAAAAA==", "\\u0041"])
def test_what_does_not_begin_with_a_digit_is_left_in_the_answer(value: str) -> None:
    text = f'{{"data": {{"audio": "{value}", "status": 2}}, "trace_id": "0f"}}'.encode()
    for size in (1, 9, 5000):
        reader, rest, audio = sifted(text, [size])
        assert (audio, reader.has_begun, reader.is_whole) == (b"", False, False)
        assert rest == text


@pytest.mark.parametrize("digits", ["ff0", "ffzz00", "ff\\u00ff", "ffff ffff", "e2t0=="])
def test_what_is_not_digits_to_its_end_is_not_whole(digits: str) -> None:
    text = f'{{"data": {{"audio": "{digits}", "status": 2}}, "trace_id": "0f"}}'.encode()
    for size in (1, 9, 5000):
        reader, rest, _ = sifted(text, [size])
        assert (reader.has_begun, reader.is_whole) == (True, False)
        assert json.loads(rest) == {"data": {"audio": "", "status": 2}, "trace_id": "0f"}


def test_an_answer_cut_anywhere_is_whole_only_after_the_last_digit() -> None:
    text = json.dumps(ANSWER).encode()
    end = text.index(b'", "status"')
    for cut in range(len(text)):
        reader, _, audio = sifted(text[:cut], [4096])
        assert MP3.startswith(audio)
        assert reader.is_whole == (cut > end)
        assert not reader.is_whole or audio == MP3


def test_only_the_first_audio_is_taken() -> None:
    text = b'{"data": {"audio": "ff"}, "other": {"audio": "aa"}}'
    reader, rest, audio = sifted(text, [6])
    assert (audio, reader.is_whole) == (b"\xff", True)
    assert json.loads(rest)["other"] == {"audio": "aa"}


def test_sixty_megabytes_pass_without_being_held() -> None:
    """Counted: what is allocated at once stays at a few pieces, however long the audio is."""
    piece, pieces = b"ab" * 32_768, 960  # as a socket brings them: 60 MiB of digits
    size = 0

    def count(data: bytes) -> None:
        nonlocal size
        size += len(data)

    reader = HexAudio(count)
    reader.take(b'{"data": {"audio": "')
    tracemalloc.start()
    for _ in range(pieces):
        reader.take(piece)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    reader.take(b'", "status": 2}}')
    assert (size, reader.is_whole) == (len(piece) * pieces // 2, True)
    assert most < 4 * len(piece)


@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize("before", ["", "<html>", "failed while making: ", " " * 80, "[", '"x" '])
def test_what_is_no_object_has_no_audio_whatever_it_repeats(before: str, size: int) -> None:
    text = f'{before}"audio":"00ff" and the like'.encode()
    reader, rest, audio = sifted(text, [size])
    assert (reader.has_begun, audio, rest) == (False, b"", text)


@pytest.mark.parametrize("before", ["", " \n\t", "\ufeff", "\ufeff  "])
def test_blanks_and_a_mark_before_the_object_do_not_matter(before: str) -> None:
    reader, rest, audio = sifted(f'{before}{{"audio":"00ff"}}'.encode(), [1])
    assert (reader.is_whole, audio, rest) == (True, b"\x00\xff", f'{before}{{"audio":""}}'.encode())
