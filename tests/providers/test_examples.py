"""Every documented request and reply, passed through the adapters (`tests/examples/index.json`)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import httpx
import pytest

from song_mcp.errors import (
    BadKeyError,
    BlockedError,
    BusyError,
    NoAnswerError,
    OutOfCreditsError,
    PlanLimitError,
    RefusedError,
    SongError,
    StoppedError,
    TooLargeError,
    UnknownTaskError,
    UnreadableAnswerError,
)
from song_mcp.providers import gptge_account
from song_mcp.providers.base import Account
from song_mcp.providers.gptge import Gptge
from song_mcp.providers.piapi import Piapi
from song_mcp.providers.piapi_requests import with_link
from song_mcp.songs import (
    MODELS,
    SERVICES,
    CoverRequest,
    ExtensionRequest,
    LyricsRequest,
    Request,
    SongRequest,
    Source,
    Wishes,
    model_named,
)
from tests.models import DEFAULT_SUNO, UDIO

EXAMPLES = Path(__file__).parent.parent / "examples"
ELSEWHERE = {"acestep", "minimax"}
"""The services whose examples are passed through their adapters in a file of their own."""
INDEX: list[dict[str, Any]] = [
    row
    for row in json.loads((EXAMPLES / "index.json").read_text(encoding="utf-8"))
    if row["service"] not in ELSEWHERE and row["call"] != "upload"
]
"""All but those, and the examples of uploads (`test_piapi_upload.py`)."""
ANSWERS = {row["file"]: row for row in INDEX if row["direction"] == "answer"}
REQUESTS = {row["file"]: row for row in INDEX if row["direction"] == "request"}
PIAPI_TASK = "11111111-2222-4333-8444-555555555555"
SUNO_TASK = "aaaaaaaa-0000-4000-8000-000000000001"
SUNO_LYRICS = "cccccccc-0000-4000-8000-000000000001"
SUBMITS = {"create", "submit_music", "submit_lyrics"}


def load(file: str) -> Any:  # noqa: ANN401 - JSON
    return json.loads((EXAMPLES / file).read_text(encoding="utf-8"))


def provider(file: str) -> Piapi | Gptge:
    row = ANSWERS[file]
    content = (EXAMPLES / file).read_bytes()
    transport = httpx.MockTransport(lambda _: httpx.Response(row["http_status"], content=content))
    if row["service"] == "piapi":
        return Piapi("0123456789abcdef", "https://api.piapi.ai", transport=transport)
    return Gptge("sk-0123456789abcdef", "https://api.gpt.ge", transport)


async def played(file: str) -> Any:  # noqa: ANN401 - whatever the call of this example gives
    """Make the call that the example answers."""
    service, call = provider(file), ANSWERS[file]["call"]
    if call in SUBMITS:
        model = UDIO if service.service == "piapi" else DEFAULT_SUNO
        return await service.submit(service.prepare(LyricsRequest(model, "trams")))
    if call == "fetch_many" and isinstance(service, Gptge):
        return await service.fetch_many([SUNO_TASK, SUNO_LYRICS])
    if call == "account" and isinstance(service, Piapi):
        return await service.account()
    return await service.fetch("the-id-that-was-asked-for")


# Answers ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Seen:
    """What matters of a report: each clip by its status, and the start of the error."""

    status: str
    clips: tuple[str, ...] = ()
    kind: str = "song"
    charged: str = "unknown"
    model: str = ""
    error: str = ""
    lyrics: str = ""


TWO = ("completed", "completed")


def udio(status: str, clips: tuple[str, ...] = (), error: str = "") -> Seen:
    return Seen(status, clips, charged="yes", model="udio", error=error)


def suno(status: str, clips: tuple[str, ...]) -> Seen:
    return Seen(status, clips, model="suno-v5")


def ace_step(status: str, kind: str = "song", clip: str = "completed") -> Seen:
    return Seen(status, (clip,), kind, "yes", "ace-step")


SHAPES = (
    *("camel_case", "clips_inside", "clips_by_id", "suno_data", "response_inside"),
    *("data_as_text", "clip_id", "listed_twice", "streaming", "with_remark", "plugin"),
)
REPORTS: Mapping[str, Seen] = {
    "piapi/answers/processing.json": udio("processing"),
    "piapi/answers/processing_songs_listed.json": udio("processing", ("processing", "processing")),
    "piapi/answers/completed.json": udio("completed", TWO),
    "piapi/answers/completed_capitalised.json": udio("completed", TWO),
    "piapi/answers/completed_one_song_failed.json": udio("completed", ("completed", "failed")),
    "piapi/answers/completed_no_songs.json": udio(
        "completed", error="PiAPI calls the task completed, but gave no audio."
    ),
    "piapi/answers/completed_clip_map.json": Seen(
        "completed", ("processing", "completed"), model="suno"
    ),
    "piapi/answers/published_clip_map.json": Seen(
        "completed", ("processing", "completed"), model="suno"
    ),
    "piapi/answers/published_pending.json": Seen("pending", kind="other", model="Qubico/flux1-dev"),
    "piapi/answers/completed_audio_url.json": udio("completed", ("completed",)),
    "piapi/answers/failed.json": Seen(
        "failed", model="udio", charged="no", error="The request was rejected because the text"
    ),
    "piapi/answers/failed_not_enough_credits.json": Seen(
        "failed", model="udio", charged="no", error="the account doesn't have enough credits"
    ),
    "piapi/answers/lyrics_completed.json": Seen(
        "completed", kind="lyrics", model="udio", lyrics="[Verse]\nLamps along the quay"
    ),
    "gptge/answers/running_no_data.json": Seen("pending"),
    "gptge/answers/running_clips_known.json": Seen(
        "processing", ("processing", "processing"), model="chirp-v3"
    ),
    "gptge/answers/status_unknown.json": Seen("processing"),
    "gptge/answers/fail_reason_before_failure.json": Seen(
        "processing", ("processing", "processing"), model="chirp-v3"
    ),
    "gptge/answers/completed_music.json": Seen("completed", ("completed",), model="chirp-v3"),
    "gptge/answers/published_completed_music.json": Seen(
        "completed", ("completed",), model="chirp-v3"
    ),
    "gptge/answers/completed_extra_fields.json": Seen(
        "completed", ("completed",), model="chirp-v3", charged="yes"
    ),
    "gptge/answers/completed_lyrics.json": Seen(
        "completed", kind="lyrics", lyrics="[Verse]\nTrams at noon"
    ),
    "gptge/answers/failed.json": Seen("failed", ("failed",), charged="no", error="time out"),
    "gptge/answers/failed_gateway_text.json": Seen("failed", error="获取渠道信息失败"),
    "gptge/answers/failed_one_clip_complete.json": Seen(
        "failed", ("failed", "completed"), charged="no", model="chirp-v3", error="flagged"
    ),
    **dict.fromkeys(
        (
            *(f"gptge/answers/completed_{shape}.json" for shape in SHAPES),
            "gptge/answers/completed_link_closed.json",
        ),
        suno("completed", TWO),
    ),
    "gptge/answers/completed_quota.json": replace(suno("completed", TWO), charged="yes"),
    "gptge/answers/completed_items.json": Seen("completed", TWO),
    "gptge/answers/running_plugin.json": Seen("pending"),
    "gptge/answers/running_clips_complete.json": suno("processing", TWO),
    "gptge/answers/failed_fail.json": Seen("failed", error="task failed"),
    "gptge/answers/failed_sensitive_word.json": Seen(
        "failed", error="The lyrics have a word that is not allowed."
    ),
    "gptge/answers/failed_flag.json": Seen("failed", error="fetch failed"),
    "gptge/answers/failed_without_refund.json": Seen("failed", error="任务超时"),
    "gptge/answers/failed_timed_out.json": Seen("failed", charged="no", error="任务超时"),
    "gptge/answers/completed_two_drafts.json": Seen(
        "completed", kind="lyrics", lyrics="[Verse]\nTrams at noon"
    ),
    "piapi/answers/completed_output_as_text.json": udio("completed", TWO),
    "piapi/answers/ace_step_pending_with_output.json": ace_step("pending", clip="processing"),
    "piapi/answers/ace_step_completed.json": ace_step("completed"),
    "piapi/answers/ace_step_cover_completed.json": ace_step("completed", "cover"),
    "piapi/answers/ace_step_extend_completed.json": ace_step("completed", "extension"),
    "piapi/answers/ace_step_no_input.json": Seen(
        *("failed", (), "extension", "no", "ace-step"), error="failed to get input audio"
    ),
    "piapi/answers/diffrhythm_completed.json": replace(ace_step("completed"), model="diffrhythm"),
    "piapi/answers/failed_without_usage.json": Seen("failed", model="udio", error="blocked"),
    "gptge/answers/completed_wishes.json": replace(suno("completed", TWO), model="suno-v6"),
    "gptge/answers/completed_other_model.json": replace(suno("completed", TWO), model="suno-v6"),
    "gptge/answers/running_new_api.json": Seen("pending"),
    "gptge/answers/completed_lyrics_new_api.json": Seen(
        "completed", kind="lyrics", lyrics="[Verse]\nTrams at noon"
    ),
    "gptge/answers/raw_clips.json": Seen("completed", ("completed",), model="chirp-v3"),
    "gptge/answers/raw_lyrics.json": Seen(
        "completed", kind="lyrics", lyrics="[Verse]\nTrams at noon"
    ),
}
ACCEPTED = {
    "piapi/answers/created.json": PIAPI_TASK,
    "piapi/answers/ace_step_created.json": PIAPI_TASK,
    "piapi/refusals/failed_to_do_request.json": PIAPI_TASK,
    "gptge/answers/submitted.json": SUNO_TASK,
    "gptge/answers/submitted_prefixed_id.json": "task_0123456789abcdefghijklmnopqrstuv",
    "gptge/answers/submitted_task_batch_id.json": "1279444349692403713",
    "gptge/answers/submitted_success_true.json": SUNO_TASK,
    "gptge/answers/submitted_result.json": SUNO_TASK,
    "gptge/answers/submitted_id_and_clips.json": SUNO_TASK,
}
BATCHES: Mapping[str, set[str]] = {
    "gptge/answers/many_found.json": {SUNO_TASK},
    "gptge/answers/many_none_found.json": set(),
    "gptge/answers/many_no_ids.json": set(),
}
ACCOUNTS = {"piapi/answers/account.json": Account("developer", 12.3, 2)}
OF_KEYS: Mapping[tuple[str, ...], Account | None] = {
    ("answers/account_subscription.json", "answers/account_usage.json"): Account(
        balance_units=8.188
    ),
    ("answers/account_subscription_no_limit.json",): Account(is_unlimited=True),
    ("refusals/account_error_in_200.json", "answers/account_of_key.json"): Account(
        balance_units=8.188
    ),
    ("refusals/account_flag.json",): None,
    ("answers/account_models.json",): None,
    ("answers/account_models_without_suno.json",): Account(
        remark="Among the models of this key gpt.ge lists no suno_music, so it may refuse songs."
    ),
}
"""What is made of the answers to looks at a key of gpt.ge's, where all others are web pages."""
LOOKS_AT_KEYS = {
    "subscription": {gptge_account.SUBSCRIPTION},
    "usage": {gptge_account.USAGE},
    "of_key": {gptge_account.OF_KEY},
    "models": {gptge_account.MODELS},
    "any_account": {gptge_account.SUBSCRIPTION, gptge_account.USAGE, gptge_account.MODELS},
}
LISTS = {
    "piapi/answers/history.json",
    "piapi/answers/history_ace_step.json",
    "piapi/answers/active_tasks.json",
}
"""Read by the tests of the history."""
REFUSALS: Mapping[str, type[SongError]] = {
    "piapi/refusals/lyrics_too_long.json": RefusedError,
    "piapi/refusals/negative_tags_too_long.json": RefusedError,
    "piapi/refusals/duration_too_long.json": RefusedError,
    "piapi/refusals/bad_key.json": BadKeyError,
    "piapi/refusals/insufficient_credits.json": OutOfCreditsError,
    "piapi/refusals/plan_limit.json": PlanLimitError,
    "piapi/refusals/under_maintenance.json": StoppedError,
    "piapi/refusals/code_400_in_http_200.json": RefusedError,
    "piapi/refusals/unknown_task.json": UnknownTaskError,
    "piapi/refusals/no_money_with_task_id.json": OutOfCreditsError,
    "piapi/refusals/model_discontinued.json": StoppedError,
    "gptge/refusals/prompt_empty_new_api.json": RefusedError,
    "gptge/refusals/no_price_new_api.json": StoppedError,
    "gptge/refusals/task_not_exist.json": UnknownTaskError,
    "gptge/refusals/task_not_exist_raw.json": UnknownTaskError,
    "gptge/refusals/prompt_empty.json": RefusedError,
    "gptge/refusals/prompt_empty_raw.json": RefusedError,
    "gptge/refusals/continuation_without_task_id.json": RefusedError,
    "gptge/refusals/task_origin_not_exist.json": RefusedError,
    "gptge/refusals/task_channel_disable.json": RefusedError,
    "gptge/refusals/channel_not_found.json": RefusedError,
    "gptge/refusals/bad_json.json": RefusedError,
    "gptge/refusals/invalid_action.json": RefusedError,
    "gptge/refusals/invalid_action_no_channel.json": StoppedError,
    "gptge/refusals/body_too_large.json": TooLargeError,
    "gptge/refusals/build_request_failed.json": RefusedError,
    "gptge/refusals/get_origin_task_failed.json": RefusedError,
    "gptge/refusals/model_price_error.json": StoppedError,
    "gptge/refusals/no_price.json": StoppedError,
    "gptge/refusals/channel_no_available_key.json": StoppedError,
    "gptge/refusals/get_channel_failed_retry.json": NoAnswerError,
    "gptge/refusals/detail_422.json": RefusedError,
    "gptge/refusals/detail_text.json": RefusedError,
    "gptge/refusals/token_used_up.json": OutOfCreditsError,
    "gptge/refusals/token_expired.json": BadKeyError,
    "gptge/refusals/pre_consume_failed.json": OutOfCreditsError,
    "gptge/refusals/cloudflare_403.json": BlockedError,
    "gptge/refusals/switch_to_v6.json": StoppedError,
    "gptge/refusals/switch_to_v6_500.json": StoppedError,
    "gptge/refusals/model_offline.json": StoppedError,
    "gptge/refusals/success_false.json": RefusedError,
    "gptge/refusals/error_code_in_200.json": UnreadableAnswerError,
    "gptge/refusals/quota_not_enough.json": OutOfCreditsError,
    "gptge/refusals/insufficient_user_quota.json": OutOfCreditsError,
    "gptge/refusals/pre_consume_token_quota_failed.json": OutOfCreditsError,
    "gptge/refusals/upstream_refused.json": OutOfCreditsError,
    "gptge/refusals/saturated.json": BusyError,
    "gptge/refusals/quota_behind_429.json": OutOfCreditsError,
    "gptge/refusals/upstream_said_no.json": NoAnswerError,
    "gptge/refusals/upstream_not_json.json": NoAnswerError,
    "gptge/refusals/upstream_unreachable.json": NoAnswerError,
    "gptge/refusals/upstream_unreachable_masked.json": NoAnswerError,
    "gptge/refusals/sister_invalid_prompt.json": RefusedError,
    "gptge/refusals/bad_key.json": BadKeyError,
    "gptge/refusals/no_channel.json": StoppedError,
    "gptge/refusals/user_banned.json": BadKeyError,
    "gptge/refusals/ip_not_allowed.json": BadKeyError,
    "gptge/refusals/group_not_allowed.json": BadKeyError,
    "gptge/refusals/model_not_allowed.json": BadKeyError,
    "gptge/refusals/database_error.json": StoppedError,
}


def test_every_answer_is_expected_in_one_table() -> None:
    tables = [REPORTS, ACCEPTED, BATCHES, ACCOUNTS, REFUSALS, LISTS]
    of_keys = {f"gptge/{file}" for files in OF_KEYS for file in files}
    assert sorted([*(file for table in tables for file in table), *of_keys]) == sorted(ANSWERS)


@pytest.mark.parametrize("file", REPORTS)
async def test_an_answered_look_is_reported(file: str) -> None:
    report, seen = await played(file), REPORTS[file]
    assert report.task_id == "the-id-that-was-asked-for"
    assert seen == Seen(
        status=report.status,
        clips=tuple(clip.status for clip in report.clips),
        kind=report.kind,
        charged=report.charged,
        model=report.model,
        error=report.error[: len(seen.error)] if seen.error else report.error,
        lyrics=report.lyrics.text if report.lyrics else "",
    )


@pytest.mark.parametrize("file", REPORTS)
async def test_only_completed_clips_have_audio_and_links_stay_as_they_came(file: str) -> None:
    text = (EXAMPLES / file).read_text(encoding="utf-8")
    for clip in (await played(file)).clips:
        assert bool(clip.audio_url) == (clip.status == "completed" and not clip.is_withheld)
        assert clip.audio_url in text


@pytest.mark.parametrize("file", ACCEPTED)
async def test_an_accepted_submission_gives_its_id(file: str) -> None:
    assert (await played(file)).task_id == ACCEPTED[file]


@pytest.mark.parametrize("file", BATCHES)
async def test_several_tasks_are_found_or_left_out(file: str) -> None:
    assert set(await played(file)) == BATCHES[file]


@pytest.mark.parametrize("file", ACCOUNTS)
async def test_an_account_is_read(file: str) -> None:
    assert await played(file) == ACCOUNTS[file]


@pytest.mark.parametrize("files", OF_KEYS, ids=lambda files: files[0])
async def test_a_key_of_gptges_is_read_as_far_as_it_is_told(files: tuple[str, ...]) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        for row in (ANSWERS[f"gptge/{file}"] for file in files):
            if request.url.path in LOOKS_AT_KEYS[row["call"]]:
                content = (EXAMPLES / row["file"]).read_bytes()
                return httpx.Response(row["http_status"], content=content)
        return httpx.Response(200, html="<!doctype html>")

    service = Gptge("sk-0123456789abcdef", "https://api.gpt.ge", httpx.MockTransport(handler))
    assert await service.account() == OF_KEYS[files]


async def test_what_clips_repeat_of_wishes_is_read() -> None:
    heeded = Wishes("metal, screaming", "f", 0.65, 0.4)
    clips = (await played("gptge/answers/completed_wishes.json")).clips
    others = (await played("gptge/answers/completed_other_model.json")).clips
    assert {clip.wishes for clip in clips} == {heeded}
    assert {clip.wishes for clip in others} == {Wishes()}
    assert {clip.made_with for clip in others} == {"chirp-hawk"}


@pytest.mark.parametrize("file", REFUSALS)
async def test_a_refusal_is_sorted(file: str) -> None:
    with pytest.raises(SongError) as caught:
        await played(file)
    assert type(caught.value) is REFUSALS[file]
    is_in_doubt = issubclass(REFUSALS[file], NoAnswerError)
    assert caught.value.charged == ("unknown" if is_in_doubt else "no")


# Requests --------------------------------------------------------------------------------------

LAMPS = "[Verse]\nLamps along the quay\n[Chorus]"
NIGHT = (
    "[Verse]\nIn the gentle evening air,\nWhispers dance without a care.\nStars ignite our dreams "
    "above,\nWrapped in warmth, we find our love.\n[Chorus]"
)
WARM = SongRequest(UDIO, "folk, warm", LAMPS, title="Quay", negative_tags="metal")
TRAMS = Source("bbbbbbbb-0000-4000-8000-000000000001", SUNO_TASK, duration_s=128.92)
ACE_STEP, DIFFRHYTHM = MODELS["ace-step"], MODELS["diffrhythm"]
TAKE = Source("clip-1", PIAPI_TASK, duration_s=131.114, service="piapi")
WISHFUL = SongRequest(
    DEFAULT_SUNO,
    "indie pop",
    "[Verse]\nTrams at noon",
    title="Trams",
    negative_tags="metal, screaming",
    vocal_gender="f",
    style_weight=0.65,
    weirdness=0.4,
)
SIX_MINI = model_named("chirp-v6-mini") or DEFAULT_SUNO
ASK_NOTHING = ("generation_type", "make_instrumental")
"""What clients send beside own lyrics, and song-mcp does not (`docs/providers.md` 3.14)."""
PREPARED: Mapping[str, Request] = {
    "piapi/requests/description.json": SongRequest(UDIO, "slow harbour waltz, accordion"),
    "piapi/requests/own_lyrics.json": WARM,
    "piapi/requests/own_lyrics_in_both.json": WARM,
    "piapi/requests/extend.json": ExtensionRequest(
        UDIO, "folk, warm", source=Source("5b1f0c52-0000-4000-8000-0000000000a1")
    ),
    "piapi/requests/published_description.json": SongRequest(UDIO, "night breeze, piano"),
    "piapi/requests/published_instrumental.json": SongRequest(
        UDIO, "night breeze", instrumental=True
    ),
    "piapi/requests/published_own_lyrics.json": SongRequest(UDIO, lyrics=NIGHT),
    "piapi/requests/published_extend.json": ExtensionRequest(
        UDIO,
        "winter snow, Folk music",
        source=Source("1307fd94-adbc-4787-b8e3-2e89f84ef22b"),
    ),
    "piapi/requests/published_create_task.json": SongRequest(
        UDIO,
        "magna in id in eu",
        instrumental=True,
        negative_tags="veritatis",
        seed=-25443934,
    ),
    "piapi/requests/lyrics.json": LyricsRequest(UDIO, "harbour at night"),
    "piapi/requests/ace_step.json": SongRequest(
        ACE_STEP,
        "slow waltz, upright piano, brushed drums",
        "[Verse]\nTrams at noon\n[Chorus]\nRing, ring",
        negative_tags="distortion",
        duration_s=60,
    ),
    "piapi/requests/ace_step_instrumental.json": SongRequest(
        ACE_STEP, "slow waltz", instrumental=True
    ),
    "piapi/requests/ace_step_cover.json": CoverRequest(ACE_STEP, "ska, brass", source=TAKE),
    "piapi/requests/ace_step_extend.json": ExtensionRequest(ACE_STEP, "slow waltz", source=TAKE),
    "piapi/requests/diffrhythm.json": SongRequest(
        DIFFRHYTHM,
        "folk, acoustic guitar, harmony vocals",
        "[00:10.00] Trams at noon\n[00:16.50] Ring, ring",
    ),
    "piapi/requests/diffrhythm_full.json": SongRequest(
        DIFFRHYTHM, "folk", instrumental=True, duration_s=285
    ),
    "gptge/requests/inspiration.json": SongRequest(
        MODELS["suno-v4"], "cheerful weekend song, female voice"
    ),
    "gptge/requests/custom.json": SongRequest(
        MODELS["suno-v4.5"], "indie pop", "[Verse]\nTrams at noon", title="Trams"
    ),
    "gptge/requests/continuation.json": ExtensionRequest(
        MODELS["suno-v4.5"],
        "indie pop",
        "[Verse 2]\nTrams at night",
        title="Trams II",
        source=TRAMS,
        continue_at_s=80.5,
    ),
    "gptge/requests/lyrics.json": LyricsRequest(DEFAULT_SUNO, "trams at noon"),
    "gptge/requests/wishes.json": WISHFUL,
    "gptge/requests/wishes_of_clients.json": WISHFUL,
    "gptge/requests/wishes_description.json": SongRequest(
        MODELS["suno-v6-wild"], "trams at noon", negative_tags="metal", vocal_gender="m"
    ),
    "gptge/requests/any_model.json": SongRequest(SIX_MINI, "trams at noon"),
}
LINKS = {
    "piapi/requests/ace_step_cover.json": "style_audio",
    "piapi/requests/ace_step_extend.json": "audio",
}
"""Which field has the address that is added when a request is sent."""
CONFIG = {"service_mode": "public", "webhook_config": {"endpoint": "", "secret": ""}}


def documented(file: str) -> dict[str, Any]:
    """Return the example as we send it: always with the whole config, own lyrics in both fields."""
    body: dict[str, Any] = load(file)
    if REQUESTS[file]["service"] == "piapi":
        body["config"] = CONFIG
        given = body["input"]
        if given.get("lyrics_type") == "user":
            lyrics = (given.get("prompt") or given["lyrics"]).strip()
            given |= {"prompt": lyrics, "lyrics": lyrics}
    if file.endswith("_of_clients.json"):
        body = {name: value for name, value in body.items() if name not in ASK_NOTHING}
    return body


def test_every_request_is_prepared_or_a_look() -> None:
    assert sorted([*PREPARED, "gptge/requests/fetch_many.json"]) == sorted(REQUESTS)


@pytest.mark.parametrize("file", PREPARED)
def test_a_request_is_prepared_as_it_is_documented(file: str) -> None:
    service = SERVICES[REQUESTS[file]["service"]]
    made = resolve_name(service.adapter)("key", service.base_url).prepare(PREPARED[file])
    wanted = documented(file)
    assert (made.audio is not None) == (file in LINKS)
    body = with_link(made.body, wanted["input"][LINKS[file]]) if made.audio else made.body
    assert body == wanted


async def test_several_tasks_are_asked_for_as_it_is_documented() -> None:
    bodies: list[Any] = []

    def handler(request: httpx.Request) -> httpx.Response:
        bodies.append(json.loads(request.content))
        return httpx.Response(200, json={"code": "success", "message": "", "data": None})

    wanted = load("gptge/requests/fetch_many.json")
    service = Gptge("key", "https://api.gpt.ge", httpx.MockTransport(handler))
    await service.fetch_many(wanted["ids"])
    assert bodies == [wanted]
