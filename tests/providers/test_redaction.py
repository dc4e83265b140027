"""What a reply echoes of keys and accounts is removed, by name and by value."""

import pytest

from song_mcp.providers.redaction import Redaction, without_named
from song_mcp.songs import Clip, Lyrics, Report

KEY = "sk-0123456789abcdef"
SECRET = "whsec-77aa55"
ECHO = {
    "data": [{"config": {"webhook_config": {"secret": SECRET}}}],
    "user_id": 4711,
    "channel-id": "channel-of-mine",
    "userId": True,
}
LINK = f"https://cdn.example/{SECRET}.mp3"


def redaction() -> Redaction:
    return Redaction.of(ECHO, KEY, lambda text: text.replace(KEY, "[key]"))


def test_an_error_names_no_secret_and_no_account() -> None:
    text = f"user 4711 on channel-of-mine: {SECRET} {KEY} True"
    assert redaction().error(text) == "user [hidden] on [hidden]: [hidden] [key] True"


def test_a_song_keeps_short_numbers_and_loses_secrets() -> None:
    assert redaction().song_text(f"4711 Blues {SECRET}{KEY}") == "4711 Blues [hidden][hidden]"


def test_a_report_holds_no_secret_and_keeps_the_ids_and_links_of_honest_clips() -> None:
    honest = Clip("4711-c1", "completed", audio_url="https://cdn.example/4711.mp3")
    echoing = Clip(SECRET, "completed", title=KEY, audio_url=LINK, image_url=LINK, tags=(SECRET,))
    lyrics = Lyrics(SECRET, f"la {KEY}")
    report = redaction().report(
        Report("t1", "completed", SECRET, model=KEY, clips=(honest, echoing), lyrics=lyrics)
    )
    assert KEY not in str(report)
    assert SECRET not in str(report)
    assert report.clips[0] == honest
    assert [(clip.clip_id, clip.status) for clip in report.clips[1:]] == [("t1-2", "failed")]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ('{"user_id": 4711, "message": "no"}', '{"user_id": 0, "message": "no"}'),
        ('{"secret":"whsec-1","x":1}', '{"secret":"","x":1}'),
        ('"{\\"channel_id\\":\\"c-12345\\"}"', '"{\\"channel_id\\":\\"\\"}"'),
        ('{"webhook_secret": "whs', '{"webhook_secret": "'),
        ("api_key=abc, user_id: 4711 (4711)", "api_key=0, user_id: 0 ([hidden])"),
        ("the secret of the user", "the secret of the user"),
    ],
)
def test_what_a_text_names_as_secret_goes_and_json_stays_json(text: str, left: str) -> None:
    assert without_named(text) == left


def test_an_answer_of_many_pieces_is_looked_at_up_to_a_limit() -> None:
    many: list[list[str]] = [[] for _ in range(200_000)]
    assert Redaction.of(many, KEY, str).is_secret(f"x{KEY}")
    assert not Redaction.of(many, "abc", str).is_secret("abc")
