"""What counts as a repetition of what was sent, by its letters and digits."""

import pytest

from song_mcp.providers.echoes import repeats


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ("fox", "cannot sing: Fox!"),
        ("fox", "Fox is what cannot be sung"),
        ("\u72d0\u4e4b\u6b4c", "\u65e0\u6cd5\u5904\u7406\u72d0\u4e4b\u6b4c"),
        ("an eleven l", "failed: an eleven l"),
        ("twelve letter", "failed:xtwelve letterx"),
        ("a waltz of lamps on the quay", "cannot handle 'tz of lamps on t'"),
    ],
)
def test_a_text_of_three_letters_or_a_part_of_twelve_is_an_echo(sent: str, said: str) -> None:
    assert repeats(said, {"input": {"prompt": ["another", sent]}})


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ("ox", "cannot sing: ox"),
        ("\u72d0\u6b4c", "\u65e0\u6cd5\u5904\u7406\u72d0\u6b4c"),
        ("quest", "request id: 7"),
        ("a waltz of lamps on the quay", "cannot handle 'z of lamps on t'"),
        ("eleven lett", "failed:xeleven lettx"),
    ],
)
def test_what_is_shorter_or_inside_of_a_word_is_no_echo(sent: str, said: str) -> None:
    assert not repeats(said, {"input": {"prompt": ["another", sent]}})
