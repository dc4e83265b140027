"""The rules of a request: which fields go together, limits per model, positions of extensions."""

from datetime import UTC, datetime
from typing import Any

import pytest

from song_mcp.errors import InvalidRequestError
from song_mcp.songs import (
    MODELS,
    SERVICES,
    Clip,
    ExtensionRequest,
    LyricsRequest,
    Model,
    SongRequest,
    Source,
    Task,
    Wishes,
    checked_id,
    why_not_extended,
)
from tests.models import UDIO

SERVICE_NAMES = tuple(SERVICES)
V4, V5 = MODELS["suno-v4"], MODELS["suno-v5"]


@pytest.mark.parametrize("name", SERVICE_NAMES)
def test_a_row_of_the_table_holds_together(name: str) -> None:
    service = SERVICES[name]
    assert service.name == name
    assert {model.service for model in service.models} == {name}
    assert [MODELS[model.name] for model in service.models] == list(service.models)
    assert service.default_model in service.models
    assert [service.model(model.sent_as) for model in service.models] == list(service.models)


def refusal(**arguments: Any) -> str:  # noqa: ANN401 - whatever a field takes
    with pytest.raises(InvalidRequestError) as caught:
        SongRequest(**({"model": UDIO} | arguments))
    assert caught.value.charged == "no"
    return str(caught.value)


def test_a_request_needs_a_description_or_lyrics() -> None:
    assert "description" in refusal()
    assert "Nothing was sent or paid" in refusal(title="Only a title")


def test_lyrics_and_instrumental_exclude_each_other() -> None:
    assert "exclude" in refusal(lyrics="la", instrumental=True)


@pytest.mark.parametrize(
    ("model", "limit"),
    [("udio", 1000), ("suno-v3", 3000), ("suno-v4", 3000), ("suno-v4.5", 5000), ("suno-v5", 5000)],
)
def test_own_lyrics_fit_the_model(model: str, limit: int) -> None:
    SongRequest(MODELS[model], lyrics="x" * limit)
    text = refusal(model=MODELS[model], lyrics="x" * (limit + 1))
    assert f"{limit + 1} characters" in text
    assert str(limit) in text
    assert model in text


@pytest.mark.parametrize(
    ("model", "limit"), [("suno-v3.5", 200), ("suno-v4", 200), ("suno-v5", 1000)]
)
def test_the_style_beside_own_lyrics_fits_the_custom_mode(model: str, limit: int) -> None:
    SongRequest(MODELS[model], lyrics="la", description="x" * limit)
    assert str(limit) in refusal(model=MODELS[model], lyrics="la", description="x" * (limit + 1))


@pytest.mark.parametrize("model", SERVICES["gptge"].models, ids=lambda model: model.name)
@pytest.mark.parametrize("instrumental", [False, True])
def test_a_description_alone_has_a_limit_of_its_own(model: Model, *, instrumental: bool) -> None:
    SongRequest(model, description="x" * 500, instrumental=instrumental)
    text = refusal(model=model, description="x" * 501, instrumental=instrumental)
    assert "501 characters; at most 500" in text
    assert "the oldest relays take 200" in text
    assert "Nothing was sent or paid" in text


def test_a_description_for_udio_may_be_long() -> None:
    SongRequest(UDIO, description="x" * 10_000)
    assert "at most 10000" in refusal(description="x" * 10_001)


@pytest.mark.parametrize(
    ("model", "limit"), [("udio", 300), ("suno-v3", 80), ("suno-v4", 80), ("suno-v4.5", 100)]
)
@pytest.mark.parametrize("words", [{"description": "d"}, {"lyrics": "la"}])
def test_a_title_fits_the_model(model: str, limit: int, words: dict[str, str]) -> None:
    SongRequest(MODELS[model], title="x" * limit, **words)  # type: ignore[arg-type]  # by name
    text = refusal(model=MODELS[model], title="x" * (limit + 1), **words)
    assert f"{limit + 1} characters; at most {limit}" in text
    assert model in text


def test_the_style_of_an_extension_fits_the_custom_mode() -> None:
    source = Source("c", "t", duration_s=60.0)
    ExtensionRequest(V5, description="x" * 1000, source=source)
    with pytest.raises(InvalidRequestError, match="at most 200 "):
        ExtensionRequest(V4, description="x" * 201, source=source)


def test_negative_tags_have_a_limit() -> None:
    SongRequest(UDIO, description="d", negative_tags="x" * 100)
    assert "100" in refusal(description="d", negative_tags="x" * 101)


def test_suno_takes_no_seed_and_what_is_retired_no_negative_tags() -> None:
    assert "seed" in refusal(model=V5, description="d", seed=7)
    assert "suno-v6" in refusal(model=V5, description="d", negative_tags="metal")


V6 = MODELS["suno-v6"]


def test_what_relays_may_ignore_is_taken_by_suno_of_today() -> None:
    SongRequest(V6, "d", negative_tags="x" * 1000, style_weight=0, weirdness=1)
    assert "at most 1000" in refusal(model=V6, description="d", negative_tags="x" * 1001)
    assert "0 to 1" in refusal(model=V6, description="d", style_weight=1.01)
    assert "0 to 1" in refusal(model=V6, description="d", weirdness=-0.01)


@pytest.mark.parametrize(
    ("said", "kept"), [("f", "f"), ("Female", "f"), (" M ", "m"), ("man", "m"), ("", ""), (" ", "")]
)
def test_who_sings_can_be_said_in_words(said: str, kept: str) -> None:
    assert SongRequest(V6, "d", vocal_gender=said).vocal_gender == kept  # type: ignore[arg-type]


def test_who_sings_is_refused_if_it_means_nothing_or_nobody_sings() -> None:
    assert "must be m or f" in refusal(model=V6, description="d", vocal_gender="choir")
    said = refusal(model=V6, description="d", vocal_gender="f", instrumental=True)
    assert "vocal_gender and instrumental exclude each other" in said


@pytest.mark.parametrize(
    ("asked", "shown", "ignored"),
    [
        (Wishes("metal, Rap"), Wishes("rap, METAL, drums"), ()),
        (Wishes("metal, rap"), Wishes("metal"), ("negative_tags",)),
        (Wishes(vocal_gender="f"), Wishes(vocal_gender="Female"), ()),
        (Wishes(vocal_gender="f"), Wishes(vocal_gender="m"), ("vocal_gender",)),
        (Wishes(style_weight=0.65), Wishes(style_weight=0.65), ()),
        (Wishes(style_weight=0.65), Wishes(style_weight=65), ()),
        (Wishes(style_weight=0.0), Wishes(style_weight=0.0), ()),
        (Wishes(style_weight=0.0), Wishes(), ("style_weight",)),
        (Wishes(weirdness=0.4), Wishes(weirdness=0.5), ("weirdness",)),
        (Wishes("a", "m", 0.1, 0.2), Wishes("a"), ("vocal_gender", "style_weight", "weirdness")),
        (Wishes(), Wishes("metal"), ()),
    ],
)  # fmt: skip
def test_a_wish_counts_as_heeded_if_a_clip_repeats_it(
    asked: Wishes, shown: Wishes, ignored: tuple[str, ...]
) -> None:
    assert asked.unheeded([Wishes(), shown]) == ignored


def test_wishes_of_the_journal_of_another_kind_are_none() -> None:
    assert Wishes.of_json({"negative_tags": 7, "style_weight": "x", "seed": 3}) == Wishes()
    kept = Wishes("metal", "f", 0.0, 0.5)
    assert Wishes.of_json(kept.given) == kept


def test_defaults_sent_explicitly_are_no_reason_to_refuse() -> None:
    request = SongRequest(V5, description="d", seed=-1, negative_tags="", lyrics="", title="")
    assert request == SongRequest(V5, description="d")


@pytest.mark.parametrize("seed", [-25443934, 0, 2**31 - 1, -(2**31)])
def test_udio_takes_any_seed_of_32_bits(seed: int) -> None:
    assert SongRequest(UDIO, description="d", seed=seed).seed == seed


@pytest.mark.parametrize("seed", [2**31, -(2**31) - 1, 2**32, 2**53])
def test_no_other_seed_is_paid_for(seed: int) -> None:
    text = refusal(description="d", seed=seed)
    assert "from -2147483648 to 2147483647" in text
    assert "Nothing was sent or paid" in text


def made(*clips: Clip, service: str = "piapi", model: str = "udio") -> Task:
    """A finished task with these clips."""
    when = datetime(2026, 1, 1, tzinfo=UTC)
    return Task("local-1", service, model, "song", "completed", when, task_id="t", clips=clips)


GOOD = Clip("c", "completed")


@pytest.mark.parametrize("model", ["udio", "music-u", "Music-U", ""])
def test_a_finished_clip_of_udio_is_extended(model: str) -> None:
    assert why_not_extended(made(GOOD, model=model), GOOD) == ""


@pytest.mark.parametrize("model", ["Qubico/diffrhythm", "music-s", "suno", "mmaudio", "suno-v5"])
def test_a_clip_of_another_model_is_not_extended_as_udio(model: str) -> None:
    reason = why_not_extended(made(GOOD, model=model), GOOD)
    assert model in reason
    assert "extends only clips of udio" in reason
    assert "generate_song" in reason


@pytest.mark.parametrize("model", ["ace-step", "Qubico/ace-step"])
@pytest.mark.parametrize("clip_id", ["c", "t"])
def test_a_clip_of_ace_step_is_extended_though_it_has_no_id_of_its_own(
    model: str, clip_id: str
) -> None:
    clip = Clip(clip_id, "completed")
    assert why_not_extended(made(clip, model=model), clip) == ""


@pytest.mark.parametrize(
    ("service", "model"), [("piapi", "diffrhythm"), ("minimax", "minimax-3-free")]
)
def test_a_clip_that_cannot_be_extended_can_be_covered(service: str, model: str) -> None:
    reason = why_not_extended(made(GOOD, service=service, model=model), GOOD)
    assert "cover_song makes it in another style, by " in reason
    assert "ace-step" in reason


def test_what_made_a_clip_counts_if_its_task_does_not_tell() -> None:
    old = Clip("c", "completed", made_with="chirp-v3")
    assert "chirp-v3" in why_not_extended(made(old, model=""), old)
    assert why_not_extended(made(old), old) == ""


@pytest.mark.parametrize("clip_id", ["t", "t-2"])
def test_a_clip_without_an_id_of_its_own_is_not_extended_by_its_tasks(clip_id: str) -> None:
    clip = Clip(clip_id, "completed")
    assert "told no id of clip" in why_not_extended(made(clip), clip)
    assert why_not_extended(made(clip, service="gptge", model="suno-v5"), clip) == ""
    other = Clip("t-two", "completed")
    assert why_not_extended(made(other), other) == ""


@pytest.mark.parametrize("model", ["suno-v5", "chirp-hawk", "chirp-bluejay", ""])
def test_a_clip_of_any_suno_is_extended_at_gptge(model: str) -> None:
    assert why_not_extended(made(GOOD, service="gptge", model=model), GOOD) == ""


@pytest.mark.parametrize("service", [name for name in SERVICE_NAMES if SERVICES[name].extends])
def test_a_clip_that_is_not_finished_is_not_extended(service: str) -> None:
    broken, early = Clip("a", "failed"), Clip("b", "processing")
    assert "is failed" in why_not_extended(made(broken, early, service=service), broken)
    assert "get_task" in why_not_extended(made(broken, early, service=service), early)


def test_text_is_trimmed_and_cleaned() -> None:
    request = SongRequest(UDIO, description="  slow\x00 \u202ewaltz\ud800 ", lyrics=" a\r\nb ")
    assert request.description == "slow waltz"
    assert request.lyrics == "a\nb"


def test_an_extension_at_piapi_starts_at_zero_by_default() -> None:
    assert ExtensionRequest(UDIO, "d", source=Source("c")).position_s == 0


def test_an_extension_at_gptge_starts_at_the_clips_end_by_default() -> None:
    request = ExtensionRequest(V5, "d", source=Source("c", "t", duration_s=128.9))
    assert request.position_s == 128.9


def test_an_extension_at_gptge_needs_a_position_where_the_duration_is_unknown() -> None:
    with pytest.raises(InvalidRequestError, match="continue_at_seconds"):
        ExtensionRequest(V5, "d", source=Source("c", "t"))
    assert ExtensionRequest(V5, "d", source=Source("c", "t"), continue_at_s=60.5).position_s == 60.5


@pytest.mark.parametrize("position", [-1.0, 131.0])
def test_a_position_is_inside_the_clip(position: float) -> None:
    with pytest.raises(InvalidRequestError, match="continue_at_seconds"):
        ExtensionRequest(UDIO, "d", source=Source("c", duration_s=130.0), continue_at_s=position)


@pytest.mark.parametrize(
    ("length", "position"), [(None, 3600.5), (2.0**36, 2.0**36), (2.0**36, None), (3601.0, None)]
)
def test_a_position_beyond_all_clips_is_refused_wherever_it_comes_from(
    length: float | None, position: float | None
) -> None:
    source = Source("c", "t", duration_s=length)
    with pytest.raises(InvalidRequestError, match="no clip is longer than 3600 s") as caught:
        ExtensionRequest(V5, "d", source=source, continue_at_s=position)
    assert "Nothing was sent or paid" in str(caught.value)
    assert ("set continue_at_seconds" in str(caught.value)) == (position is None)


def test_a_clip_that_is_said_to_be_too_long_is_extended_from_a_position_that_can_be() -> None:
    source = Source("c", "t", duration_s=2.0**36)
    assert ExtensionRequest(V5, "d", source=source, continue_at_s=60).position_s == 60
    longest = Source("c", "t", duration_s=3600.0)
    assert ExtensionRequest(V5, "d", source=longest).position_s == 3600


def test_suno_cannot_continue_at_zero() -> None:
    with pytest.raises(InvalidRequestError, match="0 s"):
        ExtensionRequest(V5, "d", source=Source("c", "t", duration_s=9.0), continue_at_s=0)


def test_lyrics_need_a_topic() -> None:
    with pytest.raises(InvalidRequestError, match="topic"):
        LyricsRequest(UDIO, " \n ")


@pytest.mark.parametrize("value", ["", "  ", "a b", "x" * 201, "..", "a\nb", "\u202e", "///", "-"])
def test_an_absurd_id_is_refused(value: str) -> None:
    with pytest.raises(InvalidRequestError, match="task_id"):
        checked_id("task_id", value)


@pytest.mark.parametrize("value", ["7088bf9d-6edb", "task_" + "a" * 32, "local-00", "a/../b?c=d#e"])
def test_an_opaque_id_is_taken_as_it_is(value: str) -> None:
    assert checked_id("task_id", f" {value} ") == value
