"""How a clip's audio gets to PiAPI: by its own link, or by an upload that pays nothing."""

import base64
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from song_mcp.errors import (
    BadKeyError,
    BusyError,
    LibraryError,
    MisdirectedError,
    NotSentError,
    RefusedError,
    SongError,
    TooLargeError,
)
from song_mcp.providers import Attaching, Submission
from song_mcp.providers.base import SourceAudio
from song_mcp.providers.piapi import Piapi
from song_mcp.providers.piapi_upload import MOST_BYTES, Upload
from song_mcp.songs import MODELS, CoverRequest, ExtensionRequest, Source
from tests.faults.canaries import PIAPI_KEY
from tests.limits import HANGS_S

Json = dict[str, Any]
Answer = httpx.Response | Exception

EXAMPLES = Path(__file__).parent.parent / "examples" / "piapi"
ACE_STEP = MODELS["ace-step"]
OFFICIAL = "https://api.piapi.ai"
UPLOAD = ("POST", "https://upload.theapi.app/api/ephemeral_resource")
TASK = "11111111-2222-4333-8444-555555555555"
LOOK = ("GET", f"{OFFICIAL}/api/v1/task/{TASK}")
KEPT = "https://storage.theapi.app/ephemeral/22222222.mp3"
OWN = "https://img.theapi.app/ephemeral/11111111-0000-4000-8000-00000000000a.mp3"


class Wire:
    """Answers requests by their address, and remembers them; what it does not know hangs up."""

    def __init__(self, **answers: Answer) -> None:
        self.answers = answers
        self.requests: list[httpx.Request] = []

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        name = "upload" if request.url.path == "/api/ephemeral_resource" else "look"
        answer = self.answers.get(name, httpx.ReadError("hung up"))
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def seen(self) -> list[tuple[str, str]]:
        return [(each.method, str(each.url)) for each in self.requests]


def example(name: str) -> Json:
    content: Json = json.loads((EXAMPLES / f"{name}.json").read_text(encoding="utf-8"))
    return content


def piapi(wire: Callable[[httpx.Request], Awaitable[httpx.Response]], **more: str) -> Piapi:
    base_url = more.pop("base_url", OFFICIAL)
    return Piapi(PIAPI_KEY, base_url, transport=httpx.MockTransport(wire), **more)  # type: ignore[arg-type]  # by name


def submission(file: str = "", **source: str) -> Submission:
    clip = Source(source.get("clip_id", TASK), source.get("task_id", ""), duration_s=60.0)
    clip = replace(clip, service=source.get("service", ""), file=file)
    return piapi(Wire()).prepare(CoverRequest(ACE_STEP, "ska", source=clip))


def at_piapi(file: str = "") -> Submission:
    return submission(file, task_id=TASK, service="piapi")


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "Trams at noon.mp3"
    path.write_bytes(b"ID3")
    return str(path)


def ended(link: str = OWN, hours_ago: float | None = 23.9, **more: object) -> httpx.Response:
    """A look at the task that made the clip, which ended some hours ago."""
    body = example("answers/ace_step_completed")
    body["data"] |= {"output": {"audio_url": link}} | more
    at = None if hours_ago is None else datetime.now(UTC) - timedelta(hours=hours_ago)
    body["data"]["meta"]["ended_at"] = at and at.isoformat()
    return httpx.Response(200, json=body)


def uploaded(url: str = KEPT) -> httpx.Response:
    return httpx.Response(200, json={"code": 200, "data": {"url": url}, "message": "success"})


def link_of(sent: Submission) -> str:
    return str(sent.body["input"]["style_audio"])


# The link ------------------------------------------------------------------------------------


def test_the_adapter_attaches_and_the_body_that_is_kept_has_no_address() -> None:
    assert isinstance(piapi(Wire()), Attaching)
    made = at_piapi("/songs/a.mp3")
    assert made.audio is not None
    assert (made.audio.clip_id, made.audio.task_id, made.audio.file) == (TASK, TASK, "/songs/a.mp3")
    assert "style_audio" not in made.body["input"]
    assert "/songs/a.mp3" not in str(made.body)


async def test_a_clip_made_at_piapi_goes_by_its_present_link_and_nothing_is_uploaded(
    file: str,
) -> None:
    wire = Wire(look=ended())
    sent = await piapi(wire).attach(at_piapi(file))
    assert link_of(sent) == OWN
    assert wire.seen == [LOOK]


async def test_udios_own_place_is_one_that_piapi_tells(file: str) -> None:
    link = "https://storage.googleapis.com/udio-artifacts-x/samples/1.mp3"
    assert link_of(await piapi(Wire(look=ended(link))).attach(at_piapi(file))) == link


@pytest.mark.parametrize(
    "look",
    [
        httpx.ReadError("hung up"),
        httpx.Response(404, json={"code": 404, "data": None, "message": "task not found"}),
        httpx.Response(200, text="<html>"),
        ended("https://evil.example/theapi.app/a.mp3"),
        ended("https://theapi.app.evil.example/a.mp3"),
        ended("https://storage.googleapis.com/other/a.mp3"),
        ended("http://img.theapi.app/a.mp3"),
        ended("inbox:22222222.mp3"),
        ended(status="processing"),
        ended(task_id="another", output={}),
    ],
)
async def test_without_a_link_of_piapis_own_the_file_is_uploaded(look: Answer, file: str) -> None:
    wire = Wire(look=look, upload=uploaded())
    assert link_of(await piapi(wire).attach(at_piapi(file))) == KEPT
    assert wire.seen == [LOOK, UPLOAD]


async def test_a_clip_of_another_service_is_not_looked_for_at_piapi(file: str) -> None:
    wire = Wire(upload=uploaded())
    made = submission(file, clip_id="clip-1", task_id=TASK, service="gptge")
    assert link_of(await piapi(wire).attach(made)) == KEPT
    assert wire.seen == [UPLOAD]


@pytest.mark.parametrize("hours_ago", [24.1, 24 * 30, None])
async def test_an_old_link_is_used_only_if_the_upload_fails(
    file: str, hours_ago: float | None
) -> None:
    wire = Wire(look=ended(hours_ago=hours_ago), upload=uploaded())
    assert link_of(await piapi(wire).attach(at_piapi(file))) == KEPT
    refused = httpx.Response(403, json=example("refusals/upload_needs_plan"))
    for failure in (refused, httpx.ReadError("hung up")):
        wire = Wire(look=ended(hours_ago=hours_ago), upload=failure)
        assert link_of(await piapi(wire).attach(at_piapi(file))) == OWN
        assert wire.seen == [LOOK, UPLOAD]
    assert link_of(await piapi(Wire(look=ended(hours_ago=hours_ago))).attach(at_piapi())) == OWN


async def test_an_extension_gets_its_link_in_another_field(file: str) -> None:
    wire = Wire(look=ended())
    source = Source(TASK, TASK, service="piapi", file=file)
    made = piapi(wire).prepare(ExtensionRequest(ACE_STEP, "more", source=source))
    sent = await piapi(wire).attach(made)
    assert sent.body["input"]["audio"] == OWN
    assert sent.fingerprint != made.fingerprint  # only the first one is kept and compared


def test_covers_of_two_clips_are_two_requests() -> None:
    one, two = submission(clip_id="a"), submission(clip_id="b")
    assert one.body == two.body
    assert one.fingerprint != two.fingerprint


# The upload ----------------------------------------------------------------------------------


async def test_the_upload_is_as_documented_and_has_the_key(file: str) -> None:
    wire = Wire(upload=httpx.Response(200, json=example("answers/uploaded")))
    sent = await piapi(wire).attach(submission(file))
    (request,) = wire.requests
    assert json.loads(request.content) == example("requests/upload")
    assert request.headers["x-api-key"] == PIAPI_KEY
    assert link_of(sent) == example("answers/uploaded")["data"]["url"]


async def test_an_address_at_the_top_is_read(file: str) -> None:
    wire = Wire(upload=httpx.Response(200, json=example("answers/uploaded_on_top")))
    assert link_of(await piapi(wire).attach(submission(file))) == KEPT


async def test_another_upload_address_can_be_set_and_its_links_are_piapis_own(file: str) -> None:
    mine = "http://127.0.0.1:8787"
    wire = Wire(look=ended(f"{mine}/media/a.mp3"), upload=uploaded(f"{mine}/ephemeral/b.mp3"))
    service = piapi(wire, base_url="https://relay.example", upload_url=mine)
    assert link_of(await service.attach(at_piapi(file))) == f"{mine}/media/a.mp3"
    assert link_of(await service.attach(submission(file))) == f"{mine}/ephemeral/b.mp3"
    assert wire.seen[-1] == ("POST", f"{mine}/api/ephemeral_resource")


async def test_the_key_of_another_base_url_is_not_sent_to_piapis_upload(file: str) -> None:
    wire = Wire(upload=uploaded())
    with pytest.raises(LibraryError, match=r"set PIAPI_UPLOAD_URL\. Nothing was paid"):
        await piapi(wire, base_url="https://relay.example").attach(submission(file))
    assert wire.seen == []


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (
            httpx.Response(403, json=example("refusals/upload_needs_plan")),
            *(RefusedError, "needs its Creator plan or a higher one"),
        ),
        (
            httpx.Response(200, json=example("refusals/upload_needs_plan")),
            *(RefusedError, "needs its Creator plan or a higher one"),
        ),
        (httpx.Response(401, json={"code": 401}), BadKeyError, "does not accept the key"),
        (httpx.Response(413, text="too large"), TooLargeError, "more than 10 MB"),
        (httpx.Response(429, text="slow down"), BusyError, "Ask again in a minute"),
        (httpx.Response(500, json={"message": "oops"}), RefusedError, r"HTTP 500.*oops"),
        (httpx.Response(200, text="<html>"), NotSentError, "gave no usable answer"),
        (httpx.Response(200, json={"code": 200, "data": {}}), NotSentError, "no usable answer"),
        (uploaded("ftp://x.example/a.mp3"), NotSentError, "no usable answer"),
        (uploaded("http://x.example/a.mp3"), NotSentError, "no usable answer"),
        (httpx.ReadError("hung up"), NotSentError, "costs nothing: ask again in a while"),
        (httpx.ConnectError("refused"), NotSentError, "upload could not be reached"),
        (httpx.Response(307, headers={"location": KEPT}), MisdirectedError, "PIAPI_UPLOAD_URL"),
        (httpx.Response(302, headers={"location": "https://e.example"}), MisdirectedError, "redir"),
    ],
)
async def test_an_upload_that_fails_is_told_and_charges_nothing(
    answer: Answer, kind: type[SongError], words: str, file: str
) -> None:
    wire = Wire(upload=answer)
    with pytest.raises(SongError, match=words) as caught:
        await piapi(wire).attach(submission(file))
    assert type(caught.value) is kind
    assert caught.value.charged == "no"
    assert "Nothing was" in str(caught.value)
    assert PIAPI_KEY not in str(caught.value)
    assert {request.url.host for request in wire.requests} == {"upload.theapi.app"}


async def test_a_refusal_shows_neither_key_nor_address(file: str) -> None:
    said = f"key {PIAPI_KEY} of https://inner.example is not allowed"
    wire = Wire(upload=httpx.Response(403, json={"code": 403, "message": said}))
    with pytest.raises(RefusedError) as caught:
        await piapi(wire).attach(submission(file))
    assert PIAPI_KEY not in str(caught.value)
    assert "inner.example" not in str(caught.value)


async def test_an_address_with_the_key_in_it_is_not_used(file: str) -> None:
    wire = Wire(upload=uploaded(f"https://storage.theapi.app/{PIAPI_KEY}.mp3"))
    with pytest.raises(SongError) as refused:
        await piapi(wire).attach(submission(file))
    assert PIAPI_KEY not in str(refused.value)


async def test_a_code_that_is_no_status_is_not_told(file: str) -> None:
    answer = httpx.Response(200, json={"code": 9_876_543_210, "message": "no", "data": None})
    with pytest.raises(SongError) as refused:
        await piapi(Wire(upload=answer)).attach(submission(file))
    assert "9876543210" not in str(refused.value)
    assert "Nothing was paid" in str(refused.value)


async def test_an_upload_that_hangs_is_given_up(file: str) -> None:
    async def hang(_: httpx.Request) -> httpx.Response:
        await anyio.sleep_forever()
        raise AssertionError

    upload = Upload(PIAPI_KEY, OFFICIAL, transport=httpx.MockTransport(hang), deadline_s=0.01)
    with anyio.fail_after(HANGS_S), pytest.raises(NotSentError, match="Nothing was paid"):
        await upload.link_to(SourceAudio("clip-1", file=file))


# The file ------------------------------------------------------------------------------------


async def test_without_a_file_and_a_link_it_is_said_what_to_do() -> None:
    wire = Wire(look=ended("https://other.example/a.mp3"))
    with pytest.raises(LibraryError, match=f"get_task with task_id {TASK} tries to save it"):
        await piapi(wire).attach(at_piapi())
    with pytest.raises(LibraryError, match="Make a new song instead"):
        await piapi(wire).attach(submission())
    assert wire.seen == [LOOK]


@pytest.mark.parametrize("ending", [".m4a", ".ogg", ".mp4", ""])
async def test_a_file_that_the_upload_does_not_take_is_not_sent(
    ending: str, tmp_path: Path
) -> None:
    other = tmp_path / f"song{ending}"
    other.write_bytes(b"audio")
    wire = Wire(upload=uploaded())
    with pytest.raises(LibraryError, match="takes MP3 and WAV files"):
        await piapi(wire).attach(submission(str(other)))
    assert wire.seen == []


async def test_a_file_of_ten_megabytes_is_sent_and_one_byte_more_is_not(tmp_path: Path) -> None:
    wire, song = Wire(upload=uploaded()), tmp_path / "song.WAV"
    song.write_bytes(bytes(MOST_BYTES))
    await piapi(wire).attach(submission(str(song)))
    body = json.loads(wire.requests[0].content)
    head, _, data = body["file_data"].partition(",")
    assert (body["file_name"], head) == ("clip.wav", "data:audio/wav;base64")
    assert len(base64.b64decode(data)) == MOST_BYTES
    song.write_bytes(bytes(MOST_BYTES + 1))
    with pytest.raises(LibraryError, match="more than 10 MB"):
        await piapi(wire).attach(submission(str(song)))
    assert len(wire.seen) == 1


async def test_a_file_that_is_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match="cannot be read"):
        await piapi(Wire()).attach(submission(str(tmp_path / "gone.mp3")))
