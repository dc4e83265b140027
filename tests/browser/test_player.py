"""The player in a real browser: a song is made, shown, and heard."""

import json
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp.types import TextResourceContents
from playwright.async_api import Locator, expect

from song_mcp.sandbox.state import Sandbox
from tests.browser.chat import Chat, Json
from tests.house import uri_of
from tests.limits import HANGS_S

PAID = {"generate_song", "extend_song", "cover_song", "generate_lyrics", "resolve_task"}
SONG_WITHIN_MS = 90_000

HEARD = """async (audio) => {
    const context = new AudioContext();
    const analyser = context.createAnalyser();
    const source = context.createMediaElementSource(audio);
    source.connect(analyser);
    analyser.connect(context.destination);
    const samples = new Float32Array(analyser.fftSize);
    const loudest = () => {
        analyser.getFloatTimeDomainData(samples);
        return Math.max(...samples.map(Math.abs));
    };
    for (let look = 0; look < 200; look += 1) {
        if (loudest() > 0.01) return true;
        await new Promise((resolve) => requestAnimationFrame(resolve));
    }
    return false;
}"""
DECODED = """async (audio) => {
    const bytes = Uint8Array.from(atob(audio.src.split(",")[1]), (sign) => sign.charCodeAt(0));
    const decoded = await new OfflineAudioContext(2, 1, 44100).decodeAudioData(bytes.buffer);
    const squares = decoded.getChannelData(0).reduce((sum, sample) => sum + sample * sample, 0);
    return [decoded.duration, Math.sqrt(squares / decoded.length)];
}"""
HEIGHTS = """(canvas) => {
    const { width, height } = canvas;
    const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
    const heights = new Array(width).fill(0);
    for (let at = 0; at < width * height; at += 1) if (data[4 * at + 3]) heights[at % width] += 1;
    return heights;
}"""
BLOB = """async () => {
    const audio = new Audio(URL.createObjectURL(new Blob(["x"], { type: "audio/mpeg" })));
    await new Promise((resolve) => audio.addEventListener("error", resolve));
    return await fetch("https://elsewhere.test/").then(() => "reached", () => "refused");
}"""


async def make(chat: Chat, description: str, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401
    """Make a song and wait for both takes; returns the task as it is then."""
    await chat.open()
    first = await chat.call("generate_song", description=description, **arguments)
    await ready(chat)
    task_id = first["structuredContent"]["task_id"]
    task: dict[str, Any] = (await chat.answer("get_task", {"task_id": task_id}))[
        "structuredContent"
    ]
    return task


async def ready(chat: Chat, takes: int = 2) -> None:
    """Wait until the page has so many takes with their sound."""
    await expect(chat.player.locator("audio[src]")).to_have_count(takes, timeout=SONG_WITHIN_MS)
    await expect(chat.player.locator("[aria-busy]")).to_have_count(0, timeout=SONG_WITHIN_MS)


def button(chat: Chat, name: str, number: int = 0) -> Locator:
    return chat.player.get_by_role("button", name=name).nth(number)


async def position(chat: Chat, number: int) -> float:
    seconds: float = await chat.player.locator("audio").nth(number).evaluate("a => a.currentTime")
    return seconds


@pytest.mark.parametrize("marker", ["withheld", "media-expires"])
async def test_a_song_whose_audio_is_withheld_at_first_plays_without_reloading(
    chat: Chat, sandbox: Sandbox, marker: str
) -> None:
    """Nothing but the page asks about it: what comes is what the server found meanwhile."""
    await chat.open()
    asked = {"description": f"late tide [[{marker}]]", "model": "suno-v5", "wait_seconds": 0}
    first = await chat.call("generate_song", **asked)
    await ready(chat)
    await expect(chat.player.locator(".trouble:not([hidden])")).to_have_count(0)
    await button(chat, "Play take 1").click()
    assert await chat.player.locator("audio").first.evaluate(HEARD)
    made = sandbox.gptge.task(first["structuredContent"]["task_id"])
    assert made is not None
    assert made.looks_after_end > 1


# Making and hearing ------------------------------------------------------------------------------


async def test_a_song_is_followed_by_the_page_until_it_is_heard(chat: Chat) -> None:
    await chat.open()
    await expect(chat.player.get_by_role("progressbar")).to_be_visible()
    await chat.tell("input", {"description": "tango for two", "title": "Two"})
    await expect(chat.player.get_by_role("heading", name="Two")).to_be_visible()
    await expect(chat.player.get_by_text("tango for two")).to_be_visible()
    first = await chat.answer(
        "generate_song", {"description": "tango for two", "title": "Two", "wait_seconds": 0}
    )
    assert first["structuredContent"]["status"] in {"pending", "processing"}
    await chat.tell("result", first)
    await expect(chat.player.locator(".about")).to_contain_text("sual")
    await ready(chat)
    assert chat.calls[0] == (
        "get_task",
        {
            "task_id": first["structuredContent"]["task_id"],
            "wait_seconds": 8,
            "include_lyrics": True,
        },
    )
    audio = chat.player.locator("audio").first
    await button(chat, "Play take 1").click()
    assert await audio.evaluate(HEARD)
    with anyio.fail_after(HANGS_S):
        while await position(chat, 0) < 0.5:
            await chat.page.evaluate("() => new Promise(requestAnimationFrame)")
    seconds, loudness = await audio.evaluate(DECODED)
    assert seconds == pytest.approx(12.0, abs=0.2)
    assert loudness > 0.02


async def test_playing_one_take_pauses_the_other(chat: Chat) -> None:
    await make(chat, "duet one")
    await button(chat, "Play take 1").click()
    await expect(button(chat, "Pause take 1")).to_be_visible()
    await button(chat, "Play take 2").click()
    await expect(button(chat, "Pause take 2")).to_be_visible()
    await expect(button(chat, "Play take 1")).to_be_visible()
    paused = await chat.player.locator("audio").evaluate_all("all => all.map(a => a.paused)")
    assert paused == [True, False]


async def test_a_click_in_the_waveform_goes_there(chat: Chat) -> None:
    await make(chat, "seeking")
    wave = chat.player.get_by_role("slider").first
    box = await wave.bounding_box()
    assert box is not None
    await wave.click(position={"x": box["width"] / 2, "y": box["height"] / 2})
    assert await position(chat, 0) == pytest.approx(6.0, abs=0.2)
    await expect(wave).to_have_attribute("aria-valuetext", "6 seconds of 12 seconds")


async def test_the_waveform_is_drawn_from_the_sound(chat: Chat) -> None:
    await make(chat, "drawing")
    drawn = await chat.player.locator("canvas").evaluate_all(f"all => all.map({HEIGHTS})")
    assert drawn[0] != drawn[1]
    assert all(len(set(heights)) > 10 for heights in drawn)


async def test_a_player_uses_the_keyboard_alone(chat: Chat) -> None:
    await make(chat, "keys")
    keyboard = chat.page.keyboard
    await button(chat, "Play take 1").focus()
    await keyboard.press("Space")
    await expect(button(chat, "Pause take 1")).to_be_visible()
    await keyboard.press("Space")
    await expect(button(chat, "Play take 1")).to_be_visible()
    await chat.player.get_by_role("slider").first.focus()
    await keyboard.press("Home")
    assert await position(chat, 0) == 0
    await keyboard.press("ArrowRight")
    assert await position(chat, 0) == pytest.approx(5.0, abs=0.1)
    await keyboard.press("End")
    assert await position(chat, 0) == pytest.approx(12.0, abs=0.2)
    await keyboard.press("PageDown")
    assert await position(chat, 0) == 0
    await keyboard.press("Space")
    await expect(button(chat, "Pause take 1")).to_be_visible()
    outline = await chat.player.locator(":focus-visible").evaluate(
        "element => getComputedStyle(element).outlineStyle"
    )
    assert outline == "solid"


# Acting ------------------------------------------------------------------------------------------


async def test_extending_hands_the_playhead_to_the_conversation_and_pays_nothing(
    chat: Chat, sandbox: Sandbox
) -> None:
    task = await make(chat, "to be extended")
    paid = len(sandbox.accepted)
    wave = chat.player.get_by_role("slider").nth(1)
    await wave.focus()
    await chat.page.keyboard.press("ArrowRight")
    await button(chat, "Extend from 0:05").click()
    await expect(chat.player.locator(".said")).to_contain_text("The assistant takes it from here")
    clip_id = task["clips"][1]["clip_id"]
    arguments = f"clip_id {clip_id} and continue_at_seconds 5"
    assert chat.said == [f"Extend clip {clip_id} from 0:05 on (extend_song with {arguments})."]
    await button(chat, "Another take of take 1").click()
    await expect(chat.player.locator(".said")).to_have_count(2)
    with anyio.fail_after(HANGS_S):
        while len(chat.said) < 2:
            await chat.page.evaluate("() => new Promise(requestAnimationFrame)")
    assert f"another take of task {task['task_id']}" in chat.said[1]
    assert "new payment" in chat.said[1]
    assert len(sandbox.accepted) == paid


async def test_pressing_everything_calls_nothing_that_costs_money(
    chat: Chat, sandbox: Sandbox
) -> None:
    await make(chat, "pressed all over")
    paid = len(sandbox.accepted)
    for number in range(await chat.player.locator("button, summary").count()):
        await chat.player.locator("button, summary").nth(number).click()
    await expect(chat.player.locator(".said").first).to_contain_text("from here")
    assert not {name for name, _ in chat.calls} & PAID
    assert len(sandbox.accepted) == paid


async def test_where_the_chat_takes_no_messages_the_wish_can_be_copied(chat: Chat) -> None:
    chat.hears = False
    task = await make(chat, "unheard")
    await button(chat, "Extend from end").click()
    clip_id = task["clips"][0]["clip_id"]
    await expect(chat.player.get_by_role("textbox", name="Wish")).to_have_value(
        f"Extend clip {clip_id} from 0:12 on "
        f"(extend_song with clip_id {clip_id} and continue_at_seconds 12)."
    )


async def link_of(chat: Chat, clip: Json) -> str:
    """Where the service has a clip, as its resource says."""
    (content,) = (await chat.client.read_resource(uri_of(clip))).contents
    assert isinstance(content, TextResourceContents)
    return str(json.loads(content.text)["audio_url"])


async def test_file_and_link_can_be_shown_and_copied(chat: Chat) -> None:
    task = await make(chat, "copied")
    await chat.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await button(chat, "Show the file of take 1").click()
    await expect(chat.player.get_by_role("textbox", name="File")).to_have_value(
        task["clips"][0]["file"]
    )
    await button(chat, "Copy the link to take 2").click()
    await expect(chat.player.get_by_text("Copied", exact=True)).to_be_visible()
    copied = await chat.page.evaluate("() => navigator.clipboard.readText()")
    assert copied == await link_of(chat, task["clips"][1])
    assert "tags" not in task["clips"][0]  # which the page is told beside the result
    await expect(chat.player.locator(".tags").first).to_contain_text("sandbox")


async def test_where_copying_is_not_granted_the_text_is_left_selected(chat: Chat) -> None:
    task = await make(chat, "not to be copied")
    await chat.open(grants=False)
    await chat.call("play_song", task_id=task["task_id"])
    await ready(chat)
    await button(chat, "Copy the link to take 1").click()
    field = chat.player.get_by_role("textbox", name="Link")
    await expect(field).to_be_focused()
    selected = "field => field.value.slice(field.selectionStart, field.selectionEnd)"
    assert await field.evaluate(selected) == await link_of(chat, task["clips"][0])
    assert ["Clipboard API has been blocked" in line for line in chat.errors] == [True]
    chat.errors.clear()


# Hosts -------------------------------------------------------------------------------------------


async def test_the_policy_is_in_force(chat: Chat) -> None:
    await make(chat, "under the policy")
    assert chat.violations == []
    assert await chat.frame.evaluate(BLOB) == "refused"
    with anyio.fail_after(HANGS_S):
        while {line.split()[0] for line in chat.violations} != {"media-src", "connect-src"}:
            await chat.page.evaluate("() => new Promise(requestAnimationFrame)")
    assert chat.strayed == []
    chat.violations.clear()
    chat.errors.clear()  # the browser writes each refusal to the console too


async def test_a_song_of_the_library_is_shown_with_the_one_asked_for_first(chat: Chat) -> None:
    task = await make(chat, "from the library")
    second = task["clips"][1]["clip_id"]
    await chat.open()
    await chat.call("play_song", clip_id=second)
    await ready(chat)
    first = chat.player.get_by_role("article").first
    await expect(first).to_contain_text("Take 2")
    await expect(first).to_contain_text("asked for")
    assert second not in await chat.player.locator("main").inner_text()


async def test_an_old_message_shows_its_song_again(chat: Chat) -> None:
    first = await chat.answer("generate_song", {"description": "history", "wait_seconds": 0})
    await chat.answer(
        "get_task", {"task_id": first["structuredContent"]["task_id"], "wait_seconds": 55}
    )
    await chat.open()
    await chat.tell("input", {"description": "history"})
    await chat.tell("result", first)
    await ready(chat)
    assert [name for name, _ in chat.calls].count("get_task") == 1


async def test_a_host_that_strips_meta_loses_no_song(chat: Chat) -> None:
    chat.strips_meta = True
    await make(chat, "stripped bare", title="Bare", lyrics="[Verse]\nNothing but a name")
    await expect(chat.player.get_by_role("heading", name="Bare", level=1)).to_be_visible()
    await chat.player.locator("summary").first.click()
    await expect(chat.player.get_by_text("Nothing but a name").first).to_be_visible()
    await expect(chat.player.locator(".art img")).to_have_count(2)


async def test_a_host_that_lets_nobody_ask_is_told_so(chat: Chat) -> None:
    await chat.open(capabilities={"message": {"text": {}}})
    first = await chat.answer("generate_song", {"description": "mute", "wait_seconds": 0})
    await chat.tell("result", first)
    await expect(chat.player.locator(".said")).to_contain_text("Ask the assistant")
    assert chat.calls == []


async def test_the_theme_follows_the_host(chat: Chat) -> None:
    await chat.open(context={"theme": "dark"})
    paper = "() => getComputedStyle(document.body).backgroundColor"
    dark = await chat.frame.evaluate(paper)
    await chat.tell("context", {"theme": "light"})
    await expect(chat.player.locator("html")).to_have_attribute("data-theme", "light")
    assert await chat.frame.evaluate(paper) != dark
    variables = {"--color-background-primary": "rgb(1, 2, 3)"}
    await chat.tell("context", {"theme": "light", "styles": {"variables": variables}})
    await expect(chat.player.locator("body")).to_have_css("background-color", "rgb(1, 2, 3)")


async def test_a_closed_player_asks_nothing_more(chat: Chat) -> None:
    await chat.page.clock.install()
    await chat.open()
    first = await chat.answer("generate_song", {"description": "closed", "wait_seconds": 0})
    await chat.tell("result", first)
    await expect(chat.player.locator(".about")).to_contain_text("sual")
    await chat.page.evaluate("() => chat.teardown()")
    asked = len(chat.calls)
    await chat.page.clock.run_for(120_000)
    assert len(chat.calls) == asked


async def test_on_a_narrow_screen_nothing_sticks_out(chat: Chat, pictures: Path) -> None:
    await chat.page.set_viewport_size({"width": 320, "height": 900})
    await chat.page.evaluate("() => document.body.classList.add('narrow')")
    await make(chat, "narrow as a lane in the old town", title="A" * 60)
    widths = await chat.frame.evaluate(
        "() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert widths == [320, 320]
    tops = await chat.player.get_by_role("article").evaluate_all(
        "all => all.map(card => card.getBoundingClientRect().left)"
    )
    assert tops[0] == tops[1]


# Parts -------------------------------------------------------------------------------------------


async def part_of_a_song(chat: Chat, description: str) -> dict[str, Any]:
    """Make a Suno song, extend it at 5 s, and show the extension; returns its first clip."""
    song = await make(chat, description, model="suno-v5")
    first = await chat.call(
        "extend_song",
        clip_id=song["clips"][0]["clip_id"],
        description="with brass",
        continue_at_seconds=5,
    )
    await ready(chat)
    task_id = first["structuredContent"]["task_id"]
    task = (await chat.answer("get_task", {"task_id": task_id}))["structuredContent"]
    clip: dict[str, Any] = task["clips"][0]
    return clip


async def test_a_part_is_heard_as_the_whole_song_and_alone_again(
    chat: Chat, sandbox: Sandbox
) -> None:
    await part_of_a_song(chat, "to be joined")
    paid = len(sandbox.accepted)
    audio = chat.player.locator("audio").first
    note = chat.player.locator(".part").first
    await expect(note).to_contain_text("The new part alone")
    assert (await audio.evaluate(DECODED))[0] == pytest.approx(4.0, abs=0.1)
    await button(chat, "Whole song").click()
    await expect(button(chat, "This part alone")).to_be_focused()
    await ready(chat)
    await expect(note).to_contain_text("The whole song")
    assert (await audio.evaluate(DECODED))[0] == pytest.approx(9.0, abs=0.1)
    await button(chat, "Play take 1").click()
    assert await audio.evaluate(HEARD)
    assert ("read_clip", "whole") in {(name, given.get("part")) for name, given in chat.calls}
    await button(chat, "Show the file of take 1").click()
    assert " whole " in await chat.player.get_by_role("textbox").input_value()
    await button(chat, "This part alone").click()
    await ready(chat)
    assert (await audio.evaluate(DECODED))[0] == pytest.approx(4.0, abs=0.1)
    assert len(sandbox.accepted) == paid


async def test_a_place_in_the_whole_song_is_extended_where_it_is_in_the_part(chat: Chat) -> None:
    clip = await part_of_a_song(chat, "to be joined and extended")
    await button(chat, "Whole song").click()
    await ready(chat)
    wave = chat.player.get_by_role("slider").first
    await wave.focus()
    await chat.page.keyboard.press("ArrowRight")
    await expect(button(chat, "Extend from end")).to_be_visible()
    box = await wave.bounding_box()
    assert box is not None
    await wave.click(position={"x": box["width"] * 7 / 9, "y": box["height"] / 2})
    await button(chat, "Extend from 0:02").click()
    await expect(chat.player.locator(".said")).to_contain_text("The assistant takes it from here")
    assert f"Extend clip {clip['clip_id']} from 0:02 on" in chat.said[0]


async def test_a_song_that_cannot_be_joined_says_why_and_plays_its_part(chat: Chat) -> None:
    async def refused(name: str, arguments: Json) -> Json | None:
        if arguments.get("part") != "whole":
            return None
        text = "Clip a is MP3, and clip b is WAV. So they cannot be joined."
        return {"content": [{"type": "text", "text": text}], "isError": True}

    await part_of_a_song(chat, "not to be joined")
    chat.answers = refused
    await button(chat, "Whole song").click()
    trouble = chat.player.locator(".trouble").first
    await expect(trouble).to_contain_text("So they cannot be joined")
    await button(chat, "This part alone").click()
    await ready(chat)
    await expect(trouble).to_be_hidden()


async def test_a_song_of_one_clip_offers_nothing_to_be_joined(chat: Chat) -> None:
    await make(chat, "alone", model="suno-v5")
    await expect(chat.player.get_by_role("button", name="Whole song")).to_have_count(0)


async def test_the_model_that_made_a_take_is_shown_if_it_is_another(chat: Chat) -> None:
    await make(chat, "slow waltz [[other-model]]", model="suno-v6-wild")
    told = chat.player.get_by_text("Asked for suno-v6-wild, made by chirp-hawk", exact=True)
    await expect(told).to_have_count(2)
    for number in range(2):
        await expect(told.nth(number)).to_be_visible()
