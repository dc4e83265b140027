"""Names of models that are not offered: what is said, and what there is instead."""

import pytest

from song_mcp import messages
from song_mcp.songs import MODELS, families, instead_of
from song_mcp.songs.gone import GONE


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("music-s", "suno-v6"),
        ("suno at piapi", "suno-v6"),
        ("PiAPI/suno", "suno-v6"),
        ("v5", "suno-v6"),
        ("V4_5PLUS", "suno-v6"),
        ("v4.5", "suno-v6"),
        ("suno-v5.5", "suno-v6"),
        ("suno v3.5", "suno-v6"),
        ("suno-v4-5-all", "suno-v6"),
        ("suno", "suno-v6"),
        ("V6", "suno-v6"),
        ("V6_WILD", "suno-v6-wild"),
        ("v6-mini", "suno-v6-mini"),
        ("Suno V6", "suno-v6"),
        ("music-u", "udio"),
        ("Udio", "udio"),
        ("udio-130", "udio"),
        ("Qubico/ace-step", "ace-step"),
        ("ace_step", "ace-step"),
        ("ace-step-edit", "ace-step-local"),
        ("acestep-v15-turbo", "ace-step-local"),
        ("acemusic", "ace-step-local"),
        ("diffrhythm-full", "diffrhythm"),
        ("minimax", "minimax-3"),
        ("minimax-music-2.5", "minimax-3-free"),
        ("hailuo-music", "minimax-3"),
        ("stems", "cover_song"),
        ("lyria-3.5", "no adapter"),
        ("stable-audio-2.5", "no adapter"),
        ("mureka-v9.5", "no adapter"),
    ],
)
def test_a_name_that_is_not_offered_is_answered_with_what_is(name: str, instead: str) -> None:
    said = messages.unknown_model(name)
    assert said.startswith("There is no model ")
    assert instead in said
    assert said.endswith("Nothing was paid.")


@pytest.mark.parametrize("name", ["", "banana", "gpt-5", "v12", "folk", "suno-v66"])
def test_another_name_is_answered_with_what_there_is(name: str) -> None:
    assert instead_of(name) is None
    said = messages.unknown_model(name)
    assert families() in said
    for model in MODELS.values():
        named = [each for each in families().split(", ") if each in model.name]
        assert named or model.state == "retired"


def test_what_is_named_instead_is_offered_and_works() -> None:
    named = {name for each in GONE for name in each.instead}
    assert named
    assert {MODELS[name].state for name in named} <= {"current", "unsure"}
