"""How alike two wishes are: real ideas for songs, and one wish as a model rewords it.

The ideas are data (`tests/samples`). An honest wish that is held back costs a call and no money, as
the answer says how to have the other song too. A reworded one that is not caught is paid twice. So
95 in 100 of those are to be caught, and of the honest ones, many of which differ in one word alone,
no more than 3 in 100 may be held back.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from song_mcp.songs import ALIKE, likeness
from tests.faults.scale import report

SAMPLES = Path(__file__).with_name("samples")
LEAST_PAIRS, LEAST_TRIPLES = 200, 100
MOST_HELD, LEAST_CAUGHT = 0.03, 0.95


def samples(name: str) -> list[list[str]]:
    """The wishes of a file, one list for each line."""
    lines = (SAMPLES / name).read_text(encoding="utf-8").splitlines()
    return [line.split(" | ") for line in lines if line and not line.startswith("#")]


def are_alike(one: str, other: str) -> bool:
    return likeness({"description": one}, {"description": other}) >= ALIKE


def told(title: str, pairs: Sequence[Sequence[str]]) -> None:
    report(title)
    for one, other in pairs:
        report(f"  {one} | {other}")


def test_of_honest_different_wishes_hardly_any_is_held_back() -> None:
    pairs = samples("different_wishes.txt")
    assert len(pairs) >= LEAST_PAIRS
    held = [pair for pair in pairs if are_alike(*pair)]
    told(f"{len(held)} of {len(pairs)} honest different wishes are held back:", held)
    assert len(held) <= MOST_HELD * len(pairs)


def test_of_wishes_that_a_model_rewords_nearly_all_are_caught() -> None:
    triples = samples("reworded_wishes.txt")
    assert len(triples) >= LEAST_TRIPLES
    assert {len(triple) for triple in triples} == {3}
    pairs = [(first, other) for first, *others in triples for other in others]
    paid = [pair for pair in pairs if not are_alike(*pair)]
    told(f"{len(pairs) - len(paid)} of {len(pairs)} rewordings are caught; not these:", paid)
    assert len(paid) <= (1 - LEAST_CAUGHT) * len(pairs)


def test_no_wish_is_like_one_of_another_line() -> None:
    """What the two files have on different lines is about different things."""
    firsts = [first for first, *_ in samples("reworded_wishes.txt")]
    pairs = [(one, other) for at, one in enumerate(firsts) for other in firsts[:at]]
    held = [pair for pair in pairs if are_alike(*pair)]
    told(f"{len(held)} of {len(pairs)} pairs of unlike wishes are held back:", held)
    assert len(held) <= 0.001 * len(pairs)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Song about the SEA", "song, about: the sea!"),
        ("a café in Montréal", "A CAFE IN MONTREAL"),
        ("rain and the city, slow", "slow; the city and rain"),
        ("Straße am Fluß", "STRASSE AM FLUSS"),
        ("ＬＯＮＤＯＮ calling", "London calling"),
        ("a ballad for her 30th birthday", "ballad, 30 years, her birthday"),
        ("1980s ballad about a pier", "80s ballad about a pier"),
        ("shining stars and lovers", "a lover and a shining star"),
        ("a song", "please make me some music"),
        ("猫の歌", "猫についての曲を作ってください"),
        ("강아지를 위한 노래", "강아지에 대한 음악"),
    ],
)
def test_case_punctuation_order_endings_and_fillers_say_nothing(one: str, other: str) -> None:
    assert likeness({"description": one}, {"description": other}) >= 0.8


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("song 7", "song 8"),
        ("a ballad about the lamps on pier 7", "a ballad about the lamps on pier 8"),
        ("a song", "a song about snow"),
        ("", "snow"),
    ],
)
def test_another_number_and_a_first_subject_make_another_wish(one: str, other: str) -> None:
    assert likeness({"description": one}, {"description": other}) == 0.0


def test_a_number_that_is_left_out_is_no_other_wish() -> None:
    one = {"description": "a ballad about the lamps on the pier, 120 bpm"}
    assert likeness(one, {"description": "a ballad about the lamps on the pier"}) >= ALIKE


# What is beside the description -----------------------------------------------------------------

WISH: dict[str, Any] = {"description": "a slow ballad about the lamps on the pier"}
LYRICS = """[Verse]
The lamps along the water burn all night
The last of all the boats is out of sight
[Chorus]
Oh, leave a light, leave a light for me
"""
OTHER_LYRICS = """[Verse]
My grandfather planted this apple tree
It has carried its apples for sixty years
[Chorus]
Come down to the orchard, come down with me
"""


def alike(one: dict[str, Any], other: dict[str, Any]) -> bool:
    found = likeness(WISH | one, WISH | other)
    assert likeness(WISH | other, WISH | one) == found, "in either order"
    return found >= ALIKE


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"seed": 3}, {"seed": 4}),
        ({"vocal_gender": "m"}, {"vocal_gender": "f"}),
        ({"continue_at_s": 30.0}, {"continue_at_s": 90.0}),
        ({"instrumental": True}, {}),
        ({"lyrics": LYRICS}, {}),
        ({"lyrics": LYRICS}, {"lyrics": OTHER_LYRICS}),
        ({"lyrics": LYRICS}, {"lyrics": LYRICS, "description": "fast polka, brass"}),
        ({"source": {"clip_id": "c1"}}, {"source": {"clip_id": "c2"}}),
        ({"source": {"clip_id": "c1"}}, {}),
        ({"source": {"clip_id": "c1"}, "part": (0.0, 9.0)}, {"source": {"clip_id": "c1"}}),
        ({"description": "dreamy", "title": "Quay"}, {"description": "dreamy", "title": "Snow"}),
        ({"description": "dreamy", "negative_tags": "drums"},
         {"description": "dreamy", "negative_tags": "vocals"}),
    ],
)  # fmt: skip
def test_what_no_rewording_changes_makes_another_wish(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    assert not alike(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"duration_s": 120.0}, {"duration_s": 60.0}),
        ({"seed": 3}, {}),
        ({"vocal_gender": "m"}, {}),
        ({"continue_at_s": 30.0}, {}),
        ({"title": "Quay"}, {}),
        ({"negative_tags": "drums"}, {}),
        ({"weirdness": 0.3}, {"weirdness": 0.7}),
        ({"take": 2}, {}),
        ({"description": "instrumental ballad, lamps, pier"},
         {"description": "ballad, lamps, pier", "instrumental": True}),
        ({"lyrics": LYRICS}, {"lyrics": LYRICS.replace("Oh, leave", "Please leave")}),
        ({"lyrics": LYRICS}, {"lyrics": LYRICS.replace("[Chorus]", "[Refrain]\n[Chorus x2]")}),
        ({"lyrics": LYRICS}, {"lyrics": LYRICS, "description": "ballad, slow, pier with lamps"}),
        ({"lyrics": LYRICS, "description": ""}, {"lyrics": LYRICS}),
        ({"source": {"clip_id": "c1"}, "part": (0.0, 9.0)},
         {"source": {"clip_id": "c1", "title": "Quay"}, "part": [0.0, 9.0]}),
    ],
)  # fmt: skip
def test_what_models_change_on_the_way_is_the_same_wish(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    assert alike(one, other)


def test_a_topic_of_lyrics_is_compared_like_a_description() -> None:
    one = {"topic": "the last ferry of the night"}
    assert likeness(one, {"topic": "The night's last ferry"}) >= ALIKE
    assert likeness(one, {"topic": "the first snow in the mountains"}) < ALIKE


def test_a_song_with_lyrics_of_thousands_of_words_is_compared_at_once() -> None:
    """No word is compared with each other one: this returns, whatever the length."""
    words = " ".join(f"w{number}x" for number in range(20_000))
    assert likeness({"lyrics": words}, {"lyrics": f"{words} more"}) > ALIKE
