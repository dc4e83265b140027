"""MiniMax's side of the sandbox: docs/providers.md 9."""

from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import anyio.lowlevel
import httpx
import pytest
from starlette.applications import Starlette

from song_mcp.sandbox.app import Rules, Sandbox
from tests import recordings
from tests.sandbox.driving import Clock, Json, differences, example, heard

SONG: Json = {"model": "music-3.0", "prompt": "slow harbour waltz", "lyrics_optimizer": True}
LYRICS: Json = {"mode": "write_full_song", "prompt": "trams in winter"}
PATHS = {"song": "/v1/music_generation", "lyrics": "/v1/lyrics_generation"}


class Sent:
    """A submission under way, and its answer when that is there."""

    def __init__(self) -> None:
        self.answer: httpx.Response | None = None

    @property
    def json(self) -> Json:
        assert self.answer is not None
        return dict(self.answer.json())


@asynccontextmanager
async def sent(
    http: httpx.AsyncClient, sandbox: Sandbox, body: Json, path: str = PATHS["song"]
) -> AsyncIterator[Sent]:
    """Send a submission that must be accepted, and wait for its answer at the end of the block."""
    found, accepted = Sent(), len(sandbox.accepted)

    async def post() -> None:
        found.answer = await http.post(path, json=body)

    with anyio.fail_after(60):
        async with anyio.create_task_group() as group:
            group.start_soon(post)
            while len(sandbox.accepted) == accepted and found.answer is None:
                await anyio.lowlevel.checkpoint()
            yield found


async def made(http: httpx.AsyncClient, sandbox: Sandbox, clock: Clock, body: Json) -> Json:
    async with sent(http, sandbox, body) as found:
        clock.advance(1000)
    return found.json


async def refusal(http: httpx.AsyncClient, body: Json, path: str = PATHS["song"]) -> int:
    answer = await http.post(path, json=body)
    assert answer.status_code == 200
    return int(answer.json()["base_resp"]["status_code"])


async def test_the_connection_stays_open_until_the_song_is_made(
    http: httpx.AsyncClient, sandbox: Sandbox, clock: Clock
) -> None:
    async with sent(http, sandbox, SONG) as found:
        clock.advance(99)
        await anyio.sleep(0.05)  # two looks at the clock: none of them ends it
        assert found.answer is None
        assert sandbox.count("minimax") == 1
        clock.advance(2)
    assert found.json["base_resp"]["status_code"] == 0


async def test_a_song_has_the_documented_shape_and_real_audio(
    http: httpx.AsyncClient, sandbox: Sandbox, clock: Clock
) -> None:
    answer = await made(http, sandbox, clock, SONG)
    assert differences(answer, example("minimax/answers/song_hex")) == []
    audio = bytes.fromhex(answer["data"]["audio"])
    length = answer["extra_info"]["music_duration"] / 1000
    assert heard(audio).length == pytest.approx(length, abs=0.1)
    assert answer["extra_info"]["music_size"] == len(audio)


async def test_a_song_can_be_had_as_an_address(
    http: httpx.AsyncClient, sandbox: Sandbox, clock: Clock
) -> None:
    answer = await made(http, sandbox, clock, SONG | {"output_format": "url"})
    assert differences(answer, example("minimax/answers/song_url")) == []
    found = await http.get(answer["data"]["audio"])
    assert found.headers["content-type"] == "audio/mpeg"
    assert len(found.content) == answer["extra_info"]["music_size"]


async def test_lyrics_have_the_documented_shape(
    http: httpx.AsyncClient, sandbox: Sandbox, clock: Clock
) -> None:
    async with sent(http, sandbox, LYRICS, PATHS["lyrics"]) as found:
        clock.advance(11)
    assert differences(found.json, example("minimax/answers/lyrics")) == []
    assert "[Verse]" in found.json["lyrics"]


async def test_free_models_take_three_songs_a_minute(
    http: httpx.AsyncClient, sandbox: Sandbox, clock: Clock
) -> None:
    sandbox.song_seconds = 0
    free = SONG | {"model": "music-2.6-free"}
    assert [await refusal(http, free) for _ in range(4)] == [0, 0, 0, 1002]
    assert await refusal(http, SONG) == 0
    clock.advance(61)
    assert await refusal(http, free) == 0
    assert sandbox.count("minimax") == 5


COVER: Json = {
    "model": "music-cover",
    "prompt": "bossa nova, brushed drums",
    "audio_base64": b64encode(recordings.mp3()).decode(),
}
WRONG: dict[str, Json] = {
    "model": SONG | {"model": "music-9"},
    "no words": {"model": "music-3.0"},
    "no prompt": {"model": "music-3.0", "is_instrumental": True},
    "empty lyrics": SONG | {"lyrics": ""},
    "long lyrics": SONG | {"lyrics": "l" * 3501},
    "long prompt": SONG | {"prompt": "p" * 2001},
    "a flag as text": SONG | {"lyrics_optimizer": "true"},
    "audio for a song": SONG | {"audio_base64": "AAAA"},
    "no audio": {"model": "music-cover", "prompt": "bossa nova, drums"},
    "two audios": COVER | {"audio_url": "https://cdn.example/x.mp3"},
    "no base64": COVER | {"audio_base64": "?"},
    "other bytes": COVER | {"audio_base64": "AAAA"},
    "short style": COVER | {"prompt": "jazz"},
    "instrumental cover": COVER | {"is_instrumental": True},
    "short lyrics": COVER | {"lyrics": "la"},
    "unknown marker": SONG | {"prompt": "x [[nonsense]]"},
}


@pytest.mark.parametrize("case", WRONG)
async def test_what_does_not_go_together_is_refused_and_not_accepted(
    http: httpx.AsyncClient, sandbox: Sandbox, case: str
) -> None:
    assert await refusal(http, WRONG[case]) == 2013
    assert sandbox.count("minimax") == 0


async def test_a_cover_is_made_of_audio_that_goes_along_and_is_not_kept(
    http: httpx.AsyncClient, sandbox: Sandbox, clock: Clock
) -> None:
    answer = await made(http, sandbox, clock, COVER)
    assert heard(bytes.fromhex(answer["data"]["audio"])).length > 0
    [accepted] = sandbox.accepted
    assert len(accepted.body["audio_base64"]) == 64


async def test_a_look_at_a_song_to_be_covered_costs_nothing(
    http: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    body = {"model": "music-cover", "audio_base64": COVER["audio_base64"]}
    answer = (await http.post("/v1/music_cover_preprocess", json=body)).json()
    assert answer["cover_feature_id"]
    assert await refusal(http, body | {"model": "x"}, "/v1/music_cover_preprocess") == 2013
    assert sandbox.count("minimax") == 0


async def test_a_key_that_is_not_accepted_is_told_within_http_200(
    app: Starlette, sandbox: Sandbox
) -> None:
    transport = httpx.ASGITransport(app)
    keys = {"authorization": "Bearer bad-key"}
    async with httpx.AsyncClient(
        transport=transport, base_url="http://127.0.0.1:9", headers=keys
    ) as http:
        assert await refusal(http, SONG) == 1004
    assert sandbox.count("minimax") == 0


@pytest.mark.parametrize(
    ("marker", "code", "accepted"),
    [
        ("1002-rate-limit", 1002, 0),
        ("1008-balance", 1008, 0),
        ("1026-sensitive", 1026, 0),
        ("1001-timeout", 1001, 0),
        ("1001-timeout:accepted", 1001, 1),
    ],
)
async def test_a_marker_names_an_error(
    http: httpx.AsyncClient, sandbox: Sandbox, marker: str, code: int, accepted: int
) -> None:
    sandbox.song_seconds = 0
    assert await refusal(http, SONG | {"prompt": f"waltz [[{marker}]]"}) == code
    assert sandbox.count("minimax") == accepted


async def test_other_paths_below_v1_are_still_the_gateways(http: httpx.AsyncClient) -> None:
    assert (await http.post("/v1/chat/completions", json={})).status_code == 404
    assert "error" in (await http.get("/v1/music_generation")).json()


@pytest.fixture
def rules() -> Rules:
    return Rules(clip_seconds=1.2, hold_seconds=0.01)
