"""PiAPI both ways; sources: docs/providers.md 1, 2 and 4.4."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from song_mcp.errors import (
    BadKeyError,
    NoAnswerError,
    OutOfCreditsError,
    RefusedError,
    ServiceError,
    UnknownTaskError,
    UnreadableAnswerError,
)
from song_mcp.providers import Account, Batching, Submission
from song_mcp.providers.piapi import Piapi
from song_mcp.songs import (
    Clip,
    ExtensionRequest,
    Lyrics,
    LyricsRequest,
    Report,
    SongRequest,
    Source,
)
from tests.faults.canaries import PIAPI_KEY
from tests.models import UDIO

KEY = PIAPI_KEY
TASK = "11111111-2222-4333-8444-555555555555"
CONFIG = {"service_mode": "public", "webhook_config": {"endpoint": "", "secret": ""}}
AUDIO = "https://storage.googleapis.com/udio/The%2520Untitled.mp3"
NO_ERROR = {"code": 0, "raw_message": "", "message": "", "detail": None}
GENERAL = "Internal error. Please try again later."


def piapi(*answers: httpx.Response, requests: list[httpx.Request] | None = None) -> Piapi:
    turns = list(answers)

    def handler(request: httpx.Request) -> httpx.Response:
        if requests is not None:
            requests.append(request)
        return turns.pop(0) if len(turns) > 1 else turns[0]

    return Piapi(KEY, "https://api.piapi.ai", transport=httpx.MockTransport(handler))


def enveloped(data: object, code: object = 200, message: str = "success") -> httpx.Response:
    return httpx.Response(200, content=json.dumps({"code": code, "data": data, "message": message}))


def task(**fields: object) -> dict[str, object]:
    """A music-u task as PiAPI sends it, with some fields changed."""
    return {
        "task_id": TASK,
        "model": "music-u",
        "task_type": "generate_music",
        "status": "completed",
        "input": {},
        "output": {"generation_id": "", "songs": [song()]},
        "meta": {},
        "detail": None,
        "logs": None,
        "error": NO_ERROR,
    } | fields


def song(**fields: object) -> dict[str, object]:
    return {
        "id": "song-1",
        "title": "Quay at Dusk",
        "song_path": AUDIO,
        "duration": 131.1,
        "finished": True,
        "tags": ["folk"],
        "error_type": None,
        "error_code": None,
        "error_detail": None,
    } | fields


async def report(**fields: object) -> Report:
    return await piapi(enveloped(task(**fields))).fetch(TASK)


async def clip(fields: Mapping[str, object], **of_task: object) -> Clip:
    made = await report(output={"songs": [song(**fields)]}, **of_task)
    [only] = made.clips
    return only


def body(submission: Submission) -> Mapping[str, Any]:
    return submission.body


# Requests --------------------------------------------------------------------------------------


def test_every_song_is_one_task_type_with_one_config() -> None:
    submission = piapi(enveloped(None)).prepare(SongRequest(UDIO, "night breeze"))
    assert submission.service == "piapi"
    assert submission.path == "/api/v1/task"
    assert submission.deadline_s == 60
    assert body(submission) == {
        "model": "music-u",
        "task_type": "generate_music",
        "input": {
            "gpt_description_prompt": "night breeze",
            "lyrics_type": "generate",
            "negative_tags": "",
            "seed": -1,
        },
        "config": CONFIG,
    }


def inputs(request: SongRequest, **options: Any) -> Any:  # noqa: ANN401 - JSON
    return Piapi(KEY, "https://api.piapi.ai", **options).prepare(request).body["input"]


def test_an_instrumental_says_so_in_its_lyrics_type() -> None:
    made = inputs(SongRequest(UDIO, "night breeze", instrumental=True))
    assert made["lyrics_type"] == "instrumental"


def test_seed_negative_tags_and_title_are_sent_where_given() -> None:
    made = inputs(SongRequest(UDIO, "x", title="Quay", negative_tags="metal", seed=-25443934))
    assert made["seed"] == -25443934
    assert made["negative_tags"] == "metal"
    assert made["title"] == "Quay"


def test_own_lyrics_go_into_both_fields_and_the_style_beside_them() -> None:
    made = inputs(SongRequest(UDIO, "folk, warm", lyrics="[Verse]\nLamps"))
    assert made == {
        "prompt": "[Verse]\nLamps",
        "lyrics": "[Verse]\nLamps",
        "gpt_description_prompt": "folk, warm",
        "lyrics_type": "user",
        "negative_tags": "",
        "seed": -1,
    }


def test_own_lyrics_without_a_style_send_none() -> None:
    assert "gpt_description_prompt" not in inputs(SongRequest(UDIO, lyrics="Lamps"))


def test_an_extension_continues_a_song_at_a_whole_or_broken_second() -> None:
    source = Source("song-1", duration_s=131.1)
    at_start = inputs(ExtensionRequest(UDIO, "folk", source=source))
    later = inputs(ExtensionRequest(UDIO, "folk", source=source, continue_at_s=12.5))
    assert at_start["continue_song_id"] == "song-1"
    assert json.dumps(at_start["continue_at"]) == "0"
    assert later["continue_at"] == 12.5
    assert at_start["lyrics"] == ""


def test_an_extension_with_own_lyrics_sends_them() -> None:
    request = ExtensionRequest(UDIO, "folk", "Lamps", source=Source("song-1"), continue_at_s=7)
    made = inputs(request)
    assert (made["lyrics"], made["prompt"], made["lyrics_type"]) == ("Lamps", "Lamps", "user")
    assert made["continue_at"] == 7


def test_lyrics_on_a_topic_are_a_task_of_their_own() -> None:
    made = piapi(enveloped(None)).prepare(LyricsRequest(UDIO, "harbour at night"))
    assert body(made) == {
        "model": "music-u",
        "task_type": "generate_lyrics",
        "input": {"prompt": "harbour at night"},
        "config": CONFIG,
    }


def test_a_hosted_account_is_a_service_mode() -> None:
    provider = Piapi(KEY, "https://api.piapi.ai", "private")
    made = provider.prepare(SongRequest(UDIO, "x"))
    assert body(made)["config"]["service_mode"] == "private"


async def test_what_was_prepared_is_what_is_sent() -> None:
    requests: list[httpx.Request] = []
    provider = piapi(enveloped(task(status="pending")), requests=requests)
    submission = provider.prepare(SongRequest(UDIO, "night breeze"))
    await provider.submit(submission)
    await provider.close()
    assert json.loads(requests[0].content) == submission.body
    assert requests[0].headers["x-api-key"] == KEY
    assert str(requests[0].url) == "https://api.piapi.ai/api/v1/task"


# Submitting ------------------------------------------------------------------------------------


async def submitted(answer: httpx.Response) -> Any:  # noqa: ANN401 - Accepted, looked into
    provider = piapi(answer)
    return await provider.submit(provider.prepare(SongRequest(UDIO, "x")))


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"code": 400, "data": None}, RefusedError),
        ({"code": 400, "message": "no"}, RefusedError),
        ({"code": 400, "message": "no", "task_id": "short"}, RefusedError),
        ({"code": 400}, UnreadableAnswerError),
        ({"code": "bad", "data": None, "message": "no"}, UnreadableAnswerError),
        ({"data": None, "message": "no"}, UnreadableAnswerError),
    ],
)
async def test_only_an_answer_of_piapis_own_form_refuses(
    body: dict[str, object], error: type[ServiceError]
) -> None:
    with pytest.raises(ServiceError) as caught:
        await submitted(httpx.Response(400, json=body))
    assert type(caught.value) is error


async def test_an_accepted_task_is_reported_with_what_the_answer_tells() -> None:
    usage = {"type": "point", "frozen": 500000, "consume": 0}
    accepted = await submitted(
        enveloped(task(status="pending", output={"songs": None}, meta={"usage": usage}))
    )
    assert accepted.task_id == TASK
    assert accepted.report.status == "pending"
    assert accepted.report.charged == "yes"
    assert accepted.report.cost_usd == 0.05


async def test_an_id_is_enough_to_be_accepted() -> None:
    accepted = await submitted(enveloped({"task_id": f" {TASK} "}))
    assert (accepted.task_id, accepted.report) == (TASK, None)


async def test_a_whole_number_is_an_id_too() -> None:
    assert (await submitted(enveloped({"task_id": 4242}))).task_id == "4242"


async def test_a_server_error_that_carries_a_task_was_accepted() -> None:
    data = {"task_id": TASK, "status": "failed", "output": None, "error": {"message": "broke"}}
    content = {"code": 500, "data": data, "message": "failed to do request"}
    accepted = await submitted(httpx.Response(500, json=content))
    assert accepted.report.status == "failed"
    assert accepted.report.error == "broke"
    assert accepted.report.charged == "unknown"


async def test_a_bare_task_without_envelope_was_accepted() -> None:
    assert (await submitted(httpx.Response(200, json=task(status="pending")))).task_id == TASK


@pytest.mark.parametrize(
    "bad_id", ["", "  ", None, True, {}, "two words", "x" * 201, "..", "\ud800"]
)
async def test_an_id_that_cannot_be_one_leaves_a_doubt(bad_id: object) -> None:
    with pytest.raises(UnreadableAnswerError) as caught:
        await submitted(enveloped({"task_id": bad_id, "status": "pending"}))
    assert caught.value.charged == "unknown"


@pytest.mark.parametrize(
    ("status", "content", "kind"),
    [
        (400, {"code": 400, "data": None, "message": "lyrics too long"}, RefusedError),
        (400, {"code": 400, "error": "lyrics too long"}, RefusedError),
        (400, {"code": "400", "message": "lyrics too long"}, RefusedError),
        (200, {"code": 400, "data": None, "message": "lyrics too long"}, RefusedError),
        (401, {"code": 401, "data": None, "message": "Invalid API key"}, BadKeyError),
        (400, {"code": 400, "data": None, "message": "insufficient credits"}, OutOfCreditsError),
        (
            400,
            {"code": 400, "data": {"error": {"message": "insufficient credits"}}, "message": "no"},
            OutOfCreditsError,
        ),
        (405, {"message": "insufficient credits"}, OutOfCreditsError),
        (500, {"code": 500, "data": None, "message": "insufficient credits"}, NoAnswerError),
        (503, {"message": "insufficient credits"}, UnreadableAnswerError),
        (500, {"code": 500, "data": None, "message": "oops"}, NoAnswerError),
        (400, {"message": "Forbidden"}, UnreadableAnswerError),
        (403, {"code": "forbidden", "message": "Forbidden"}, UnreadableAnswerError),
        (403, {"error": {"code": 403, "message": "Forbidden"}}, UnreadableAnswerError),
        (400, [], UnreadableAnswerError),
        (200, None, UnreadableAnswerError),
        (200, {"code": 200, "data": None, "message": "success"}, UnreadableAnswerError),
        (200, {"code": 200, "data": [], "message": "success"}, UnreadableAnswerError),
    ],
)
async def test_what_no_task_comes_of_is_sorted(
    status: int, content: object, kind: type[ServiceError]
) -> None:
    with pytest.raises(ServiceError) as caught:
        await submitted(httpx.Response(status, content=json.dumps(content)))
    assert type(caught.value) is kind


async def test_the_key_and_foreign_addresses_are_in_no_message() -> None:
    message = f"key {KEY} of https://up.example/ is wrong"
    with pytest.raises(BadKeyError, match=r"key \[key\] of \[address\] is wrong"):
        await submitted(httpx.Response(401, json={"code": 401, "message": message}))


# Looking ---------------------------------------------------------------------------------------


async def test_a_look_quotes_the_id() -> None:
    requests: list[httpx.Request] = []
    provider = piapi(enveloped(task()), requests=requests)
    made = await provider.fetch("a/../b?c#d")
    assert requests[0].url.raw_path == b"/api/v1/task/a%2F..%2Fb%3Fc%23d"
    assert made.task_id == "a/../b?c#d"


@pytest.mark.parametrize("bad_id", ["", "..", "two words", "x" * 201, "\ud800"])
async def test_an_id_that_nobody_gave_out_is_unknown_without_asking(bad_id: str) -> None:
    requests: list[httpx.Request] = []
    with pytest.raises(UnknownTaskError):
        await piapi(enveloped(task()), requests=requests).fetch(bad_id)
    assert requests == []


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(404, json={"code": 404, "data": None, "message": "task not found"}),
        httpx.Response(400, json={"code": 400, "data": None, "message": "invalid id"}),
        httpx.Response(500, json={"code": 500, "data": None, "message": "record not found"}),
        httpx.Response(200, json={"code": 404, "data": None, "message": "no"}),
        httpx.Response(200, json={"code": 200, "data": None, "message": "success"}),
    ],
)
async def test_a_task_that_piapi_does_not_know_is_unknown(answer: httpx.Response) -> None:
    with pytest.raises(UnknownTaskError):
        await piapi(answer).fetch(TASK)


@pytest.mark.parametrize(
    "data", [{}, [], "x", {"task_id": TASK}, {"task_id": TASK, "status": None}, {"status": " "}]
)
async def test_a_task_without_a_status_cannot_be_read(data: object) -> None:
    with pytest.raises(UnreadableAnswerError, match=r"PiAPI answered, but data\.status") as caught:
        await piapi(enveloped(data)).fetch(TASK)
    assert caught.value.charged == "no"


async def test_a_task_is_read_whatever_the_status_it_comes_with() -> None:
    made = await piapi(httpx.Response(500, json={"data": task(status="failed")})).fetch(TASK)
    assert made.status == "failed"


async def test_a_task_without_an_envelope_is_read() -> None:
    made = await piapi(httpx.Response(200, json=task())).fetch(TASK)
    assert made.status == "completed"


async def test_a_reason_from_the_log_is_one_line() -> None:
    made = await report(status="failed", error=None, logs=["it broke\nhere"], output=None)
    assert made.error == "it broke here"


async def test_lyrics_that_are_not_written_yet_are_no_error() -> None:
    made = await report(task_type="generate_lyrics", status="processing", output=None)
    assert (made.kind, made.lyrics, made.error) == ("lyrics", None, "")


@pytest.mark.parametrize("missing", ["task_id", "status"])
async def test_a_task_that_is_not_whole_is_not_read_past_an_error(missing: str) -> None:
    part = {name: value for name, value in task(status="failed").items() if name != missing}
    with pytest.raises(ServiceError) as caught:
        await piapi(httpx.Response(500, json={"code": 500, "data": part})).fetch(TASK)
    assert caught.value.charged == "no"


async def test_an_answer_without_task_id_is_about_the_task_that_was_asked_for() -> None:
    assert (await report(task_id="")).task_id == TASK


def test_it_cannot_look_at_several_tasks_at_once() -> None:
    assert not isinstance(piapi(), Batching)


# Status and kind -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("Completed", "completed"),
        ("success", "completed"),
        ("SUCCEEDED", "completed"),
        ("finished", "completed"),
        ("complete", "completed"),
        ("failed", "failed"),
        ("Failure", "failed"),
        ("error", "failed"),
        ("cancelled", "failed"),
        ("canceled", "failed"),
        ("Pending", "pending"),
        ("processing", "processing"),
        ("Staged", "processing"),
        ("retry", "processing"),
        ("on holiday", "processing"),
        (7, "processing"),
    ],
)
async def test_statuses_are_folded_and_unknown_ones_are_no_end(word: object, status: str) -> None:
    made = await report(status=word)
    assert made.status == status
    assert made.provider_status == str(word)


@pytest.mark.parametrize(
    ("fields", "kind", "model"),
    [
        ({}, "song", "udio"),
        ({"model": "Music-U"}, "song", "udio"),
        ({"model": ""}, "song", ""),
        ({"input": {"continue_song_id": "song-0"}}, "extension", "udio"),
        ({"input": {"continue_song_id": ""}}, "song", "udio"),
        ({"task_type": "generate_lyrics", "output": {"lyrics": "x"}}, "lyrics", "udio"),
        ({"model": "suno", "output": None}, "song", "suno"),
        ({"model": "suno", "task_type": "concat", "output": None}, "other", "suno"),
        (
            {"model": "Qubico/ace-step", "task_type": "txt2audio", "output": {"audio_url": AUDIO}},
            "song",
            "ace-step",
        ),
        ({"model": "Qubico/ace-step", "task_type": "extend"}, "extension", "ace-step"),
        ({"model": "qubico/ACE-STEP", "task_type": "audio2audio"}, "cover", "ace-step"),
        ({"model": "Qubico/diffrhythm", "task_type": "txt2audio-full"}, "song", "diffrhythm"),
        ({"model": "Qubico/flux1-dev", "task_type": "txt2img"}, "other", "Qubico/flux1-dev"),
        ({"model": "kling", "task_type": "generate_music"}, "other", "kling"),
    ],
)
async def test_kind_and_model_are_told_from_the_task(
    fields: dict[str, object], kind: str, model: str
) -> None:
    made = await report(**fields)
    assert (made.kind, made.model) == (kind, model)


@pytest.mark.parametrize(
    "model",
    ["music-s", "suno", "ace-step", "diffrhythm", "Qubico/ace-step", "Qubico/diffrhythm"],
)
async def test_every_model_of_music_makes_songs(model: str) -> None:
    made = await report(model=model)
    assert (made.kind, len(made.clips)) == ("song", 1)


async def test_an_extension_has_clips_and_says_if_it_has_none() -> None:
    source = {"continue_song_id": "song-0"}
    assert len((await report(input=source)).clips) == 1
    made = await report(input=source, output={"songs": None})
    assert (made.kind, made.status) == ("extension", "completed")
    assert "no audio" in made.error


async def test_a_task_of_another_kind_has_no_clips() -> None:
    made = await report(model="kling", output={"url": "https://media.example/video.mp4"})
    assert (made.kind, made.clips, made.error) == ("other", (), "")


# Clips -----------------------------------------------------------------------------------------


async def test_a_finished_song_is_a_completed_clip() -> None:
    made = await clip(
        {"image_path": "https://i.example/a/public", "lyrics": "La la", "prompt": "folk, warm"}
    )
    assert made == Clip(
        clip_id="song-1",
        status="completed",
        title="Quay at Dusk",
        service_title="Quay at Dusk",
        duration_s=131.1,
        audio_url=AUDIO,
        image_url="https://i.example/a/public",
        tags=("folk",),
        lyrics="La la",
    )


@pytest.mark.parametrize("status", ["pending", "processing", "staged"])
@pytest.mark.parametrize("finished", [True, False, None])
async def test_while_a_task_runs_its_songs_are_previews(status: str, finished: object) -> None:
    made = await clip({"finished": finished}, status=status)
    assert (made.status, made.audio_url, made.error) == ("processing", "", "")


@pytest.mark.parametrize("fields", [{"finished": False}, {"finished": True}, {"finished": None}])
@pytest.mark.parametrize("status", ["completed", "failed"])
async def test_at_the_end_of_its_task_each_link_counts(
    fields: dict[str, object], status: str
) -> None:
    made = await clip(fields, status=status)
    assert (made.status, made.audio_url) == ("completed", AUDIO)


@pytest.mark.parametrize("fields", [{"song_path": ""}, {"song_path": None}])
@pytest.mark.parametrize("status", ["completed", "failed"])
async def test_a_song_without_audio_in_an_ended_task_failed(
    fields: dict[str, object], status: str
) -> None:
    made = await clip(fields, status=status)
    assert (made.status, made.audio_url) == ("failed", "")
    assert made.error == "The service delivered no finished audio for this clip."


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"error_detail": "rejected", "error_type": "moderation"}, "rejected"),
        ({"error_detail": {"message": "rejected"}}, "rejected"),
        ({"error_type": "moderation"}, "moderation"),
        ({"error_code": 5001}, "5001"),
    ],
)
async def test_a_song_with_an_error_failed_unless_it_ends_with_a_link(
    fields: dict[str, object], error: str
) -> None:
    made = await clip(fields, status="processing")
    assert (made.status, made.error, made.audio_url) == ("failed", error, "")
    made = await clip(fields | {"song_path": ""}, status="completed")
    assert (made.status, made.error, made.audio_url) == ("failed", error, "")
    made = await clip(fields, status="completed")
    assert (made.status, made.remark, made.audio_url) == ("completed", error, AUDIO)


@pytest.mark.parametrize("code", [0, "0", "", None, False], ids=repr)
async def test_an_error_code_of_nothing_is_no_error(code: object) -> None:
    assert (await clip({"error_code": code})).status == "completed"


async def test_one_bad_song_leaves_the_other() -> None:
    bad = song(id="song-2", error_type="moderation", song_path="")
    made = await report(output={"songs": [song(), bad]})
    assert [c.status for c in made.clips] == ["completed", "failed"]
    assert (made.status, made.error) == ("completed", "")


async def test_a_finished_song_of_a_failed_task_is_kept() -> None:
    assert (await clip({}, status="failed")).status == "completed"


@pytest.mark.parametrize(
    "output",
    [
        {"songs": [{"id": "c1", "song_path": AUDIO}]},
        {"songs": [], "clips": {"c1": {"audio_url": AUDIO}}},
        {"clips": {"c1": {"id": "", "audio_url": AUDIO, "status": "complete"}}},
        {"clips": {"c1": {"id": None, "audio_url": AUDIO}, "c2": 7, "c3": AUDIO}},
        {"clips": [{"id": "c1", "audio_url": AUDIO}]},
        {"clips": {"id": "c1", "audio_url": AUDIO}},
        [{"id": "c1", "audio_url": AUDIO}, 7, None, "words"],
        {"id": "c1", "audio_url": AUDIO},
        {"id": "c1", "audio": AUDIO},
        {"id": "c1", "url": AUDIO},
    ],
)
async def test_audio_is_found_in_every_shape_of_output(output: object) -> None:
    made = await report(output=output)
    assert [(c.clip_id, c.audio_url) for c in made.clips] == [("c1", AUDIO)]


@pytest.mark.parametrize("output", [{"audio_url": AUDIO}, {"url": AUDIO}, AUDIO, [AUDIO]])
async def test_a_bare_link_is_a_clip_with_the_tasks_id(output: object) -> None:
    made = await report(output=output)
    assert [(c.clip_id, c.audio_url) for c in made.clips] == [(TASK, AUDIO)]


async def test_clips_without_ids_get_ones_of_their_own() -> None:
    others = [song(id="two words", song_path=f"{AUDIO}?{number}") for number in (1, 2)]
    made = await report(output=[f"{AUDIO}?0", song(id="a"), *others])
    ids = [c.clip_id for c in made.clips]
    assert ids == [TASK, "a", f"{TASK}-3", f"{TASK}-4"]


async def test_a_song_listed_twice_is_one_clip() -> None:
    made = await report(output=[song(id="a"), AUDIO, song(id="a"), song(id="b"), AUDIO])
    assert [c.clip_id for c in made.clips] == ["a", "b"]


async def test_an_empty_entry_of_the_map_is_a_clip_of_which_nothing_is_known() -> None:
    made = await report(model="suno", output={"clips": {"c1": {}, "c2": None, "c3": {"id": ""}}})
    assert [(c.clip_id, c.status) for c in made.clips] == [
        ("c1", "processing"),
        ("c2", "processing"),
        ("c3", "processing"),
    ]


@pytest.mark.parametrize(
    "output",
    [
        None,
        {},
        [],
        "",
        "words",
        7,
        True,
        {"songs": None},
        {"songs": []},
        {"clips": {}},
        {"songs": 7},
    ],
)
async def test_a_completed_task_without_songs_says_so(output: object) -> None:
    made = await report(output=output)
    assert (made.status, made.clips) == ("completed", ())
    assert made.error == "PiAPI calls the task completed, but gave no audio."


async def test_at_most_fifty_clips_are_taken() -> None:
    made = await report(output={"songs": [song(id=f"s{n}") for n in range(80)]})
    assert len(made.clips) == 50


async def test_texts_are_cleaned_and_capped() -> None:
    made = await clip(
        {
            "title": "a\u202eb\ud800\n" + "c" * 400,
            "lyrics": "la\r\nla " + "x" * 30_000,
            "tags": ["  one\n", "", 7, None, "t" * 200, *["more"] * 90],
        }
    )
    assert made.title.startswith("ab ccc")
    assert len(made.title) == 300
    assert made.lyrics.startswith("la\nla xxx")
    assert len(made.lyrics) == 20_000
    assert made.tags[:2] == ("one", "7")
    assert len(made.tags) == 50
    assert max(map(len, made.tags)) == 100


@pytest.mark.parametrize(
    "url",
    [
        "ftp://a.example/x.mp3",
        "javascript:alert(1)",
        "https://a.example/\x1b.mp3",
        "https:// /b.mp3",
        "https:///b.mp3",
        "https://\ud800.example/b.mp3",
        "https://a.example/\ud800.mp3",
        "https://a.example/" + "x" * 4000,
        7,
        {"name": AUDIO},
    ],
)
async def test_a_link_that_is_no_plain_address_is_none(url: object) -> None:
    made = await clip({"image_path": url, "video_url": url, "song_path": url})
    assert (made.image_url, made.video_url, made.audio_url, made.status) == ("", "", "", "failed")


@pytest.mark.parametrize(
    ("value", "duration_s"),
    [
        (131.114666666667, 131.114666666667),
        (102, 102.0),
        ("128.92", 128.92),
        (0, 0.0),
        (None, None),
        ("", None),
        ("long", None),
        (-1, None),
        (True, None),
        ("nan", None),
        ("inf", None),
        (10**400, None),
        ([], None),
    ],
)
async def test_durations_are_seconds_or_not_known(value: object, duration_s: float | None) -> None:
    assert (await clip({"duration": value})).duration_s == duration_s


@pytest.mark.parametrize(
    ("value", "tags"),
    [("folk, warm,,", ("folk", "warm")), ("", ()), (None, ()), (7, ()), ({"a": 1}, ())],
)
async def test_tags_are_a_list_or_a_text_with_commas(value: object, tags: tuple[str, ...]) -> None:
    assert (await clip({"tags": value})).tags == tags


# Lyrics ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "output",
    [
        {"lyrics": "La la"},
        {"lyric": "La la"},
        {"text": "La la"},
        {"lyrics_candidates": ["", "La la", "other"]},
        {"lyrics_candidates": [{"text": "La la"}]},
        {"lyrics": {"text": "La la"}},
        {"lyrics": [{"lyrics": "La la"}]},
        "La la",
        ["La la"],
    ],
)
async def test_lyrics_are_found_in_every_shape_of_output(output: object) -> None:
    made = await report(task_type="generate_lyrics", output=output)
    assert made.lyrics is not None
    assert replace(made.lyrics, others=()) == Lyrics("", "La la")
    assert (made.kind, made.clips, made.error) == ("lyrics", (), "")


@pytest.mark.parametrize(
    "output",
    [
        {"title": "Quay", "lyrics": "La"},
        {"lyrics_candidates": [{"title": "Quay", "text": "La"}]},
        {"title": "other", "lyrics": {"title": "Quay", "text": "La"}},
    ],
)
async def test_the_title_of_lyrics_is_the_nearest(output: object) -> None:
    made = await report(task_type="generate_lyrics", output=output)
    assert made.lyrics == Lyrics("Quay", "La")


@pytest.mark.parametrize("output", [None, {}, {"lyrics": ""}, {"lyrics": 7}, [[[[[["La"]]]]]]])
async def test_completed_lyrics_without_lyrics_say_so(output: object) -> None:
    made = await report(task_type="generate_lyrics", output=output)
    assert made.lyrics is None
    assert made.error == "PiAPI calls the task completed, but gave no lyrics."


# Why, how much, when ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "logs", "reason"),
    [
        ({"code": 7, "message": "too loud"}, ["line"], "too loud"),
        ({"code": 7, "message": "", "raw_message": "too loud"}, None, "too loud"),
        ({"message": GENERAL, "raw_message": "too loud"}, None, "too loud"),
        ({"message": GENERAL, "detail": {"message": "too loud"}}, None, "too loud"),
        ("too loud", None, "too loud"),
        ({"message": GENERAL}, ["Attempt 1 failed, retrying.", "too loud"], "too loud"),
        ({"message": GENERAL}, [GENERAL, "restored frozen points", "too loud"], "too loud"),
        ({"message": GENERAL}, [{"message": "too loud"}, "second"], "too loud"),
        ({"message": GENERAL}, "too loud", "too loud"),
        ({"message": "failed to do request, see detail"}, ["too loud"], "too loud"),
        (NO_ERROR, ["please retry with other words"], "please retry with other words"),
        ({"message": GENERAL}, [GENERAL, 0, None, {}, []], GENERAL),
        ({"message": GENERAL}, None, GENERAL),
        (None, None, "PiAPI gave no reason."),
        (NO_ERROR, 7.5, "PiAPI gave no reason."),
        ({"message": "see https://up.example/x"}, None, "see [address]"),
    ],
)
async def test_the_reason_of_a_failure_is_the_most_telling_line(
    error: object, logs: object, reason: str
) -> None:
    made = await report(status="failed", error=error, logs=logs, output=None)
    assert made.error == reason


async def test_a_failed_task_without_reason_gives_its_clips_reason() -> None:
    made = await report(status="failed", output={"songs": [song(error_detail="too loud")]})
    assert made.error == "too loud"


async def test_an_error_beside_a_running_or_completed_task_is_none() -> None:
    error = {"code": 10000, "message": "transient"}
    assert (await report(status="processing", error=error)).error == ""
    assert (await report(status="completed", error=error)).error == ""


@pytest.mark.parametrize(
    ("status", "usage", "logs", "charged", "cost_usd"),
    [
        ("completed", {"frozen": 500000, "consume": 500000}, None, "yes", 0.05),
        ("processing", {"frozen": 500000, "consume": 0}, None, "yes", 0.05),
        ("pending", {"frozen": 0, "consume": 0}, None, "unknown", None),
        ("failed", {"frozen": 500000, "consume": 0}, None, "no", 0.0),
        ("failed", {"frozen": 0, "consume": 0}, ["Restored frozen points"], "unknown", None),
        ("failed", {}, ["restored frozen points"], "unknown", None),
        ("failed", {"frozen": 0, "consume": 0}, None, "unknown", None),
        ("failed", {"frozen": 500000, "consume": 500000}, None, "yes", 0.05),
        ("failed", {}, None, "unknown", None),
        ("completed", {}, None, "unknown", None),
        ("completed", {"frozen": -5, "consume": "much"}, None, "unknown", None),
        ("completed", None, None, "unknown", None),
        ("completed", {"consume": "500000"}, None, "yes", 0.05),
    ],
)
async def test_points_tell_what_was_paid(
    status: str, usage: object, logs: object, charged: str, cost_usd: float | None
) -> None:
    made = await report(status=status, meta={"usage": usage}, logs=logs)
    assert (made.charged, made.cost_usd) == (charged, cost_usd)


MOMENT = datetime(2025, 5, 6, 3, 45, 27, 533817, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2025-05-06T03:45:27.533817880Z", MOMENT),
        ("2025-05-06T05:45:27.533817+02:00", MOMENT),
        ("2025-05-06T03:45:27.533817", MOMENT),
        ("0001-01-01T00:00:00Z", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("9999-12-31T23:59:59-14:00", None),
        ("1970-01-01T00:00:00Z", None),
        ("", None),
        ("soon", None),
        ("\ud800", None),
        (None, None),
        (True, None),
        ([], None),
        (1e300, None),
    ],
)
async def test_times_are_utc_or_not_known(value: object, moment: datetime | None) -> None:
    made = await report(meta={"created_at": value, "ended_at": value})
    assert (made.created_at, made.finished_at) == (moment, moment)


async def test_the_older_name_of_the_end_is_read() -> None:
    made = await report(meta={"completed_at": "2025-05-06T03:45:27.533817Z"})
    assert made.finished_at == MOMENT


async def test_a_webhook_secret_is_in_nothing_that_is_kept() -> None:
    config = {"webhook_config": {"endpoint": "https://me.example", "secret": "hush-hush"}}
    made = await report(config=config, status="failed", input={"config": config})
    assert "hush-hush" not in repr(made)


@pytest.mark.parametrize("junk", [None, 7, "x", [], {}, True])
@pytest.mark.parametrize("field", ["input", "output", "meta", "error", "logs", "config", "model"])
async def test_a_field_of_a_wrong_type_spoils_nothing(field: str, junk: object) -> None:
    assert (await report(**{field: junk})).status == "completed"


# Account ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "account"),
    [
        (
            {"plan": "developer", "equivalent_in_usd": 12.3, "max_concurrent_task_count": 2},
            Account("developer", 12.3, 2),
        ),
        ({"wallet": {"point_remain": 123000000}}, Account("", 12.3, None)),
        ({"equivalent_in_usd": -0.5, "wallet": None}, Account("", -0.5, None)),
        ({}, Account()),
    ],
)
async def test_every_field_of_the_account_may_be_missing(data: object, account: Account) -> None:
    requests: list[httpx.Request] = []
    assert await piapi(enveloped(data), requests=requests).account() == account
    assert requests[0].url.path == "/account/info"


async def test_an_account_that_is_no_object_cannot_be_read() -> None:
    with pytest.raises(UnreadableAnswerError, match="PiAPI answered, but data is missing"):
        await piapi(enveloped(None)).account()


async def test_a_bad_key_shows_at_the_account_too() -> None:
    answer = httpx.Response(401, json={"code": 401, "data": None, "message": "Invalid API key"})
    with pytest.raises(BadKeyError, match="PIAPI_API_KEY"):
        await piapi(answer).account()
