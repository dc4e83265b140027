import struct
import zlib

import httpx
import pytest

from song_mcp.sandbox.cover import cover
from tests.sandbox.driving import (
    Clock,
    Json,
    completed,
    fetched,
    heard,
    submit,
    succeeded,
    suno,
    udio,
)


async def songs(http: httpx.AsyncClient, clock: Clock, body: Json) -> list[Json]:
    found: list[Json] = (await completed(http, clock, body))["output"]["songs"]
    return found


async def audio(http: httpx.AsyncClient, url: str) -> bytes:
    response = await http.get(url, headers={"x-api-key": "", "authorization": ""})
    assert response.status_code == 200
    assert response.headers["content-type"] == "audio/mpeg"
    return response.content


async def test_a_songs_url_is_served_exactly_as_it_was_given(
    http: httpx.AsyncClient, clock: Clock
) -> None:
    url = (await songs(http, clock, udio()))[0]["song_path"]
    assert url.startswith("http://127.0.0.1:9/media/")
    assert url.endswith("/1/The%2520Untitled.mp3")
    assert await audio(http, url)
    assert (await http.get(url.replace("%2520", "%20"))).status_code == 404
    assert (await http.get(url.replace("%2520", "%252520"))).status_code == 404


async def test_the_audio_is_mp3_of_the_promised_duration(
    http: httpx.AsyncClient, clock: Clock
) -> None:
    for song in await songs(http, clock, udio()):
        info = heard(await audio(http, song["song_path"]))
        assert info.length == pytest.approx(song["duration"])
        assert (info.sample_rate, info.bitrate, info.channels) == (48_000, 128_000, 2)
        assert not info.sketchy


async def test_two_takes_and_two_prompts_and_a_second_order_all_sound_different(
    http: httpx.AsyncClient, clock: Clock
) -> None:
    made = []
    for body in (udio("folk"), udio("techno"), udio("folk")):
        made += [await audio(http, s["song_path"]) for s in await songs(http, clock, body)]
    assert len(set(made)) == 6


async def test_the_same_seed_gives_the_same_music(http: httpx.AsyncClient, clock: Clock) -> None:
    first, second = [await songs(http, clock, udio(seed=7)) for _ in range(2)]
    assert await audio(http, first[0]["song_path"]) == await audio(http, second[0]["song_path"])


async def test_an_extension_is_the_new_part_alone(http: httpx.AsyncClient, clock: Clock) -> None:
    source = (await songs(http, clock, udio()))[0]
    part = (await songs(http, clock, udio("rain", continue_song_id=source["id"])))[0]
    assert part["duration"] == pytest.approx(0.6)


async def test_head_gives_the_size_without_the_bytes(http: httpx.AsyncClient, clock: Clock) -> None:
    url = (await songs(http, clock, udio()))[0]["song_path"]
    response = await http.head(url)
    assert response.status_code == 200
    assert int(response.headers["content-length"]) == len(await audio(http, url))


async def test_both_services_give_covers(http: httpx.AsyncClient, clock: Clock) -> None:
    song = (await songs(http, clock, udio()))[0]
    clip = (await succeeded(http, clock, suno()))["data"][0]
    for url in (song["image_path"], clip["image_url"], clip["image_large_url"]):
        response = await http.get(url)
        assert response.headers["content-type"] == "image/png"
        assert response.content.startswith(b"\x89PNG\r\n\x1a\n")


async def test_an_unknown_file_is_missing(http: httpx.AsyncClient) -> None:
    for path in ("/media/nobody.mp3", "/media/nobody.png", "/media/stream/nobody.mp3", "/media/x"):
        response = await http.get(path)
        assert response.status_code == 404
        assert b"NoSuchKey" in response.content


async def test_a_streamed_clip_is_playable(http: httpx.AsyncClient, clock: Clock) -> None:
    task_id = await submit(http, suno())
    clock.advance(60)
    url = (await fetched(http, task_id))["data"][0]["audio_url"]
    assert 0 < heard(await audio(http, url)).length < 1.2


def chunks(png: bytes) -> dict[bytes, bytes]:
    """Read a PNG, checking its sums."""
    found, place = {}, 8
    while place < len(png):
        (length,) = struct.unpack_from(">I", png, place)
        kind, content = png[place + 4 : place + 8], png[place + 8 : place + 8 + length]
        assert struct.unpack_from(">I", png, place + 8 + length)[0] == zlib.crc32(kind + content)
        found[kind], place = content, place + 12 + length
    return found


def test_a_cover_is_a_small_valid_png_of_its_text() -> None:
    picture = chunks(cover("folk"))
    assert struct.unpack(">IIBBBBB", picture[b"IHDR"]) == (512, 512, 8, 3, 0, 0, 0)
    pixels = zlib.decompress(picture[b"IDAT"])
    assert len(pixels) == 512 * 513
    assert max(pixels) < len(picture[b"PLTE"]) // 3
    assert len(cover("folk")) < 20_000
    assert cover("folk") == cover("folk") != cover("techno")
