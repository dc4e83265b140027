"""MiniMax both ways; sources: docs/providers.md 9."""

import base64
import gzip
import json
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from song_mcp.errors import (
    BadKeyError,
    BlockedError,
    BusyError,
    InvalidRequestError,
    LibraryError,
    MisdirectedError,
    NoAnswerError,
    NotSentError,
    OutOfCreditsError,
    RefusedError,
    SongError,
    TooLargeError,
    UnknownTaskError,
    UnreadableAnswerError,
)
from song_mcp.inbox import Inbox
from song_mcp.providers import Accepted, Attaching, Batching, Provider, Remembering, Submission
from song_mcp.providers.base import SourceAudio
from song_mcp.providers.minimax import Minimax
from song_mcp.songs import (
    MODELS,
    SERVICES,
    CoverRequest,
    Lyrics,
    LyricsRequest,
    Report,
    Request,
    SongRequest,
    Source,
)
from tests.faults.canaries import MINIMAX_KEY

EXAMPLES = Path(__file__).parent.parent / "examples"
ROWS = {
    row["file"]: row
    for row in json.loads((EXAMPLES / "index.json").read_text(encoding="utf-8"))
    if row["service"] == "minimax"
}
FREE, PAID = MODELS["minimax-3-free"], MODELS["minimax-3"]
LAMPS = "[Verse]\nLamps along the quay\n[Chorus]"
MP3 = bytes.fromhex("fffb9064") + bytes(28)
TRACE = "06c11f462840300d88d20b5d0bc905d5"
CAP = 2**20
DRUMS = "bossa nova, brushed drums"

Handler = Callable[[httpx.Request], httpx.Response]


@pytest.fixture
def inbox(tmp_path: Path) -> Inbox:
    return Inbox(tmp_path / "inbox", cap_bytes=CAP)


def minimax(inbox: Inbox, handler: Handler | httpx.Response) -> Minimax:
    answer = handler if callable(handler) else lambda _request: handler
    transport = httpx.MockTransport(answer)
    return Minimax(MINIMAX_KEY, "https://api.minimax.io", transport, inbox=inbox)


def load(file: str) -> Any:  # noqa: ANN401 - JSON
    return json.loads((EXAMPLES / file).read_text(encoding="utf-8"))


def song(model: Any = PAID, **more: Any) -> SongRequest:  # noqa: ANN401 - a model, and its values
    return SongRequest(model, **({"description": "slow waltz"} | more))


def clip(file: Path | str = "") -> Source:
    return Source("clip-1", "task-1", "Quay", 60.0, "piapi", str(file))


async def submitted(
    inbox: Inbox, handler: Handler | httpx.Response, request: Request | None = None
) -> Accepted:
    """Submit a request as the submitter does, for the task `local-0a1b`."""
    request = request or song()
    adapter = minimax(inbox, handler)
    prepared = adapter.prepare(request)
    ready = replace(prepared, is_free=request.model.is_free, local_id="local-0a1b")
    return await adapter.submit(await adapter.attach(ready) if ready.audio else ready)


async def kept(inbox: Inbox, link: str) -> bytes:
    content = bytearray()
    await inbox.fetch(link, content.extend, cap_bytes=CAP)
    return bytes(content)


def streamed(pieces: Iterable[bytes], error: Exception | None = None) -> httpx.Response:
    """An answer that comes in pieces, and may break off with an error."""

    async def body() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece
        if error is not None:
            raise error

    return httpx.Response(200, content=body())


def said(accepted: Accepted) -> Report:
    assert accepted.report is not None
    return accepted.report


# Requests --------------------------------------------------------------------------------------

PREPARED: Mapping[str, Request] = {
    "minimax/requests/description.json": SongRequest(FREE, "slow harbour waltz, accordion"),
    "minimax/requests/own_lyrics.json": SongRequest(PAID, "folk, warm", LAMPS),
    "minimax/requests/instrumental.json": SongRequest(
        MODELS["minimax-2.6-free"], "slow harbour waltz, accordion", instrumental=True
    ),
    "minimax/requests/cover.json": CoverRequest(PAID, DRUMS, source=clip()),
    "minimax/requests/cover_own_lyrics.json": CoverRequest(FREE, DRUMS, LAMPS, source=clip()),
    "minimax/requests/lyrics.json": LyricsRequest(PAID, "trams in winter"),
}


def test_every_example_is_in_a_test_of_this_file() -> None:
    tables: list[Mapping[str, object]] = [PREPARED, MADE, REFUSALS]
    assert sorted(file for table in tables for file in table) == sorted(ROWS)


@pytest.mark.parametrize("file", PREPARED)
def test_a_request_is_translated_as_documented(inbox: Inbox, file: str) -> None:
    prepared = minimax(inbox, httpx.Response(500)).prepare(PREPARED[file])
    assert prepared.body == load(file)
    assert prepared.path == f"/v1/{ROWS[file]['call']}"
    is_song = ROWS[file]["call"] == "music_generation"
    assert prepared.deadline_s == (900 if is_song else 130)


async def test_one_post_is_made_with_the_key_and_as_json(inbox: Inbox) -> None:
    requests: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200, json=load("minimax/answers/song_hex.json"))

    await submitted(inbox, handler, song(FREE))
    [request] = requests
    assert (request.method, str(request.url)) == (
        "POST",
        "https://api.minimax.io/v1/music_generation",
    )
    assert request.headers["authorization"] == f"Bearer {MINIMAX_KEY}"
    assert json.loads(request.content)["model"] == "music-3.0-free"


REFUSED_HERE: Mapping[str, tuple[Callable[[], Request], str]] = {
    "short style": (lambda: CoverRequest(PAID, "jazz", source=clip()), "takes 10 to 300"),
    "long style": (lambda: CoverRequest(PAID, "j" * 301, source=clip()), "takes 10 to 300"),
    "short lyrics": (
        lambda: CoverRequest(PAID, DRUMS, "la la", source=clip()),
        "takes 10 to 1000",
    ),
    "long lyrics": (
        lambda: CoverRequest(PAID, DRUMS, "l" * 1001, source=clip()),
        "takes 10 to 1000",
    ),
    "instrumental cover": (
        lambda: CoverRequest(PAID, DRUMS, instrumental=True, source=clip()),
        "leave instrumental out",
    ),
    "repaint": (
        lambda: CoverRequest(PAID, DRUMS, source=clip(), part=(1.0, 2.0)),
        "makes no part of a clip anew",
    ),
    "long topic": (lambda: LyricsRequest(PAID, "t" * 2001), "takes 1 to 2000"),
    "long song": (lambda: song(lyrics="l" * 3001), "at most 3000"),
    "long prompt": (lambda: song(description="d" * 2001), "at most 2000"),
    "free lyrics": (lambda: LyricsRequest(FREE, "trams"), "minimax-3-free writes no lyrics"),
    "seed": (lambda: song(seed=7), "takes no seed"),
    "duration": (lambda: song(duration_s=60.0), "takes no duration_seconds"),
}


@pytest.mark.parametrize("case", REFUSED_HERE)
def test_what_minimax_cannot_do_is_refused_before_anything_is_sent(inbox: Inbox, case: str) -> None:
    request_of, said_of = REFUSED_HERE[case]
    with pytest.raises(InvalidRequestError) as caught:
        minimax(inbox, httpx.Response(500)).prepare(request_of())
    assert said_of in str(caught.value)
    assert "Nothing was sent or paid." in str(caught.value)


def test_the_free_model_of_the_newest_version_is_the_default() -> None:
    service = SERVICES["minimax"]
    assert service.default_model is FREE
    assert [model.is_free for model in service.models] == [True, False, True, False]
    assert [model.price_usd() for model in service.models] == [0.0, 0.15, 0.0, 0.15]
    assert not service.extends


# A cover's audio -------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 3, 4, 196_608, 196_609, 700_000])
async def test_the_audio_of_a_cover_goes_along_as_base64(
    inbox: Inbox, tmp_path: Path, size: int
) -> None:
    audio = bytes(number % 251 for number in range(size))
    file = tmp_path / "clip.mp3"
    file.write_bytes(audio)
    bodies: list[bytes] = []

    async def handler(request: httpx.Request) -> httpx.Response:
        body = await request.aread()
        bodies.append(body)
        assert request.headers["content-length"] == str(len(body))
        assert "transfer-encoding" not in request.headers
        return httpx.Response(200, json=load("minimax/answers/song_hex.json"))

    adapter = Minimax(
        MINIMAX_KEY, "https://api.minimax.io", httpx.MockTransport(handler), inbox=inbox
    )
    prepared = adapter.prepare(CoverRequest(PAID, DRUMS, LAMPS, source=clip(file)))
    assert "base64" not in json.dumps(prepared.as_json())  # so that equal requests are equal
    accepted = await adapter.submit(await adapter.attach(prepared))
    [body] = bodies
    sent = json.loads(body)
    assert base64.b64decode(sent.pop("audio_base64"), validate=True) == audio
    assert sent == load("minimax/requests/cover_own_lyrics.json") | {"model": "music-cover"}
    assert said(accepted).kind == "cover"


@pytest.mark.parametrize(
    ("size", "said_of"),
    [(None, "the library has no file of clip-1"), (0, "no file of"), (50_000_001, "at most 50 MB")],
)
async def test_audio_that_cannot_be_sent_is_refused_before_anything_is_paid(
    inbox: Inbox, tmp_path: Path, size: int | None, said_of: str
) -> None:
    file = tmp_path / "clip.mp3"
    if size is not None:
        with file.open("wb") as opened:
            opened.truncate(size)
    adapter = minimax(inbox, httpx.Response(500))
    prepared = adapter.prepare(CoverRequest(PAID, DRUMS, source=clip(file)))
    with pytest.raises(LibraryError) as caught:
        await adapter.attach(prepared)
    assert said_of in str(caught.value)
    assert "Nothing was sent or paid." in str(caught.value)


async def test_a_clip_without_a_file_is_refused_before_anything_is_paid(inbox: Inbox) -> None:
    adapter = minimax(inbox, httpx.Response(500))
    with pytest.raises(LibraryError, match="no file of clip-1"):
        await adapter.attach(adapter.prepare(CoverRequest(PAID, DRUMS, source=clip())))


async def test_audio_that_shrinks_while_it_is_sent_leaves_a_doubt(
    inbox: Inbox, tmp_path: Path
) -> None:
    """Bytes have left by then, so it is not called unsent."""
    file = tmp_path / "clip.mp3"
    file.write_bytes(bytes(1000))

    async def handler(request: httpx.Request) -> httpx.Response:
        file.write_bytes(b"")
        await request.aread()
        return httpx.Response(200)

    adapter = Minimax(
        MINIMAX_KEY, "https://api.minimax.io", httpx.MockTransport(handler), inbox=inbox
    )
    prepared = adapter.prepare(CoverRequest(PAID, DRUMS, source=clip(file)))
    with pytest.raises(NoAnswerError):
        await adapter.submit(await adapter.attach(prepared))


# Answers ---------------------------------------------------------------------------------------

MADE: Mapping[str, tuple[str, float | None]] = {
    "minimax/answers/song_hex.json": (TRACE, 91.25),
    "minimax/answers/song_hex_last.json": ("minimax-0a1b", None),
    "minimax/answers/song_url.json": (TRACE, 91.25),
    "minimax/answers/lyrics.json": ("minimax-0a1b", None),
}
REFUSALS: Mapping[str, type[SongError]] = {
    "minimax/refusals/rate_limit.json": BusyError,
    "minimax/refusals/not_authorized.json": BadKeyError,
    "minimax/refusals/invalid_key.json": BadKeyError,
    "minimax/refusals/no_balance.json": OutOfCreditsError,
    "minimax/refusals/sensitive.json": RefusedError,
    "minimax/refusals/parameters.json": RefusedError,
    "minimax/refusals/unknown_error.json": NoAnswerError,
    "minimax/refusals/timeout.json": NoAnswerError,
    "minimax/refusals/output_sensitive.json": NoAnswerError,
    "minimax/refusals/usage_limit.json": NoAnswerError,
    "minimax/refusals/success_without_audio.json": UnreadableAnswerError,
}
SONGS = ("minimax/answers/song_hex.json", "minimax/answers/song_hex_last.json")


@pytest.mark.parametrize("file", SONGS)
@pytest.mark.parametrize("model", [FREE, PAID], ids=lambda model: model.name)
async def test_a_song_is_there_when_the_answer_is(inbox: Inbox, file: str, model: Any) -> None:  # noqa: ANN401
    request = SongRequest(model, "folk", LAMPS)
    accepted = await submitted(
        inbox, httpx.Response(200, content=(EXAMPLES / file).read_bytes()), request
    )
    report, (task_id, duration_s) = said(accepted), MADE[file]
    assert accepted.task_id == report.task_id == task_id
    assert (report.status, report.kind) == ("completed", "song")
    assert report.charged == ("no" if model.is_free else "yes")
    [made] = report.clips
    assert (made.clip_id, made.status, made.duration_s) == (task_id, "completed", duration_s)
    assert (made.lyrics, made.made_with) == (LAMPS, model.sent_as)
    assert made.audio_url == "inbox:local-0a1b"
    assert made.link == ""
    assert await kept(inbox, made.audio_url) == MP3


async def test_a_song_that_comes_as_an_address_keeps_it(inbox: Inbox) -> None:
    answer = load("minimax/answers/song_url.json")
    report = said(await submitted(inbox, httpx.Response(200, json=answer)))
    [made] = report.clips
    assert made.audio_url == made.link == answer["data"]["audio"]
    assert inbox.names() == []


async def test_lyrics_are_there_when_the_answer_is(inbox: Inbox) -> None:
    answer = httpx.Response(200, json=load("minimax/answers/lyrics.json"))
    accepted = await submitted(inbox, answer, LyricsRequest(PAID, "trams"))
    report = said(accepted)
    assert (report.status, report.kind) == ("completed", "lyrics")
    text = "[Verse]\nTrams at noon\n[Chorus]\nRing, ring"
    assert report.lyrics == Lyrics("Trams in Winter", text)
    assert accepted.task_id == "minimax-0a1b"


@pytest.mark.parametrize("file", REFUSALS)
@pytest.mark.parametrize("status", [200, 400, 500])
async def test_an_error_is_sorted_by_its_code_alone(inbox: Inbox, file: str, status: int) -> None:
    with pytest.raises(SongError) as caught:
        await submitted(inbox, httpx.Response(status, json=load(file)))
    is_in_doubt = issubclass(REFUSALS[file], NoAnswerError)
    assert isinstance(caught.value, NoAnswerError) == is_in_doubt
    assert is_in_doubt or type(caught.value) is REFUSALS[file]
    assert caught.value.charged == ("unknown" if is_in_doubt else "no")
    assert ("Nothing was charged." in str(caught.value)) == (not is_in_doubt)
    assert "resolve_task" not in str(caught.value)  # there is nothing that it could check
    assert inbox.names() == []


@pytest.mark.parametrize("code", [1013, 1024, 1039, 1041, 1042, 2061, 9999, -1, "x", "1002x"])
async def test_a_code_that_is_not_known_leaves_a_doubt(inbox: Inbox, code: object) -> None:
    words = "insufficient balance: model not found, rate limit"  # which prove nothing
    body = {"base_resp": {"status_code": code, "status_msg": words}}
    with pytest.raises(NoAnswerError) as caught:
        await submitted(inbox, httpx.Response(200, json=body))
    assert caught.value.charged == "unknown"


@pytest.mark.parametrize("file", [file for file in REFUSALS if "success" not in file])
async def test_lyrics_have_the_same_errors(inbox: Inbox, file: str) -> None:
    with pytest.raises(SongError) as caught:
        await submitted(inbox, httpx.Response(200, json=load(file)), LyricsRequest(PAID, "trams"))
    assert type(caught.value) is REFUSALS[file]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ((502, "<html>Bad Gateway</html>"), UnreadableAnswerError),
        ((200, "<html>Welcome</html>"), UnreadableAnswerError),
        ((200, ""), UnreadableAnswerError),
        ((200, "[]"), UnreadableAnswerError),
        ((200, '{"data": {"status": 1}}'), UnreadableAnswerError),
        ((500, '{"error": "x"}'), UnreadableAnswerError),
        ((429, "slow down"), BusyError),
        ((413, "too large"), TooLargeError),
        ((302, ""), MisdirectedError),
        ((403, "error code: 1020"), BlockedError),
    ],
    ids=str,
)
async def test_an_answer_of_another_form_is_sorted_as_everywhere(
    inbox: Inbox, answer: tuple[int, str], kind: type[SongError]
) -> None:
    status, content = answer
    with pytest.raises(SongError) as caught:
        await submitted(inbox, httpx.Response(status, content=content.encode()))
    assert type(caught.value) is kind


async def test_a_song_beside_an_error_code_is_kept(inbox: Inbox) -> None:
    """It is there, and so it was paid."""
    body = load("minimax/answers/song_hex.json")
    body["base_resp"] = {"status_code": 1001, "status_msg": "request timeout"}
    report = said(await submitted(inbox, httpx.Response(200, json=body)))
    assert await kept(inbox, report.clips[0].audio_url) == MP3


@pytest.mark.parametrize("trace_id", [None, "", " ", "a b", 7.5, {}, f"x{MINIMAX_KEY}", "!!"])
async def test_an_id_that_is_none_is_replaced_by_one_of_ours(
    inbox: Inbox, trace_id: object
) -> None:
    body = load("minimax/answers/song_hex.json") | {"trace_id": trace_id}
    accepted = await submitted(inbox, httpx.Response(200, json=body))
    assert accepted.task_id == said(accepted).clips[0].clip_id == "minimax-0a1b"


# What breaks -----------------------------------------------------------------------------------

HEX = json.dumps(load("minimax/answers/song_hex.json")).encode()
LAST_DIGIT = HEX.index(b'", "status"')


@pytest.mark.parametrize("cut", [HEX.index(b"fffb") + 3, LAST_DIGIT - 1, LAST_DIGIT])
@pytest.mark.parametrize("error", [None, httpx.ReadError("x")], ids=["ends", "breaks"])
async def test_an_answer_that_ends_within_the_audio_leaves_a_doubt_and_says_what_came(
    inbox: Inbox, cut: int, error: Exception | None
) -> None:
    with pytest.raises(NoAnswerError) as caught:
        await submitted(inbox, lambda _: streamed([HEX[:cut]], error))
    assert caught.value.charged == "unknown"
    assert "The song was made, and only a part of its audio came." in str(caught.value)
    assert inbox.names() == []


@pytest.mark.parametrize("cut", [LAST_DIGIT + 1, LAST_DIGIT + 20, len(HEX) - 1])
@pytest.mark.parametrize("error", [None, httpx.ReadError("x")], ids=["ends", "breaks"])
async def test_an_answer_that_ends_after_the_audio_is_a_song(
    inbox: Inbox, cut: int, error: Exception | None
) -> None:
    accepted = await submitted(inbox, lambda _: streamed([HEX[:cut]], error))
    report = said(accepted)
    assert (report.status, report.charged) == ("completed", "yes")
    assert await kept(inbox, report.clips[0].audio_url) == MP3


@pytest.mark.parametrize("cut", [0, 1, HEX.index(b"fffb") - 3])
async def test_an_answer_that_ends_before_the_audio_leaves_a_doubt(inbox: Inbox, cut: int) -> None:
    with pytest.raises(NoAnswerError) as caught:
        await submitted(inbox, lambda _: streamed([HEX[:cut]], httpx.ReadError("x")))
    assert caught.value.charged == "unknown"
    assert "part of its audio" not in str(caught.value)


async def test_a_connection_that_was_never_made_costs_nothing(inbox: Inbox) -> None:
    tries = 0

    def handler(request: httpx.Request) -> httpx.Response:
        nonlocal tries
        tries += 1
        raise httpx.ConnectError("x", request=request)

    with pytest.raises(NotSentError):
        await submitted(inbox, handler)
    assert tries == 3  # and none of them can have left


async def test_the_whole_call_has_a_deadline(inbox: Inbox) -> None:
    async def body() -> AsyncIterator[bytes]:
        for byte in HEX:
            yield bytes([byte])
            await anyio.sleep(0.02)

    adapter = minimax(inbox, lambda _: httpx.Response(200, content=body()))
    prepared = replace(adapter.prepare(song()), deadline_s=-0.95, local_id="local-0a1b")
    with pytest.raises(NoAnswerError, match="no answer within"):
        await adapter.submit(prepared)
    assert inbox.names() == []


@pytest.mark.parametrize("model", [FREE, PAID], ids=lambda model: model.name)
async def test_a_song_that_cannot_be_kept_says_what_it_cost(tmp_path: Path, model: Any) -> None:  # noqa: ANN401
    (tmp_path / "inbox").write_text("")  # where the folder should be
    inbox = Inbox(tmp_path / "inbox", cap_bytes=CAP)
    report = said(await submitted(inbox, lambda _: streamed([HEX]), song(model)))
    assert (report.status, report.clips) == ("failed", ())
    assert report.charged == ("no" if model.is_free else "yes")
    assert "it cost nothing" in report.error if model.is_free else "charged" in report.error
    assert "MiniMax made the song and sent it" in report.error
    assert "cannot be written" in report.error


async def test_a_song_above_the_cap_says_so_and_leaves_nothing(inbox: Inbox) -> None:
    before, after = HEX[:LAST_DIGIT], HEX[LAST_DIGIT:]
    pieces = [before, *[b"00" * 32_768] * 40, after]
    report = said(await submitted(inbox, lambda _: streamed(pieces)))
    assert (report.status, report.charged) == ("failed", "yes")
    assert f"more than {CAP} bytes (SONG_MCP_CLIP_BYTES)" in report.error
    assert inbox.names() == []


async def test_an_answer_without_end_is_given_up(inbox: Inbox) -> None:
    read = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal read
        yield HEX[:LAST_DIGIT]
        while True:
            read += 1
            yield b"00" * 32_768

    with pytest.raises(NoAnswerError) as caught:
        await submitted(inbox, lambda _: httpx.Response(200, content=body()))
    assert caught.value.charged == "unknown"
    assert read < 200
    assert inbox.names() == []


async def test_audio_that_is_no_audio_text_says_that_it_was_made(inbox: Inbox) -> None:
    body = load("minimax/answers/song_hex.json") | {"data": {"audio": "ffxx", "status": 2}}
    report = said(await submitted(inbox, httpx.Response(200, json=body)))
    assert (report.status, report.charged) == ("failed", "yes")
    assert "not written as it should be" in report.error


async def test_a_packed_answer_is_unpacked_while_it_comes(inbox: Inbox) -> None:
    packed = gzip.compress(HEX)

    def handler(_request: httpx.Request) -> httpx.Response:
        response = streamed([packed[place : place + 7] for place in range(0, len(packed), 7)])
        response.headers["content-encoding"] = "gzip"
        return response

    report = said(await submitted(inbox, handler))
    assert await kept(inbox, report.clips[0].audio_url) == MP3
    assert report.task_id == TRACE


async def test_a_song_of_many_megabytes_is_never_in_memory(tmp_path: Path) -> None:
    """Counted at the whole adapter: what is held at once, while 48 MiB of digits come."""
    inbox = Inbox(tmp_path / "inbox", cap_bytes=64 * 2**20)
    piece, pieces = b"ab" * 32_768, 768

    async def body() -> AsyncIterator[bytes]:
        yield HEX[:LAST_DIGIT]
        for _ in range(pieces):
            yield piece
        yield HEX[LAST_DIGIT:]

    await submitted(inbox, httpx.Response(200, json=load("minimax/answers/song_hex.json")))
    inbox.remove("local-0a1b")  # all is imported and warm now
    tracemalloc.start()
    report = said(await submitted(inbox, lambda _: httpx.Response(200, content=body())))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    [made] = report.clips
    assert (inbox.folder / "local-0a1b").stat().st_size == len(MP3) + pieces * len(piece) // 2
    assert made.audio_url == "inbox:local-0a1b"
    assert most < 2**20


# What cannot be asked --------------------------------------------------------------------------


async def test_nothing_can_be_looked_up_and_that_is_said(inbox: Inbox) -> None:
    adapter = minimax(inbox, httpx.Response(500))
    assert isinstance(adapter, Provider)
    assert isinstance(adapter, Attaching)
    assert not isinstance(adapter, Batching | Remembering)
    with pytest.raises(UnknownTaskError, match="keeps no songs and no tasks"):
        await adapter.fetch(TRACE)
    await adapter.account()
    await adapter.close()


async def test_the_key_is_in_no_text(inbox: Inbox) -> None:
    said_of = f"login fail: Bearer {MINIMAX_KEY} at https://api.minimax.io"
    body = {"base_resp": {"status_code": 1004, "status_msg": said_of}}
    with pytest.raises(BadKeyError) as caught:
        await submitted(inbox, httpx.Response(200, json=body))
    assert MINIMAX_KEY not in str(caught.value)
    assert "MINIMAX_API_KEY" in str(caught.value)
    lyrics = load("minimax/answers/lyrics.json") | {"lyrics": f"la {MINIMAX_KEY} la"}
    accepted = await submitted(
        inbox, httpx.Response(200, json=lyrics), LyricsRequest(PAID, "trams")
    )
    assert MINIMAX_KEY not in str(accepted)


def test_a_submission_is_kept_as_it_was(inbox: Inbox) -> None:
    request = CoverRequest(FREE, DRUMS, source=clip("/library/clip.mp3"))
    prepared = replace(minimax(inbox, httpx.Response(500)).prepare(request), is_free=True)
    wire = json.loads(json.dumps(prepared.as_json()))
    assert Submission.of_json("minimax", wire) == prepared
    assert prepared.audio == SourceAudio("clip-1", "task-1", "piapi", "/library/clip.mp3")
