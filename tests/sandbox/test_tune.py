import math
from array import array
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest

from song_mcp.sandbox import instruments, tape
from song_mcp.sandbox.mood import mood
from song_mcp.sandbox.score import score
from song_mcp.sandbox.tune import Tune, compose, excerpt, perform, press
from tests.sandbox.driving import heard
from tests.voice import beep

PROMPTS = ("slow harbour waltz, accordion", "fast techno 140 bpm", "jazz piano night", "ambient")


def effective(samples: "array[int]") -> float:
    return math.sqrt(sum(s * s for s in samples) / len(samples))


def test_sounds_add_up_sample_by_sample() -> None:
    one, other = array("i", [5, -7, 2**30, -1]), array("i", [-9, 7, -(2**30), -1])
    mixed = tape.record(one) + tape.record(other)
    assert tape.play(mixed, 4).tolist() == [-4, 0, 0, -2]


def test_a_sound_may_be_delayed_and_made_louder() -> None:
    sound = tape.delay(tape.record(array("i", [1, -2, 3])) * 10, 2)
    assert tape.play(sound, 6).tolist() == [0, 0, 10, -20, 30, 0]
    assert tape.play(0, 2).tolist() == [0, 0]


@pytest.mark.parametrize("name", sorted(instruments.INSTRUMENTS))
def test_a_note_begins_and_ends_in_silence(name: str) -> None:
    length = instruments.RATE // 4
    sound = instruments.note(instruments.INSTRUMENTS[name], 60, length)
    samples = tape.play(sound, length)
    loudest = max(map(abs, samples))
    assert 2**18 < loudest < 2**24
    assert abs(samples[0]) < loudest / 50
    assert samples[-1] == 0


@pytest.mark.parametrize("pitch", [33, 57, 69, 81])
def test_a_note_is_in_tune(pitch: int) -> None:
    length = instruments.RATE
    plain = instruments.Instrument((1.0,))
    samples = tape.play(instruments.note(plain, pitch, length), length)
    rising = [i for i, (a, b) in enumerate(pairwise(samples)) if a < 0 <= b]
    hertz = (len(rising) - 1) * instruments.RATE / (rising[-1] - rising[0])
    assert hertz == pytest.approx(instruments.frequency(pitch), rel=0.001)


def test_the_words_of_a_description_set_the_mood() -> None:
    assert mood("slow waltz for piano").beats == 3
    assert mood("slow waltz for piano").lead == "piano"
    assert mood("sad song").scale == "minor"
    assert mood("anything at 97 bpm").bpm == 97
    assert mood("slow song").bpm < mood("fast song").bpm
    assert mood("ambient").kit == "none"
    assert mood("folk and flute").backing == "flute"
    assert mood("folk") == mood("folk") != mood("folk!")


def test_an_instrumental_has_no_voice() -> None:
    folk = mood("folk")
    sung = {note.instrument for note in score(folk, "1", 12, "Lamps along")}
    played = {note.instrument for note in score(folk, "1", 12, None)}
    assert {"voice-a", "voice-o"} <= sung
    assert not any(name.startswith("voice") for name in played)
    assert folk.lead in played


def test_off_beats_come_late_where_the_music_swings() -> None:
    straight = replace(mood("piano"), backing="piano", beats=4, swings=False, kit="rock")
    hats = [
        [n.start_s for n in score(m, "1", 8, None) if n.instrument == "hat"]
        for m in (straight, replace(straight, swings=True))
    ]
    assert hats[0][0] == hats[1][0]
    assert hats[0][1] < hats[1][1]


def test_every_way_to_accompany_is_played() -> None:
    piano = replace(mood("piano"), backing="piano", beats=4)
    scores = [score(piano, str(take), 8, None) for take in range(12)]
    counts = {sum(note.instrument == "piano" for note in notes) for notes in scores}
    assert len(counts) > 3


@pytest.mark.parametrize("seconds", [0.3, 2, 15, 60])
@pytest.mark.parametrize("prompt", PROMPTS)
def test_no_note_begins_after_the_end(prompt: str, seconds: float) -> None:
    notes = score(mood(prompt), "1", seconds, None)
    assert notes
    assert all(0 <= note.start_s < seconds for note in notes)
    assert all(note.length_s > 0 for note in notes)


@pytest.mark.parametrize("prompt", PROMPTS)
def test_music_is_neither_silent_nor_clipped_and_ends_softly(prompt: str) -> None:
    samples = perform(compose(prompt, "1", "la lo", 4).pieces[0])
    assert effective(samples) > 1000
    assert 25_000 < max(samples) <= 29_500
    assert min(samples) >= -29_500
    assert effective(samples[-2000:]) < 200
    assert abs(samples[0]) < 500


def test_the_two_channels_are_not_the_same() -> None:
    samples = perform(compose("folk", "1", None, 2).pieces[0])
    assert samples[0::2] != samples[1::2]


@pytest.mark.parametrize("voice", [press, beep])
@pytest.mark.parametrize("seconds", [0.1, 0.5, 1.0, 3.3])
def test_a_pressed_tune_lasts_exactly_as_long_as_planned(
    voice: Callable[[Tune], bytes], seconds: float
) -> None:
    tune = compose("folk", "1", None, seconds)
    pressed = voice(tune)
    assert len(pressed) == tune.frames * 384
    assert heard(pressed).length == pytest.approx(tune.duration_s)
    assert tune.duration_s == pytest.approx(seconds, abs=0.024)


@pytest.mark.parametrize("voice", [press, beep])
def test_the_same_tune_is_always_pressed_to_the_same_bytes(voice: Callable[[Tune], bytes]) -> None:
    assert voice(compose("folk", "1", "la", 1)) == voice(compose("folk", "1", "la", 1))
    assert voice(compose("folk", "1", "la", 1)) != voice(compose("folk", "2", "la", 1))


def test_a_continuation_differs_from_what_it_continues_in_the_cheap_voice_of_tests_too() -> None:
    tune = compose("folk", "1", None, 0.5)
    longer = tune.then(compose("folk", "2", None, 0.5))
    assert len(beep(longer)) == longer.frames * 384
    assert beep(longer)[: len(beep(tune)) // 2] == beep(tune)[: len(beep(tune)) // 2]
    assert beep(longer) != beep(tune.then(tune))


def test_a_tune_may_be_cut_and_continued_again_and_again() -> None:
    tune = compose("folk", "1", None, 1.2)
    longer = tune.until(0.48).then(compose("folk", "2", None, 0.6))
    longest = longer.until(0.96).then(compose("folk", "3", None, 0.24))
    assert longest.duration_s == pytest.approx(1.2)
    assert [piece.kept for piece in longest.pieces] == [20, 20, 10]
    assert tune.until(99) == tune
    assert longest.until(0.24) == tune.until(0.24)
    assert len(press(longest)) == longest.frames * 384


def test_an_excerpt_ends_between_two_frames() -> None:
    pressed = press(compose("folk", "1", None, 1))
    part = excerpt(pressed, 0.4)
    assert pressed.startswith(part)
    assert len(part) == int(len(pressed) // 384 * 0.4) * 384
