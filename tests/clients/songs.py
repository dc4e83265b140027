"""A whole song in each framework, by a scripted model that does what it reads."""

from tests.clients.running import Run


async def test_a_song_is_paid_once_and_its_files_are_named(run: Run) -> None:
    assert run.calls[0]["tool"] == "generate_song"
    assert {call["tool"] for call in run.calls[1:]} == {"get_task"}
    assert run.paid == 1
    saved = list(run.library.glob("*.mp3"))
    assert len(saved) == 2
    assert all(str(file) in run.answer for file in saved)
