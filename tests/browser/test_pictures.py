"""The pictures of the README: what a person sees while a song is made, and when it is there."""

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
from mcp import Client
from playwright.async_api import Browser, expect

from song_mcp.sandbox.app import build_app
from song_mcp.sandbox.serve import running as sandbox_running
from song_mcp.sandbox.state import Rules
from tests.browser.chat import Chat, chatting, served
from tests.browser.test_states import FONT, WITHIN_MS, pictured, running
from tests.house import environment
from tests.limits import HANGS_S

AXE = Path(__file__).parents[2] / "src/song_mcp/player/node_modules/axe-core/axe.min.js"
TITLE = "Lamps along the Quay"
STYLE = "slow harbour waltz, accordion"

SAYS = "Make me a slow harbour waltz with accordion, about lamps along the quay."
LYRICS = """[Verse]
Lamps along the quay are lit
One by one by one
Boats come in and rope their sleep
To rings of iron, done

[Chorus]
Turn me slow, turn me slow
Harbour, hold the light"""


async def test_a_song_in_the_making_is_pictured(chat: Chat, pictures: Path) -> None:
    await chat.open(context={"styles": {"variables": FONT}}, says=SAYS)
    await chat.tell("input", {"title": TITLE, "description": STYLE})
    result = running(58, expected=100)
    result["_meta"]["song-mcp/player"]["title"] = TITLE
    result["structuredContent"]["cost_usd"] = 0.05
    await chat.tell("result", result)
    await expect(chat.player.get_by_text("Usually about 1:40")).to_be_visible()
    await pictured(chat, pictures, "making")


@pytest.fixture(scope="module")
async def library(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Client]:
    """A server with one song of the usual length, and a client of the protocol of 2026-07-28."""
    folder = tmp_path_factory.mktemp("library")
    app = build_app(1.0, rules=Rules(clip_seconds=98.0))
    async with (
        sandbox_running(app) as url,
        served(folder, environment(folder, url), mode="auto") as client,
    ):
        song = {"title": TITLE, "description": STYLE, "lyrics": LYRICS, "model": "suno-v5"}
        task = (await client.call_tool("generate_song", song)).structured_content
        with anyio.fail_after(HANGS_S):
            while task is None or not all("file" in clip for clip in task["clips"] or [{}]):
                look = {"task_id": task["task_id"] if task else "last"}
                task = (await client.call_tool("get_task", look)).structured_content
        yield client


@pytest.mark.parametrize("theme", ["light", "dark", "narrow"])
async def test_a_song_that_plays_is_pictured(
    browser: Browser, library: Client, pictures: Path, theme: str
) -> None:
    async with chatting(browser, library, width=340 if theme == "narrow" else 860) as chat:
        look = "dark" if theme == "dark" else "light"
        await chat.page.emulate_media(color_scheme=look)
        if theme == "narrow":
            await chat.page.evaluate("() => document.body.classList.add('narrow')")
        await chat.open(context={"theme": look, "styles": {"variables": FONT}}, says=SAYS)
        await chat.call("play_song", task_id="last")
        await expect(chat.player.locator(".art img")).to_have_count(2, timeout=WITHIN_MS)
        await expect(chat.player.locator("audio[src]")).to_have_count(2, timeout=WITHIN_MS)
        await expect(chat.player.locator("[aria-busy]")).to_have_count(0, timeout=WITHIN_MS)
        for _ in range(3):
            await chat.player.get_by_role("slider").first.press("PageUp")
        await chat.player.get_by_role("button", name="Play take 1").click()
        await expect(chat.player.get_by_role("button", name="Pause take 1")).to_be_visible()
        await chat.player.locator("summary").first.click()
        await expect(chat.player.get_by_text("Turn me slow").first).to_be_visible()
        await pictured(chat, pictures, f"playing-{theme}")


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_a_checker_of_accessibility_finds_nothing(chat: Chat, theme: str) -> None:
    await chat.open(context={"theme": theme})
    await chat.call("generate_song", description=f"open to everyone, {theme}")
    await expect(chat.player.locator("audio[src]")).to_have_count(2, timeout=WITHIN_MS)
    await chat.player.locator("summary").first.click()
    await chat.player.get_by_role("button", name="Show the file").first.click()
    assert await found(chat) == []
    await chat.open(context={"theme": theme})
    await chat.tell("result", running(30, expected=100))
    await expect(chat.player.get_by_role("progressbar")).to_be_visible()
    assert await found(chat) == []


async def found(chat: Chat) -> list[str]:
    """What axe-core finds wrong with the page as it is."""
    await chat.frame.evaluate(AXE.read_text(encoding="utf-8"))
    results = await chat.frame.evaluate("() => axe.run()")
    return [
        f"{item['id']}: {node['html'][:200]}"
        for item in results["violations"]
        for node in item["nodes"]
    ]
