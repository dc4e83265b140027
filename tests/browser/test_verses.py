"""The line of the lyrics that is sung is marked while a song plays, if it is known which it is."""

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Locator, expect

from song_mcp.rights import rights_in
from tests.browser.chat import Chat, Json

WITHIN_MS = 90_000
LINES = [[2.0, "Trams at noon"], [5.0, ""], [7.0, "Ring, ring"], [11.5, "<b>The last one</b>"]]


async def shown(chat: Chat, timed: object) -> None:
    """Show a song of which the server would tell such times for its lines."""
    asked = {"lyrics": "Trams at noon\nRing, ring", "wait_seconds": 55}
    made = await chat.answer("generate_song", asked)
    task: dict[str, Any] = made["structuredContent"]
    clips = [clip["clip_id"] for clip in task["clips"]]

    async def timed_too(name: str, arguments: Json) -> Json | None:
        return told(await chat.answer(name, arguments)) if name == "get_task" else None

    def told(result: Json) -> Json:
        extra = result["_meta"]["song-mcp/player"] | {"timed_lyrics": {clips[0]: timed}}
        return result | {"_meta": {"song-mcp/player": extra}}

    chat.answers = timed_too
    await chat.open()
    await chat.tell("result", told(await chat.answer("get_task", {"task_id": task["task_id"]})))
    await expect(chat.player.locator("audio[src]")).to_have_count(2, timeout=WITHIN_MS)
    await expect(chat.player.locator("[aria-busy]")).to_have_count(0, timeout=WITHIN_MS)


def sung(chat: Chat) -> Locator:
    return chat.player.locator(".line[aria-current]")


async def sought(chat: Chat, seconds: float) -> None:
    audio = chat.player.locator("audio").first
    await audio.evaluate("(audio, to) => { audio.currentTime = to; }", seconds)


async def test_a_song_of_diffrhythm_marks_the_line_that_is_sung(chat: Chat) -> None:
    lyrics = "[00:03.00]Trams at noon\n[00:40.00]Ring, ring"
    asked = {"model": "diffrhythm", "description": "folk", "lyrics": lyrics}
    await chat.open()
    await chat.call("generate_song", **asked)
    await expect(chat.player.locator("audio[src]")).to_have_count(1, timeout=WITHIN_MS)
    await expect(chat.player.locator(".line")).to_have_text(["Trams at noon", "Ring, ring"])
    await sought(chat, 41)
    await expect(sung(chat)).to_have_text(["Ring, ring"])


async def test_the_line_that_is_sung_is_marked_and_no_other(chat: Chat, pictures: Path) -> None:
    await shown(chat, LINES)
    lyrics = chat.player.locator(".lyrics").first
    await expect(lyrics).to_be_visible()
    await expect(lyrics.locator(".line")).to_have_text([words for _, words in LINES])
    await expect(sung(chat)).to_have_count(0)
    for seconds, words in ((2.5, "Trams at noon"), (6, ""), (7.1, "Ring, ring")):
        await sought(chat, seconds)
        await expect(sung(chat)).to_have_text([words])
    pictures.mkdir(parents=True, exist_ok=True)
    await chat.page.locator("#player iframe").screenshot(path=pictures / "verses.png")
    await sought(chat, 1)
    await expect(sung(chat)).to_have_count(0)


async def test_the_mark_follows_a_song_that_plays_and_the_rights_are_told_once(chat: Chat) -> None:
    await shown(chat, LINES)
    await expect(chat.player.get_by_text(rights_in("piapi", "udio").brief)).to_have_count(1)
    await sought(chat, 6.5)
    await chat.player.get_by_role("button", name="Play").first.click()
    await expect(sung(chat)).to_have_text(["Ring, ring"], timeout=WITHIN_MS)
    await chat.player.get_by_role("button", name="Pause").click()


async def test_a_line_out_of_sight_is_scrolled_to_within_the_lyrics(chat: Chat) -> None:
    await shown(chat, [[at / 10, f"Line {at}"] for at in range(100)])
    await sought(chat, 9.95)
    await expect(sung(chat)).to_have_text(["Line 99"])
    seen = """row => {
        const [line, box] = [row, row.parentElement].map((each) => each.getBoundingClientRect());
        return line.top >= box.top && line.bottom <= box.bottom;
    }"""
    assert await sung(chat).evaluate(seen)


@pytest.mark.parametrize("timed", ["x", [[1], ["x", "y"], {"at": 1}, [-1, "z"], 5, None]])
async def test_what_is_no_timed_line_is_left_out_and_the_words_stay(
    chat: Chat, timed: object
) -> None:
    await shown(chat, timed)
    await sought(chat, 3)
    await expect(sung(chat)).to_have_count(0)
    await expect(chat.player.locator(".lyrics").first).to_contain_text("Ring, ring")
