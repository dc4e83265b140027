"""The pace of looks at an open task."""

from song_mcp.tracker import next_look_s


def looks(until_s: float) -> list[float]:
    ages = [0.0]
    while ages[-1] < until_s:
        ages.append(next_look_s(ages[-1]))
    return ages[1:]


def test_the_first_looks_are_at_2_10_and_20_seconds_then_every_five() -> None:
    assert looks(35) == [2, 10, 20, 25, 30, 35]


def test_after_five_minutes_the_pace_is_a_twentieth_of_the_age() -> None:
    assert next_look_s(295) == 300
    assert next_look_s(300) == 315
    assert next_look_s(400) == 420


def test_the_slowest_pace_is_thirty_seconds() -> None:
    assert next_look_s(3000) == 3030
