"""The player shows every state of a song as it is, and a picture is taken of each.

The pictures are written into `.venv/pictures`; those in `docs/images` are chosen from them.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Locator, expect

from tests import recordings
from tests.browser.chat import Chat

WITHIN_MS = 90_000
FONT = {"--font-sans": "Inter, system-ui, sans-serif"}
HOSTILE = '<img src=x onerror="parent.hacked=1"><script>hacked=1</script>'


async def ended(chat: Chat, tool: str, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """Make a task that ends before there is a player; returns its structured content."""
    made = await chat.answer(tool, arguments | {"wait_seconds": 55})
    return dict(made["structuredContent"])


async def shown(chat: Chat, **arguments: Any) -> Locator:  # noqa: ANN401 - JSON
    """Show something that is there already; returns the page's main part."""
    await chat.open(context={"styles": {"variables": FONT}})
    await chat.call("play_song", **arguments)
    return chat.player.locator("main")


async def pictured(chat: Chat, folder: Path, name: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    await chat.frame.evaluate("() => document.fonts.ready")
    await chat.page.locator("#player iframe").screenshot(path=folder / f"{name}.png")


@dataclass(frozen=True)
class End:
    """How a task ended, and what the page must say of it."""

    name: str
    marker: str
    heading: str
    words: str
    money: str


ENDS = [
    End(
        "failed",
        "[[fail-10000-logs]]",
        "This one failed",
        "may break the content rules",
        "Not charged",
    ),
    End(
        "rejected",
        "[[insufficient-credits]]",
        "The service did not take it",
        "Nothing was charged",
        "Not charged",
    ),
    End(
        "in_doubt",
        "[[reset]]",
        "Nobody knows yet whether it was taken",
        "do not repeat",
        "It may have been charged",
    ),
]


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.name)
async def test_what_brought_no_music_says_why_and_what_it_cost(
    chat: Chat, pictures: Path, end: End
) -> None:
    await chat.open(context={"styles": {"variables": FONT}})
    await chat.call("generate_song", description=f"ballad of the broken string {end.marker}")
    heading = chat.player.get_by_role("heading", name=end.heading)
    await expect(heading).to_be_visible(timeout=WITHIN_MS)
    await expect(chat.player.locator(".ending")).to_contain_text(end.words)
    await expect(chat.player.locator(".money")).to_have_text(end.money)
    await pictured(chat, pictures, end.name)
    asked = len(chat.calls)
    await chat.player.locator(".ending button").click()
    await expect(chat.player.locator(".said")).to_contain_text("takes it from here")
    assert len(chat.said) == 1
    assert len(chat.calls) == asked


async def test_a_doubt_is_handed_over_to_be_checked_and_a_closed_one_says_so(
    chat: Chat, pictures: Path
) -> None:
    task = await ended(chat, "generate_song", description="polka of the lost letter [[reset]]")
    await shown(chat, task_id=task["task_id"])
    await chat.player.get_by_role("button", name="Have it checked").click()
    await expect(chat.player.locator(".said")).to_contain_text("takes it from here")
    how = "resolve_task with action check, which pays nothing"
    assert chat.said == [f"Check task {task['task_id']}, which is in doubt ({how})."]
    await chat.answer("resolve_task", {"task_id": task["task_id"], "action": "abandon"})
    main = await shown(chat, task_id=task["task_id"])
    await expect(main).to_contain_text("This one was closed")
    await expect(main).to_contain_text("Closed by the user")
    await pictured(chat, pictures, "abandoned")


async def test_half_a_song_is_played_and_the_other_half_says_that_it_failed(
    chat: Chat, pictures: Path
) -> None:
    await chat.open(context={"styles": {"variables": FONT}})
    await chat.call(
        "generate_song", model="suno-v5", description="march of half a band [[two-clips-one-error]]"
    )
    await expect(chat.player.get_by_text("This take failed")).to_be_visible(timeout=WITHIN_MS)
    await expect(chat.player.locator("audio[src]")).to_have_count(1, timeout=WITHIN_MS)
    await expect(chat.player.locator(".art img")).to_have_count(1)
    await chat.player.get_by_role("button", name="Play").click()
    await expect(chat.player.get_by_role("button", name="Pause")).to_be_visible()
    await pictured(chat, pictures, "half")


async def test_what_could_not_be_saved_says_so_and_keeps_its_link(
    chat: Chat, pictures: Path
) -> None:
    await chat.open(context={"styles": {"variables": FONT}})
    await chat.call("generate_song", description="elegy for a dead link [[media-404]]")
    trouble = chat.player.locator(".trouble")
    await expect(trouble).to_have_count(2, timeout=WITHIN_MS)
    await expect(trouble.first).to_contain_text("is not in the library", timeout=WITHIN_MS)
    await expect(chat.player.get_by_role("button", name="Copy the link")).to_have_count(2)
    await expect(chat.player.get_by_role("button", name="Show the file")).to_have_count(0)
    await pictured(chat, pictures, "expired")


async def test_a_song_that_arrives_late_is_played_without_reloading(
    chat: Chat, pictures: Path
) -> None:
    task = await ended(chat, "generate_song", description="nocturne of the late train")
    late = [clip | {"file": None} for clip in task["clips"]]
    notes = [f"Clip {clip['clip_id']} is not in the library: it comes later." for clip in late]
    looks: list[str] = []

    async def early(name: str, arguments: dict[str, Any]) -> dict[str, Any] | None:
        if name == "get_task":
            looks.append(name)
        if len(looks) > 2:
            return None
        if name == "read_clip":
            return {"content": [{"type": "text", "text": "It comes later."}], "isError": True}
        shown = task | {"clips": late, "note": " ".join(notes)}
        return {"content": [], "structuredContent": shown}

    chat.answers = early
    await chat.open(context={"styles": {"variables": FONT}})
    await chat.tell("result", await early("play_song", {}))
    await expect(chat.player.locator(".trouble").first).to_contain_text("It comes later")
    await pictured(chat, pictures, "late")
    await expect(chat.player.locator("audio[src]")).to_have_count(2, timeout=WITHIN_MS)
    await expect(chat.player.locator(".trouble:not([hidden])")).to_have_count(0)
    await chat.player.get_by_role("button", name="Play").first.click()
    await expect(chat.player.get_by_role("button", name="Pause")).to_be_visible()
    assert len(looks) == 3


async def test_a_task_that_ended_without_a_clip_is_looked_at_until_there_is_one(chat: Chat) -> None:
    task = await ended(chat, "generate_song", description="waltz for the patient")
    empty = {"content": [], "structuredContent": task | {"clips": []}}
    await chat.open()
    await chat.tell("result", empty)
    await expect(chat.player.locator("audio[src]")).to_have_count(2, timeout=WITHIN_MS)


async def test_a_part_says_that_it_is_one(chat: Chat, pictures: Path) -> None:
    song = await ended(chat, "generate_song", description="ferry song", model="suno-v5")
    asked = {"clip_id": song["clips"][0]["clip_id"], "lyrics": "la", "continue_at_seconds": 9}
    part = await ended(chat, "extend_song", **asked)
    await shown(chat, task_id=part["task_id"])
    said = "The new part alone, which follows 0:09 of the clip before"
    await expect(chat.player.locator(".part").first).to_have_text(said)
    await pictured(chat, pictures, "part")


async def test_what_cannot_be_extended_has_no_button_for_it(chat: Chat) -> None:
    task = await ended(chat, "generate_song", description="march of two minds")
    ids = [clip["clip_id"] for clip in task["clips"]]
    extra = {"extendable": ids[1:], "lyrics": {}, "covers": []}
    await chat.open()
    told = {"content": [], "structuredContent": task, "_meta": {"song-mcp/player": extra}}
    await chat.tell("result", told)
    await expect(chat.player.get_by_role("button", name="Another take")).to_have_count(2)
    await expect(chat.player.get_by_role("button", name="Extend from end")).to_have_count(1)


async def test_a_deleted_file_says_so_and_is_got_again_by_a_click(
    chat: Chat, pictures: Path
) -> None:
    task = await ended(chat, "generate_song", description="shanty of the missing crate")
    file = Path(task["clips"][0]["file"])
    content = file.read_bytes()
    file.unlink()
    await shown(chat, task_id=task["task_id"])
    trouble = chat.player.locator(".trouble:not([hidden])")
    await expect(trouble).to_contain_text("deleted by you; get it again?")
    await pictured(chat, pictures, "deleted")
    assert not file.exists(), "nothing but a click gets it again"
    await trouble.get_by_role("button", name="Get it again").click()
    await expect(chat.player.locator("audio[src]")).to_have_count(2, timeout=WITHIN_MS)
    await expect(chat.player.get_by_role("button", name="Show the file")).to_have_count(2)
    assert file.read_bytes() == content


async def test_a_deleted_file_that_is_put_back_plays_again(chat: Chat) -> None:
    task = await ended(chat, "generate_song", description="shanty of the found crate")
    file = Path(task["clips"][0]["file"])
    hidden = file.rename(file.with_suffix(".hidden"))
    await shown(chat, task_id=task["task_id"])
    trouble = chat.player.locator(".trouble:not([hidden])")
    await expect(trouble).to_contain_text("deleted by you; get it again?")
    hidden.rename(file)
    await trouble.get_by_role("button", name="Get it again").click()
    await expect(chat.player.locator("audio[src]")).to_have_count(2, timeout=WITHIN_MS)


async def test_what_the_browser_cannot_play_says_what_it_is(chat: Chat) -> None:
    task = await ended(chat, "generate_song", description="march on a tape of the studio")
    for clip in task["clips"]:
        Path(clip["file"]).write_bytes(recordings.aiff())
    await shown(chat, task_id=task["task_id"])
    trouble = chat.player.locator(".trouble:not([hidden])").first
    await expect(trouble).to_contain_text(
        "cannot play this kind of file (audio/aiff)", timeout=WITHIN_MS
    )


async def test_a_kind_that_the_browser_plays_is_played_whatever_its_file_is_called(
    chat: Chat,
) -> None:
    task = await ended(chat, "generate_song", description="waltz on another tape")
    for clip in task["clips"]:
        Path(clip["file"]).write_bytes(recordings.wav())
    await shown(chat, task_id=task["task_id"])
    await expect(chat.player.locator("audio[src^='data:audio/wav']")).to_have_count(
        2, timeout=WITHIN_MS
    )
    await expect(chat.player.locator(".trouble:not([hidden])")).to_have_count(0)


async def test_a_chunk_that_does_not_come_is_asked_for_again(chat: Chat) -> None:
    task = await ended(chat, "generate_song", description="hiccup in four")
    failures = [0]

    async def fail_twice(name: str, arguments: dict[str, Any]) -> dict[str, Any] | None:
        if name == "read_clip" and arguments["part"] == "audio" and failures[0] < 2:
            failures[0] += 1
            raise ConnectionError
        return None

    chat.answers = fail_twice
    await shown(chat, task_id=task["task_id"])
    await expect(chat.player.locator("audio[src]")).to_have_count(2, timeout=WITHIN_MS)
    assert failures == [2]


async def test_what_is_too_large_for_the_page_says_how_large_it_is(chat: Chat) -> None:
    task = await ended(chat, "generate_song", description="symphony without end")

    async def huge(name: str, arguments: dict[str, Any]) -> dict[str, Any] | None:
        if name != "read_clip" or arguments["part"] != "audio":
            return None
        content = {
            "content": "AAAA",
            "offset": 0,
            "next_offset": 3,
            "total_bytes": 300_000_000,
            "mime_type": "audio/mpeg",
        }
        return {"content": [], "structuredContent": content}

    chat.answers = huge
    await shown(chat, task_id=task["task_id"])
    trouble = chat.player.locator(".trouble").first
    await expect(trouble).to_contain_text("too large to be played here (300.0 MB)")


async def test_the_second_take_is_called_so_also_when_it_is_there_first(chat: Chat) -> None:
    async def nothing(name: str, _: dict[str, Any]) -> dict[str, Any] | None:
        words = [{"type": "text", "text": "Not yet."}]
        return {"content": words, "isError": True} if name == "read_clip" else running(1, 100)

    chat.answers = nothing
    await chat.open()
    early, late = (
        {"clip_id": name, "title": name, "status": "completed", "file": f"/{name}.mp3"}
        for name in ("early", "late")
    )
    first = running(50, expected=100)
    first["structuredContent"]["clips"] = [early]
    await chat.tell("result", first)
    await expect(chat.player.get_by_role("article", name="take 1, early")).to_be_visible()
    await expect(chat.player.get_by_role("progressbar")).to_be_visible()
    both = running(90, expected=100)
    both["structuredContent"] |= {"clips": [late, early], "status": "completed"}
    await chat.tell("result", both)
    await expect(chat.player.get_by_role("article", name="take 1, late")).to_be_visible()
    await expect(chat.player.get_by_role("article", name="take 2, early")).to_be_visible()
    await expect(chat.player.get_by_role("progressbar")).to_have_count(0)


async def test_lyrics_are_shown_to_be_read(chat: Chat, pictures: Path) -> None:
    task = await ended(chat, "generate_lyrics", topic="the harbour at night", model="suno-v5")
    await shown(chat, task_id=task["task_id"])
    await expect(chat.player.locator(".lyrics")).to_have_text(task["lyrics"]["text"].strip())
    await pictured(chat, pictures, "lyrics")


async def test_an_error_is_told_in_the_servers_words(chat: Chat, pictures: Path) -> None:
    main = await shown(chat, clip_id="no such song at all")
    await expect(main).to_contain_text("That did not work")
    await expect(main).to_contain_text("list_songs shows")
    await pictured(chat, pictures, "error")


async def test_a_stopped_call_says_what_may_go_on(chat: Chat, pictures: Path) -> None:
    await chat.open(context={"styles": {"variables": FONT}})
    await chat.tell("input", {"description": "unfinished symphony"})
    await chat.tell("cancelled", "the user pressed stop")
    main = chat.player.locator("main")
    await expect(main).to_contain_text("stopped before it answered (the user pressed stop)")
    await expect(main).to_contain_text("ask for the list of songs")
    await pictured(chat, pictures, "stopped")


@pytest.mark.parametrize("elapsed", [1, 60, 99, 101, 500, 100_000])
async def test_progress_never_says_that_it_is_done(chat: Chat, elapsed: int) -> None:
    await chat.open()
    await chat.tell("result", running(elapsed, expected=100))
    bar = chat.player.get_by_role("progressbar")
    await expect(bar).to_have_attribute("aria-valuenow", str(percent(elapsed)))
    told = "Usually about 1:40" if elapsed <= 100 else "Longer than usual (about 1:40)"
    await expect(chat.player.locator(".about")).to_have_text(told)


def percent(elapsed: int) -> int:
    return {1: 1, 60: 54, 99: 89, 101: 90, 500: 98, 100_000: 98}[elapsed]


def running(elapsed: float, expected: float) -> dict[str, Any]:
    """The result of a task that is being made, as the server returns it."""
    extra = {"elapsed_seconds": elapsed, "expected_seconds": expected, "title": "Lamps"}
    task = {
        "task_id": "11111111-2222-4333-8444-555555555555",
        "service": "piapi",
        "model": "udio",
        "kind": "song",
        "status": "processing",
        "clips": [],
        "charged": "yes",
        "created_at": "2026-01-01T00:00:00Z",
    }
    return {"content": [], "structuredContent": task, "_meta": {"song-mcp/player": extra}}


async def test_without_experience_the_bar_names_no_number(chat: Chat) -> None:
    await chat.open()
    unknown = running(30, 0)
    del unknown["_meta"]["song-mcp/player"]["expected_seconds"]
    await chat.tell("result", unknown)
    bar = chat.player.get_by_role("progressbar")
    await expect(chat.player.get_by_text("Usually one to five minutes")).to_be_visible()
    assert await bar.get_attribute("aria-valuenow") is None
    await expect(bar).to_have_attribute(
        "aria-valuetext", "30 seconds gone. Usually one to five minutes"
    )


async def test_hostile_words_are_shown_and_never_run(chat: Chat, pictures: Path) -> None:
    await chat.open(context={"styles": {"variables": FONT}})
    await chat.call(
        "generate_song",
        title=f"T {HOSTILE}",
        description=f"D {HOSTILE}",
        lyrics=f"[Verse]\nL {HOSTILE}",
    )
    await expect(chat.player.locator("audio[src]")).to_have_count(2, timeout=WITHIN_MS)
    await chat.player.locator("summary").first.click()
    for start in "TDL":
        await expect(chat.player.get_by_text(f"{start} {HOSTILE}").first).to_be_visible()
    made = "() => [document.querySelectorAll('main script, main [onerror]').length, self.hacked]"
    assert await chat.frame.evaluate(made) == [0, None]
    await chat.player.get_by_role("button", name="Extend from end").first.click()
    await expect(chat.player.locator(".said")).to_contain_text("takes it from here")
    assert HOSTILE not in chat.said[0]
    await pictured(chat, pictures, "hostile")
