"""A whole song in each framework, by a scripted model that does what it reads.

Run by `make clients`, which prints what the model was told, and how much it read.
"""

import json

from tests.clients.running import Run
from tests.faults.scale import report


async def test_a_song_is_paid_once_and_its_files_are_named(run: Run) -> None:
    assert run.calls[0]["tool"] == "generate_song"
    assert {call["tool"] for call in run.calls[1:]} == {"get_task"}
    assert run.paid == 1
    saved = list(run.library.glob("*.mp3"))
    assert len(saved) == 2
    assert all(str(file) in run.answer for file in saved)


async def test_no_model_reads_what_is_for_the_page(run: Run) -> None:
    read = [call["read"] for call in run.calls]
    assert not any("song-mcp/player" in each or "coverable" in each for each in read)
    offered = json.dumps(run.offered, ensure_ascii=False, separators=(",", ":"))
    report(
        f"{run.name}: {len(run.offered)} tools in {tokens(offered)} tokens; "
        f"a song in {len(run.calls)} calls, {tokens(*read)} tokens read"
    )


def tokens(*texts: str) -> int:
    """A quarter of the bytes: about the number of tokens, or more."""
    return sum(len(text.encode()) for text in texts) // 4
