"""The table of models: what a model cannot do is refused, and what is the default."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from song_mcp.errors import InvalidRequestError
from song_mcp.providers.base import SourceAudio, Submission
from song_mcp.songs import (
    MODELS,
    SERVICES,
    Clip,
    LyricsRequest,
    SongRequest,
    Task,
    called,
    in_takes,
    made_otherwise,
    model_named,
    preferred,
)
from song_mcp.songs.models import SINGS, Model, able, names
from song_mcp.songs.requests import CoverRequest, ExtensionRequest, Source

UDIO, SUNO = MODELS["udio"], MODELS["suno-v6"]
BARE = Model("bare", "piapi", "bare", 100, abilities=frozenset({"description"}))
TIMED = Model(
    "timed", "piapi", "timed", 100, abilities=SINGS | {"duration"}, durations=(10.0, 240.0)
)
COVERS = Model(
    "covers", "piapi", "covers", 100, abilities=SINGS | {"cover", "repaint", "extend"},
    takes_audio=True,
)  # fmt: skip
CLIP = Source("clip-1", duration_s=60.0)


def test_sunos_models_before_v6_are_retired_and_none_of_them_is_a_default() -> None:
    retired = {each.name for each in MODELS.values() if each.state == "retired"}
    assert retired == {"suno-v3", "suno-v3.5", "suno-v4", "suno-v4.5", "suno-v5"}
    assert {MODELS[name].since for name in retired} == {date(2026, 9, 9)}
    assert SERVICES["gptge"].default_model.name == "suno-v6"
    assert preferred([SERVICES["piapi"], SERVICES["gptge"]], "lyrics_maker").state == "current"


def test_without_a_model_that_is_able_there_is_no_default() -> None:
    with pytest.raises(LookupError):
        preferred([], "cover")


@pytest.mark.parametrize(
    ("wish", "word"),
    [
        ({"lyrics": "la la"}, "lyrics"),
        ({"instrumental": True}, "instrumentals"),
        ({"negative_tags": "metal"}, "negative_tags"),
        ({"seed": 7}, "seed"),
        ({"duration_s": 30.0}, "duration_seconds"),
        ({"vocal_gender": "f"}, "vocal_gender"),
        ({"style_weight": 0.5}, "style_weight"),
        ({"weirdness": 0.0}, "weirdness"),
    ],
)
def test_what_a_model_cannot_do_is_refused_by_its_name(wish: dict[str, object], word: str) -> None:
    with pytest.raises(InvalidRequestError, match=rf"^bare .*{word}.* Nothing was sent or paid\.$"):
        SongRequest(BARE, "a waltz", **wish)  # type: ignore[arg-type]


def test_a_refusal_names_the_models_that_can_and_none_that_is_retired() -> None:
    with pytest.raises(InvalidRequestError) as refused:
        SongRequest(SUNO, "a waltz", seed=7)
    choice = names(each for each in able("seed") if each.state != "retired")
    assert f"or use the model {choice}." in str(refused.value)
    assert "udio" in choice


def test_a_duration_is_taken_within_its_bounds() -> None:
    assert SongRequest(TIMED, "a waltz", duration_s=240).duration_s == 240
    for seconds in (9.9, 240.1):
        with pytest.raises(InvalidRequestError, match="timed makes 10 to 240 s"):
            SongRequest(TIMED, "a waltz", duration_s=seconds)


def test_takes_of_one_submission_are_refused_where_it_makes_what_it_makes() -> None:
    with pytest.raises(InvalidRequestError, match="takes is 2"):
        SongRequest(UDIO, "a waltz", takes=2)


def test_takes_are_as_many_submissions_as_a_model_needs_for_them() -> None:
    one = replace(UDIO, clips=1)
    song = SongRequest(one, "a waltz")
    assert [each.take for each in in_takes(song, 3)] == [1, 2, 3]
    assert in_takes(song, 1) == (song,)
    with pytest.raises(InvalidRequestError, match="takes is 5; udio makes 1 to 4 in one call"):
        in_takes(song, 5)
    assert in_takes(SongRequest(UDIO, "a waltz"), 2) == (SongRequest(UDIO, "a waltz"),)
    with pytest.raises(InvalidRequestError, match="One submission of udio makes 2 takes"):
        in_takes(SongRequest(UDIO, "a waltz"), 3)
    (many,) = in_takes(SongRequest(replace(one, most_takes=8), "a waltz"), 8)
    assert (many.takes, many.take) == (8, 1)


def test_short_names_are_those_of_models_that_work() -> None:
    suno = SERVICES["gptge"].models
    assert called(suno) == called(each for each in suno if each.state == "current") == "suno-*"
    assert called(suno[:2]) == "suno-v6, suno-v6-wild"
    assert called([MODELS["suno-v3"]]) == ""
    assert called([UDIO]) == "udio"


def test_a_cover_needs_a_model_that_makes_covers_and_a_part_that_is_there() -> None:
    assert CoverRequest(COVERS, "slow waltz", source=CLIP).kind == "cover"
    assert CoverRequest(COVERS, "slow waltz", source=CLIP, part=(10.0, 60.0)).part == (10.0, 60.0)
    with pytest.raises(InvalidRequestError, match="makes no covers"):
        CoverRequest(UDIO, "slow waltz", source=CLIP)
    for part in ((10.0, 60.1), (10.0, 10.0), (-1.0, 5.0)):
        with pytest.raises(InvalidRequestError, match="There is no part"):
            CoverRequest(COVERS, "slow waltz", source=CLIP, part=part)


def test_audio_that_goes_along_is_continued_at_its_end_alone() -> None:
    assert ExtensionRequest(COVERS, "more", source=CLIP).position_s == 60
    with pytest.raises(InvalidRequestError, match="leave continue_at_seconds out"):
        ExtensionRequest(COVERS, "more", source=CLIP, continue_at_s=30)


def test_lyrics_are_written_only_by_those_who_write_them() -> None:
    with pytest.raises(InvalidRequestError, match="covers writes no lyrics, or use the model"):
        LyricsRequest(COVERS, "trams")


@pytest.mark.parametrize(
    ("model", "seconds", "usd"),
    [
        (UDIO, None, 0.05),
        (SUNO, None, None),
        (Model("free", "piapi", "free", 1, is_free=True), None, 0.0),
        (Model("by time", "piapi", "t", 1, usd_per_second=0.0005), 60.0, 0.03),
        (Model("by time", "piapi", "t", 1, usd_per_second=0.0005), None, None),
    ],
)
def test_a_price_is_told_if_it_is_known(
    model: Model, seconds: float | None, usd: float | None
) -> None:
    assert model.price_usd(seconds) == usd


def test_a_submission_is_known_by_what_was_asked_for_and_comes_back_from_the_journal() -> None:
    plain = Submission("piapi", "/x", {"a": 1})
    audio = Submission("piapi", "/x", {"a": 1}, audio=SourceAudio("clip-1", file="/a.mp3"))
    moved = Submission("piapi", "/x", {"a": 1}, audio=SourceAudio("clip-1", file="/b.mp3"))
    second, free = Submission("piapi", "/x", {"a": 1}, take=2), Submission("x", "/x", {}, 9.0, None)
    assert len({each.fingerprint for each in (plain, audio, second)}) == 3
    assert audio.fingerprint == moved.fingerprint
    for each in (plain, audio, second, free):
        assert Submission.of_json(each.service, each.as_json()) == each


# Names ---------------------------------------------------------------------------------------

GPTGE = SERVICES["gptge"]


@pytest.mark.parametrize(
    ("word", "name"),
    [
        *(("chirp-hawk", "suno-v6"), ("chirp-v6", "suno-v6"), ("V6", "suno-v6")),
        *(("chirp-hawk-wild", "suno-v6-wild"), ("V6_WILD", "suno-v6-wild")),
        *(("suno/chirp-v6-mini", "suno-v6-mini"), ("chirp-goose", "suno-v6-mini")),
        *(("chirp-v5", "suno-v5"), ("V4_5", "suno-v4.5"), ("chirp-v3.5", "suno-v3.5")),
        *(("chirp-v3", "chirp-v3"), ("chirp-v5-5", "chirp-v5-5"), ("chirp-next", "chirp-next")),
        *(("V9", None), ("", None), ("udio", None), ("chirp", None)),
    ],
)
def test_the_names_of_many_relays_are_read(word: str, name: str | None) -> None:
    model = GPTGE.model(word)
    assert (model.name if model else None) == name


@pytest.mark.parametrize(
    "word", ["chirp-v6", "chirp-hawk", "chirp-x", "chirp-v7.1-b", "chirp-" + "x" * 40]
)
def test_a_word_of_gptges_goes_out_as_it_is(word: str) -> None:
    model = model_named(word)
    assert model is not None
    assert (model.name, model.sent_as, model.service) == (word, word, "gptge")
    assert (model.lyrics_limit, model.style_limit, model.title_limit) == (5000, 1000, 100)
    assert model.is_raw


@pytest.mark.parametrize(
    "word",
    [
        "chirp-",
        "chirp-V6",
        "chirp v6",
        "chirp-" + "x" * 41,
        "v6",
        "suno-v9",
        "chirp-x\n",
        "chirp-é",
    ],
)
def test_no_other_word_is_a_model(word: str) -> None:
    assert model_named(word) is None


def test_what_is_known_of_a_word_counts_for_it_and_of_others_nothing_is_known() -> None:
    states = {
        "chirp-crow": "retired",
        "chirp-fenix": "retired",
        "chirp-bluejay": "retired",
        "chirp-v3": "retired",
        "chirp-hawk": "current",
        "chirp-x": "unsure",
    }
    models = {word: model_named(word) for word in states}
    assert {word: model.state for word, model in models.items() if model} == states
    old = model_named("chirp-v3-5")
    assert old is not None
    assert old.style_limit == 200


@pytest.mark.parametrize(
    ("asked", "word", "told"),
    [
        ("suno-v6-wild", "chirp-hawk", "chirp-hawk"),
        ("suno-v6-wild", "chirp-hawk-wild", ""),
        ("suno-v6", "chirp-v6", ""),
        ("suno-v6", "V6", ""),
        ("chirp-v6", "chirp-hawk", ""),
        ("chirp-v6", "chirp-goose", "chirp-goose"),
        ("chirp-next", "chirp-next", ""),
        ("suno-v5", "chirp-hawk", "chirp-hawk"),
        ("suno-v3", "chirp-v3", ""),
        ("suno-v3.5", "chirp-v3", ""),
        ("suno-v4.5", "chirp-auk-turbo", "chirp-auk-turbo"),
        ("suno-v6", "V7", "V7"),
        ("suno-v6", "suno", ""),
        ("suno-v6", "", ""),
    ],
)
def test_the_model_that_made_a_clip_is_told_if_it_is_another(
    asked: str, word: str, told: str
) -> None:
    now = datetime.now(UTC)
    task = Task("local-1", "gptge", asked, "song", "completed", now, request={"model": asked})
    clip = Clip("clip-1", "completed", made_with=word)
    assert made_otherwise(task, clip) == told


def test_nothing_is_told_of_the_model_of_what_was_not_asked_for_here() -> None:
    now, clip = datetime.now(UTC), Clip("clip-1", "completed", made_with="chirp-hawk")
    elsewhere = Task("local-1", "gptge", "suno-v5", "song", "completed", now)
    udios = Task("local-1", "piapi", "udio", "song", "completed", now, request={"model": "udio"})
    assert (made_otherwise(elsewhere, clip), made_otherwise(udios, clip)) == ("", "")


def test_nobody_knows_how_many_clips_a_foreign_model_makes_elsewhere() -> None:
    now = datetime.now(UTC)
    asked = Task("local-1", "gptge", "chirp-x", "song", "completed", now, request={"model": "x"})
    foreign = Task("local-2", "gptge", "chirp-x", "song", "completed", now)
    assert (asked.usual_clips, foreign.usual_clips) == (2, 0)
