"""What ACE-Step and DiffRhythm are sent for what a person asks."""

from typing import Any

import pytest

from song_mcp.errors import InvalidRequestError
from song_mcp.lrc import lines
from song_mcp.providers.piapi import Piapi
from song_mcp.songs import MODELS, CoverRequest, ExtensionRequest, SongRequest, Source
from tests.faults.canaries import PIAPI_KEY

Json = dict[str, Any]

ACE_STEP, DIFFRHYTHM = MODELS["ace-step"], MODELS["diffrhythm"]


def body(request: SongRequest) -> Json:
    service = Piapi(PIAPI_KEY, "https://api.piapi.ai", "private")
    return dict(service.prepare(request).body)


def given(request: SongRequest) -> Json:
    return dict(body(request)["input"])


def rhythm(lyrics: str = "", duration_s: float | None = None) -> Json:
    return body(SongRequest(DIFFRHYTHM, "folk", lyrics, duration_s=duration_s))


def source(duration_s: float | None) -> Source:
    return Source("clip-1", duration_s=duration_s)


def test_only_udio_works_for_a_hosted_account() -> None:
    modes = {
        name: body(SongRequest(MODELS[name], "folk"))["config"]["service_mode"]
        for name in ("udio", "ace-step", "diffrhythm")
    }
    assert modes == {"udio": "private", "ace-step": "public", "diffrhythm": "public"}


def test_names_of_sections_are_in_small_letters_and_words_are_not() -> None:
    sung = "[Verse 1]\nTrams AT noon [Oh]\n  [Pre-Chorus] \nRing\n\n[CHORUS]\nRing"
    lyrics = given(SongRequest(ACE_STEP, "folk", sung))["lyrics"]
    assert lyrics == "[verse 1]\nTrams AT noon [Oh]\n  [pre-chorus] \nRing\n\n[chorus]\nRing"


@pytest.mark.parametrize(
    ("seconds", "sent"), [(10, 10), (10.0, 10), (59.5, 59.5), (240.0, 240), (None, 60)]
)
def test_a_length_is_sent_as_asked_and_a_whole_number_as_one(
    seconds: float | None, sent: float
) -> None:
    duration = given(SongRequest(ACE_STEP, "folk", duration_s=seconds))["duration"]
    assert (duration, type(duration)) == (sent, type(sent))


@pytest.mark.parametrize(
    ("length_s", "sent"), [(None, 60), (3.2, 10), (131.114, 131), (131.6, 132), (400.0, 240)]
)
def test_a_cover_is_as_long_as_its_clip_as_far_as_the_model_can(
    length_s: float | None, sent: float
) -> None:
    request = CoverRequest(ACE_STEP, "ska", source=source(length_s))
    assert given(request)["duration"] == sent
    asked = CoverRequest(ACE_STEP, "ska", source=source(length_s), duration_s=20)
    assert given(asked)["duration"] == 20


@pytest.mark.parametrize(("instrumental", "lyrics"), [(True, "[inst]"), (False, "")])
def test_a_cover_without_lyrics_keeps_what_is_sung(*, instrumental: bool, lyrics: str) -> None:
    request = CoverRequest(ACE_STEP, "ska", source=source(60), instrumental=instrumental)
    assert given(request)["lyrics"] == lyrics


def test_an_extension_asks_for_what_is_added_at_the_end() -> None:
    longer = given(ExtensionRequest(ACE_STEP, "on", source=source(60), duration_s=45.5))
    assert (longer["right_extend_duration"], longer["left_extend_duration"]) == (45.5, 0)
    assert "duration" not in longer


def test_the_journal_and_the_price_know_the_length_that_was_chosen() -> None:
    chosen = [
        SongRequest(ACE_STEP, "folk"),
        ExtensionRequest(ACE_STEP, "on", source=source(60)),
        CoverRequest(ACE_STEP, "ska", source=source(120)),
    ]
    assert [each.duration_s for each in chosen] == [60, 30, 120]
    assert [ACE_STEP.price_usd(each.duration_s) for each in chosen] == [0.03, 0.015, 0.06]
    assert ACE_STEP.price_usd(None) is None


@pytest.mark.parametrize("position", [59.2, 60, 60.9])
def test_it_continues_at_the_end_and_nowhere_else(position: float) -> None:
    request = ExtensionRequest(ACE_STEP, "on", source=source(60), continue_at_s=position)
    assert "continue_at" not in given(request)
    with pytest.raises(InvalidRequestError, match="continues a clip at its end"):
        ExtensionRequest(ACE_STEP, "on", source=source(60), continue_at_s=30)


# DiffRhythm ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "task_type"),
    [(10, "base"), (95, "base"), (95.5, "full"), (285, "full"), (None, "base")],
)
def test_the_type_of_its_task_follows_the_length(seconds: float | None, task_type: str) -> None:
    assert rhythm(duration_s=seconds)["task_type"] == f"txt2audio-{task_type}"


@pytest.mark.parametrize(("count", "task_type"), [(23, "base"), (24, "full"), (200, "full")])
def test_without_a_length_it_follows_how_many_lines_are_sung(count: int, task_type: str) -> None:
    lyrics = "[Verse]\n\n" + "\n".join(f"Line {number}" for number in range(count))
    made = rhythm(lyrics)
    assert made["task_type"] == f"txt2audio-{task_type}"
    sung = lines(made["input"]["lyrics"])
    assert [text for _, text in sung] == [f"Line {number}" for number in range(count)]
    assert sung[-1][0] < (95 if task_type == "base" else 285)


def test_lines_are_spread_over_the_length_that_is_asked_for() -> None:
    made = rhythm("Lamps\nalong\nthe quay", 30)
    assert made["task_type"] == "txt2audio-base"
    assert lines(made["input"]["lyrics"])[-1][0] < 30


@pytest.mark.parametrize(
    ("stamp", "task_type"), [("01:35.00", "base"), ("01:35.01", "full"), ("04:45.00", "full")]
)
def test_timed_lines_stay_and_need_their_time(stamp: str, task_type: str) -> None:
    lyrics = f"[00:01.00]Lamps\n[{stamp}] along the quay"
    made = rhythm(lyrics)
    assert made["input"]["lyrics"] == lyrics
    assert made["task_type"] == rhythm(lyrics, 20)["task_type"] == f"txt2audio-{task_type}"


def test_a_line_after_the_longest_song_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(InvalidRequestError, match=r"begins at 285.5 s.*Nothing was sent or paid"):
        rhythm("[00:01.00]Lamps\n[04:45.50]along")


def test_without_a_voice_it_gets_no_lines() -> None:
    instrumental = body(SongRequest(DIFFRHYTHM, "folk", instrumental=True))
    for made in (rhythm(), rhythm("[Verse]"), instrumental):
        assert made["input"]["lyrics"] == "[inst]"
