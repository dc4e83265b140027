"""ACE-Step's own server both ways; sources: docs/providers.md 10."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Any

import httpx
import pytest

from song_mcp.errors import (
    BadKeyError,
    BusyError,
    InvalidRequestError,
    LibraryError,
    NoAnswerError,
    NotSentError,
    RefusedError,
    ServiceError,
    UnknownTaskError,
)
from song_mcp.providers import Attaching, Batching, acestep
from song_mcp.providers.acestep import AceStep
from song_mcp.providers.base import Account
from song_mcp.songs import MODELS, CoverRequest, LyricsRequest, Request, SongRequest, Source
from tests.models import UDIO

EXAMPLES = Path(__file__).parent.parent / "examples"
INDEX = [
    row
    for row in json.loads((EXAMPLES / "index.json").read_text(encoding="utf-8"))
    if row["service"] == "acestep"
]
STATUS = {row["file"]: row["http_status"] for row in INDEX}
MODEL = MODELS["ace-step-local"]
KEY = "home-key-0001"
TASK, OTHER = (f"44444444-0000-4000-8000-00000000000{number}" for number in (1, 2))
HOME = "http://192.168.1.20:8001"
SONG = SongRequest(MODEL, "slow waltz")


class Server:
    """The server: answers in turn, the last one again and again, and what it was asked."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self._answers = list(answers)
        self.asked: list[httpx.Request] = []
        self.pauses_s: list[float] = []

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        self.asked.append(request)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def adapter(self, key: str = KEY, base_url: str = HOME) -> AceStep:
        async def pause(seconds: float) -> None:
            self.pauses_s.append(seconds)

        return AceStep(key, base_url, httpx.MockTransport(self), pause=pause)


def load(name: str) -> Any:  # noqa: ANN401 - JSON
    return json.loads((EXAMPLES / f"acestep/{name}.json").read_text(encoding="utf-8"))


def example(name: str) -> httpx.Response:
    return httpx.Response(STATUS[f"acestep/{name}.json"], json=load(name))


def source(file: str = "", duration_s: float | None = 91.2) -> Source:
    return Source("clip-1", "task-1", "Trams", duration_s, "gptge", file)


def cover(file: Path, **more: Any) -> CoverRequest:  # noqa: ANN401 - fields of a request
    return CoverRequest(MODEL, "big band", source=source(str(file)), **more)


@pytest.fixture
def song(tmp_path: Path) -> Path:
    file = tmp_path / "Trams.MP3"
    file.write_bytes(b"ID3 the song \x00\xff")
    return file


# Requests --------------------------------------------------------------------------------------

PREPARED: Mapping[str, Request] = {
    "description": SongRequest(MODEL, "slow waltz about trams"),
    "own_lyrics": SongRequest(
        MODEL, "slow waltz, upright piano", "[Verse]\nTrams at noon", duration_s=60.0, takes=2
    ),
    "instrumental": SongRequest(MODEL, "slow waltz, upright piano", instrumental=True, seed=12),
    "cover": CoverRequest(MODEL, "big band", source=source("a.mp3")),
    "repaint": CoverRequest(MODEL, "accordion solo", source=source("a.mp3"), part=(10.0, 20.5)),
}


def test_every_example_of_a_request_is_prepared_or_a_look() -> None:
    files = [row["file"] for row in INDEX if row["direction"] == "request"]
    expected = [f"acestep/requests/{name}.json" for name in (*PREPARED, "query")]
    assert sorted(files) == sorted(expected)


@pytest.mark.parametrize("name", PREPARED)
def test_a_request_is_prepared_as_it_is_documented(name: str) -> None:
    made = Server(example("answers/queued")).adapter().prepare(PREPARED[name])
    assert made.body == load(f"requests/{name}")
    assert (made.path, made.is_free) == ("/release_task", True)


def test_a_cover_of_an_instrumental_stays_one() -> None:
    request = CoverRequest(MODEL, "big band", instrumental=True, source=source("a.mp3"))
    assert Server().adapter().prepare(request).body["lyrics"] == "[Instrumental]"


def test_covers_of_two_clips_are_two_wishes() -> None:
    adapter = Server().adapter()
    one = CoverRequest(MODEL, "big band", source=source("a.mp3"))
    two = replace(one, source=replace(one.source, clip_id="clip-2"))
    assert adapter.prepare(one).fingerprint != adapter.prepare(two).fingerprint
    moved = replace(one, source=replace(one.source, file="b.mp3"))
    assert adapter.prepare(one).fingerprint == adapter.prepare(moved).fingerprint


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        (LyricsRequest(UDIO, "trams"), "writes no lyrics"),
        (SongRequest(MODEL, "x", seed=-7), "seed from 0 on"),
        (CoverRequest(MODEL, "x", source=source()), "Clip clip-1 has no file here"),
        (CoverRequest(MODEL, "x", source=source("a"), part=(1, 2), duration_s=20), "keeps its"),
    ],
)
def test_what_cannot_be_asked_is_refused(request_: Request, says: str) -> None:
    with pytest.raises(InvalidRequestError, match=says) as caught:
        Server().adapter().prepare(request_)
    assert str(caught.value).endswith("Nothing was sent or paid.")


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        ({"lyrics": "x" * 4097}, "lyrics has 4097 characters; at most 4096"),
        ({"description": "x" * 513}, "description has 513 characters; at most 512"),
        ({"duration_s": 9.0}, "10 to 600 s"),
        ({"duration_s": 601.0}, "10 to 600 s"),
        ({"takes": 9}, "it must be 1 to 8"),
        ({"negative_tags": "metal"}, "ace-step-local takes no negative_tags"),
    ],
)
def test_limits_are_the_servers(wish: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidRequestError, match=says):
        SongRequest(MODEL, **{"description": "x", **wish})


# Submitting --------------------------------------------------------------------------------------


async def test_a_song_is_one_json_post_with_the_key() -> None:
    server = Server(example("answers/queued"))
    adapter = server.adapter()
    accepted = await adapter.submit(adapter.prepare(SONG))
    assert accepted.task_id == TASK
    [asked] = server.asked
    assert (asked.method, str(asked.url)) == ("POST", f"{HOME}/release_task")
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert json.loads(asked.content) == adapter.prepare(SONG).body


async def test_without_a_key_none_is_sent() -> None:
    server = Server(example("answers/queued"))
    adapter = server.adapter(key="")
    await adapter.submit(adapter.prepare(SONG))
    assert "authorization" not in server.asked[0].headers


def parts(request: httpx.Request) -> dict[str, Message]:
    """The parts of a form, by their names."""
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    form = message_from_bytes(head + request.content)
    assert form.get_content_type() == "multipart/form-data"
    payload: Any = form.get_payload()
    return {str(part.get_param("name", header="content-disposition")): part for part in payload}


async def test_a_cover_takes_the_file_along_in_a_form(song: Path) -> None:
    server = Server(example("answers/queued"))
    adapter = server.adapter()
    wish = cover(song, lyrics="[Verse]\nTräms at noon", seed=12)
    submission = await adapter.attach(adapter.prepare(wish))
    assert submission == adapter.prepare(wish)
    assert (await adapter.submit(submission)).task_id == TASK
    form = parts(server.asked[0])
    file = form.pop("src_audio")
    assert file.get_payload(decode=True) == song.read_bytes()
    assert file.get_filename() == "source.mp3"
    sent = {name: bytes(part.get_payload(decode=True)).decode() for name, part in form.items()}
    assert sent == {
        "task_type": "cover",
        "audio_format": "mp3",
        "batch_size": "1",
        "thinking": "true",
        "use_random_seed": "false",
        "seed": "12",
        "prompt": "big band",
        "lyrics": "[Verse]\nTräms at noon",
        "vocal_language": "unknown",
    }


async def test_a_file_that_is_gone_or_too_large_is_not_sent(
    song: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server(example("answers/queued"))
    adapter = server.adapter()
    submission = adapter.prepare(cover(song))
    monkeypatch.setattr(acestep, "LARGEST_FILE", 4)
    with pytest.raises(LibraryError, match="clip-1 has more than"):
        await adapter.attach(submission)
    song.unlink()
    with pytest.raises(LibraryError, match="clip-1 cannot be read: get_task saves it again"):
        await adapter.attach(submission)
    assert server.asked == []


LOST = httpx.ReadError("reset")


@pytest.mark.parametrize(
    "lost",
    [[LOST], [LOST, LOST], [httpx.Response(500, json={"detail": "x"})], [httpx.Response(200)]],
    ids=["once", "twice", "an error of the server", "nothing"],
)
async def test_a_lost_answer_has_it_sent_again(lost: Sequence[httpx.Response | Exception]) -> None:
    server = Server(*lost, example("answers/queued"))
    adapter = server.adapter()
    assert (await adapter.submit(adapter.prepare(SONG))).task_id == TASK
    assert len(server.asked) == len(lost) + 1
    assert len({request.content for request in server.asked}) == 1


async def test_a_cover_that_is_sent_again_is_sent_whole(song: Path) -> None:
    server = Server(LOST, example("answers/queued"))
    adapter = server.adapter()
    await adapter.submit(adapter.prepare(cover(song)))
    files = [parts(each)["src_audio"].get_payload(decode=True) for each in server.asked]
    assert files == [song.read_bytes()] * 2


async def test_three_lost_answers_are_told_without_a_doubt() -> None:
    server = Server(LOST)
    adapter = server.adapter()
    with pytest.raises(NoAnswerError) as caught:
        await adapter.submit(adapter.prepare(SONG))
    assert len(server.asked) == 3
    assert server.pauses_s == [0.5, 2.0]
    assert caught.value.charged == "no"
    assert "It was sent 3 times: check ACESTEP_BASE_URL." in str(caught.value)
    assert "resolve_task" not in str(caught.value)


async def test_a_server_that_does_not_run_is_named_by_its_variable() -> None:
    adapter = Server(httpx.ConnectError("refused")).adapter()
    with pytest.raises(NotSentError, match=r"Nothing was sent or charged.*ACESTEP_BASE_URL"):
        await adapter.submit(adapter.prepare(SONG))


REFUSALS: Mapping[str, tuple[type[ServiceError], str]] = {
    "bad_request": (RefusedError, "Invalid JSON payload"),
    "no_key": (BadKeyError, "Check ACESTEP_API_KEY"),
    "bad_key": (BadKeyError, "Check ACESTEP_API_KEY"),
    "no_such_path": (RefusedError, "Not Found"),
    "media_type": (RefusedError, "Unsupported Content-Type"),
    "queue_full": (BusyError, "queue is full"),
    "code_in_200": (RefusedError, "batch_size must be at most 8"),
}


@pytest.mark.parametrize("name", REFUSALS)
async def test_a_refusal_is_told_and_not_sent_again(name: str) -> None:
    server = Server(example(f"refusals/{name}"))
    adapter = server.adapter()
    kind, says = REFUSALS[name]
    with pytest.raises(kind, match=says) as caught:
        await adapter.submit(adapter.prepare(SONG))
    assert type(caught.value) is kind
    assert caught.value.charged == "no"
    assert len(server.asked) == 1


# Looking -----------------------------------------------------------------------------------------


async def looked(name: str, **adapter: str) -> Any:  # noqa: ANN401 - a report
    return await Server(example(f"answers/{name}")).adapter(**adapter).fetch(TASK)


async def test_a_look_asks_for_several_tasks_at_once() -> None:
    server = Server(example("answers/two_tasks"))
    adapter = server.adapter()
    reports = await adapter.fetch_many([TASK, OTHER])
    assert {key: report.status for key, report in reports.items()} == {
        TASK: "processing",
        OTHER: "completed",
    }
    assert json.loads(server.asked[0].content) == load("requests/query")
    assert isinstance(adapter, Batching)
    assert isinstance(adapter, Attaching)


async def test_a_task_that_waits_is_pending_and_one_that_runs_tells_how_far() -> None:
    waiting, running = await looked("waiting"), await looked("running")
    assert (waiting.status, waiting.progress_percent) == ("pending", None)
    assert (running.status, running.progress_percent) == ("processing", 40)
    assert waiting.clips == running.clips == ()


async def test_each_take_is_a_clip_with_its_seed_and_length() -> None:
    report = await looked("completed")
    assert report.status == "completed"
    assert (report.charged, report.cost_usd, report.model) == ("no", 0.0, "ace-step-local")
    first, second = report.clips
    assert [first.clip_id, second.clip_id] == [TASK, f"{TASK}-2"]
    assert first.audio_url == f"{HOME}/v1/audio?path=%2Ftmp%2Fa.mp3"
    assert second.audio_url == f"{HOME}/v1/audio?path=%2Ftmp%2Fb.mp3"
    assert first.tags == ("90 bpm", "C Major", "seed 12")
    assert second.tags[-1] == "seed 34"
    assert (first.duration_s, first.lyrics) == (60.0, "[Verse]\nTrams at noon")
    assert first.made_with == "acestep-v15-turbo"


async def test_a_path_below_the_base_url_stays_below_it() -> None:
    report = await looked("completed", base_url="https://music.example:8443/ace/")
    [link, _] = [clip.audio_url for clip in report.clips]
    assert link == "https://music.example:8443/ace/v1/audio?path=%2Ftmp%2Fa.mp3"


async def test_a_files_own_path_is_asked_for_as_the_others_are() -> None:
    [clip] = (await looked("completed_own_path")).clips
    assert clip.audio_url == f"{HOME}/v1/audio?path=%2Ftmp%2Fapi%20audio%2Fa.mp3"
    assert clip.lyrics == ""


@pytest.mark.parametrize(
    ("file", "link"),
    [
        ("//evil.example/v1/audio", f"{HOME}/evil.example/v1/audio"),
        ("@evil.example/v1/audio?path=a", f"{HOME}/@evil.example/v1/audio?path=a"),
        (".evil.example/v1/audio?path=a", f"{HOME}/.evil.example/v1/audio?path=a"),
        ("https://cdn.example/a.mp3", "https://cdn.example/a.mp3"),
        ("/v1/audio?path=http://x/a", f"{HOME}/v1/audio?path=http://x/a"),
        ("", ""),
        (7, ""),
        (None, ""),
    ],
)
async def test_a_path_can_change_nothing_of_the_address(file: object, link: str) -> None:
    body = load("answers/completed")
    take = json.loads(body["data"][0]["result"])[0] | {"file": file}
    body["data"][0]["result"] = json.dumps([take])
    report = await Server(httpx.Response(200, json=body)).adapter().fetch(TASK)
    assert [clip.audio_url for clip in report.clips] == ([link] if link else [])


async def test_a_completed_task_without_a_file_is_told() -> None:
    report = await looked("completed_no_audio")
    assert (report.clips, report.error) == (
        (),
        "ACE-Step calls the task completed, but gave no audio.",
    )


async def test_a_failure_tells_its_reason() -> None:
    failed, silent = await looked("failed"), await looked("failed_without_reason")
    assert (failed.status, failed.error) == ("failed", "CUDA out of memory")
    assert (silent.status, silent.error) == ("failed", "ACE-Step gave no reason.")
    assert failed.charged == silent.charged == "no"


async def test_a_task_that_the_server_lost_is_not_known() -> None:
    server = Server(example("answers/not_known"))
    with pytest.raises(UnknownTaskError):
        await server.adapter().fetch(TASK)
    assert await server.adapter().fetch_many([TASK]) == {}


@pytest.mark.parametrize("name", ["no_key", "queue_full", "server_error", "no_such_path"])
async def test_a_look_that_fails_cost_nothing(name: str) -> None:
    with pytest.raises(ServiceError) as caught:
        await Server(example(f"refusals/{name}")).adapter().fetch(TASK)
    assert caught.value.charged == "no"


async def test_the_account_tells_whether_the_server_runs() -> None:
    server = Server(example("answers/health"))
    assert await server.adapter().account() == Account()
    assert str(server.asked[0].url) == f"{HOME}/health"
    with pytest.raises(NotSentError):
        await Server(httpx.ConnectError("refused")).adapter().account()


async def test_the_key_is_in_no_text(caplog: pytest.LogCaptureFixture) -> None:
    body = load("answers/failed")
    told = json.dumps([{"status": 2, "error": f"bad token {KEY} at {HOME}/v1"}])
    body["data"][0]["result"] = told
    report = await Server(httpx.Response(200, json=body)).adapter().fetch(TASK)
    assert report.error == "bad token [key] at [address]"
    assert KEY not in caplog.text
