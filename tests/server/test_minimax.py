"""MiniMax from end to end: a song is one call, which answers with it."""

import json
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from song_mcp.sandbox.state import Rules
from tests.faults.canaries import MINIMAX_KEY
from tests.house import House, open_house, text, uri_of
from tests.limits import HANGS_S
from tests.waiting import a_moment

pytestmark = pytest.mark.one_era("what a service does is behind the protocol")

FREE, PAID = "minimax-3-free", "minimax-3"
MANY = Rules(clip_seconds=1.0, hold_seconds=150.0, has_history=False, free_per_minute=1000)
SETTINGS = {"MINIMAX_API_KEY": MINIMAX_KEY, "SONG_MCP_DEFAULT_MODEL": ""}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A house with a key of MiniMax alone."""
    async with open_house(tmp_path, rules=MANY, settings=SETTINGS, keys=False) as opened:
        yield opened


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let calls that are not to wait return at once, though a song is answered when it is made."""
    monkeypatch.setattr("song_mcp.studio.studio.SUBMIT_GRACE_S", 0.0)


async def until_posted(house: House, number: int) -> None:
    """Return when so many submissions have arrived."""
    with anyio.fail_after(HANGS_S):
        while len(house.posts()) < number:
            await a_moment()


def asked(house: House) -> list[str]:
    """The paths at MiniMax and beyond that were asked for, in order."""
    return [item.path for item in house.sandbox.requests]


async def ended(house: House, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """Ask for a song that may end in doubt or be refused; returns its result as it then stands."""
    result = await house.call("generate_song", **arguments)
    assert result.structured_content is not None, text(result)
    task = dict(result.structured_content)
    while task["status"] in {"submitting", "pending", "processing"}:
        shown = await house.call("get_task", task_id=task["task_id"])
        assert shown.structured_content is not None, text(shown)
        task = dict(shown.structured_content)
    return task


@pytest.mark.parametrize(
    ("wish", "sent"),
    [
        ({"description": "slow waltz"}, {"lyrics_optimizer": True, "prompt": "slow waltz"}),
        (
            {"description": "slow waltz", "instrumental": True},
            {"is_instrumental": True, "prompt": "slow waltz"},
        ),
        (
            {"description": "folk", "lyrics": "[Verse]\nTrams at noon", "title": "Trams"},
            {"lyrics": "[Verse]\nTrams at noon", "prompt": "folk"},
        ),
    ],
    ids=["description", "instrumental", "own lyrics"],
)
async def test_a_song_comes_with_its_answer_and_is_saved(
    house: House, wish: dict[str, Any], sent: dict[str, Any]
) -> None:
    song = await house.song(**wish)
    [clip] = song["clips"]
    assert (song["service"], song["model"], song["charged"]) == ("minimax", FREE, "no")
    assert Path(clip["file"]).stat().st_size > 1000
    assert clip["duration_seconds"] == pytest.approx(1.0, abs=0.2)
    assert "audio_url" not in clip
    assert asked(house) == ["/v1/music_generation"]  # one POST, no look, no download
    [body] = house.posts()
    assert sent.items() <= body.items()
    assert body.keys() == {"model", "output_format", "audio_setting", *sent}
    inbox = house.folder / "home" / "inbox"
    with anyio.fail_after(HANGS_S):
        while list(inbox.iterdir()):
            await a_moment()
    assert "inbox" not in json.dumps(song)


async def test_a_cover_is_made_of_the_saved_file_of_a_clip(house: House) -> None:
    song = await house.song(description="slow waltz", model=PAID)
    clip_id = song["clips"][0]["clip_id"]
    style = "bossa nova, brushed drums"
    cover = await house.ok("cover_song", clip_id=clip_id, description=style, model=FREE)
    while not all(clip.get("file") for clip in cover["clips"]) or not cover["clips"]:
        cover = await house.ok("get_task", task_id=cover["task_id"])
    assert (cover["kind"], cover["charged"]) == ("cover", "no")
    body = house.posts()[-1]
    assert (body["model"], body["prompt"]) == ("music-cover-free", style)
    assert body["audio_base64"] != ""


async def test_lyrics_come_with_their_answer_and_are_paid(house: House) -> None:
    lyrics = await house.ok("generate_lyrics", topic="trams in winter")
    assert (lyrics["status"], lyrics["kind"], lyrics["model"]) == ("completed", "lyrics", PAID)
    assert lyrics["charged"] == "yes"
    assert "[Verse]" in lyrics["lyrics"]["text"]
    assert asked(house) == ["/v1/lyrics_generation"]


@pytest.mark.usefixtures("at_once")
async def test_a_running_song_is_told_as_being_made_and_nothing_is_asked(house: House) -> None:
    house.hold()
    begun = await house.ok("generate_song", description="slow waltz", wait_seconds=0)
    assert begun["status"] == "submitting"
    assert begun["task_id"].startswith("local-")
    for _ in range(3):
        now = await house.ok("get_task", task_id=begun["task_id"], wait_seconds=0)
        assert now["status"] == "submitting"
        assert now["next_step"].startswith("MiniMax is making it, and answers when it is made")
    await until_posted(house, 1)
    assert len(asked(house)) == 1
    house.end_all()
    done = await house.ok("get_task", task_id=begun["task_id"])
    assert done["status"] == "completed"


@pytest.mark.usefixtures("at_once")
async def test_a_caller_that_gives_up_leaves_the_song_going_on(house: House) -> None:
    house.hold()
    await house.give_up("generate_song", description="slow waltz", model=PAID)
    again = await house.ok("generate_song", description="slow waltz", model=PAID, wait_seconds=0)
    assert again["status"] == "submitting"
    house.end_all()
    song = await house.song(description="slow waltz", model=PAID)
    assert song["task_id"] != again["task_id"]  # which was ours until there was an answer
    assert len(house.posts()) == 1


LOST = ("reset", "truncated-json", "html-502:accepted", "1001-timeout:accepted", "no-audio")


@pytest.mark.parametrize("marker", LOST)
async def test_a_lost_answer_of_a_paid_model_is_in_doubt_and_cannot_be_looked_up(
    house: House, marker: str
) -> None:
    wish = {"description": f"slow waltz [[{marker}]]", "model": PAID}
    task = await ended(house, **wish)
    assert (task["status"], task["charged"]) == ("in_doubt", "unknown")
    assert "nothing can be looked up" in task["error"]
    assert "resolve_task with check" not in task["error"]
    result = await house.call("resolve_task", task_id=task["task_id"], action="check")
    assert "MiniMax has nothing that could be checked" in text(result)
    assert text(result).count("nothing can be looked up") == 1
    assert (await ended(house, **wish))["task_id"] == task["task_id"]
    assert len(house.posts()) == 1
    assert len(asked(house)) == 1


@pytest.mark.parametrize("marker", LOST)
async def test_a_lost_answer_of_a_free_model_is_no_doubt_and_may_be_asked_again(
    house: House, marker: str
) -> None:
    wish = {"description": f"slow waltz [[{marker}]]", "model": FREE}
    task = await ended(house, **wish)
    assert (task["status"], task["charged"]) == ("rejected", "no")
    assert "It costs nothing: the same request may be made again." in task["error"]
    assert "do not repeat" not in task["error"]
    again = await ended(house, **wish)
    assert again["task_id"] != task["task_id"]
    assert len(house.posts()) == 2


@pytest.mark.parametrize(
    ("marker", "said"),
    [
        ("1002-rate-limit", "rate-limiting requests"),
        ("1004-key", "does not accept the key"),
        ("1008-balance", "no credits left"),
        ("1026-sensitive", "refused the request"),
        ("2013-parameters", "refused the request"),
    ],
)
async def test_a_refusal_costs_nothing_and_says_what_to_do(
    house: House, marker: str, said: str
) -> None:
    task = await ended(house, description=f"slow waltz [[{marker}]]", model=PAID)
    assert (task["status"], task["charged"]) == ("rejected", "no")
    assert said in task["error"]
    assert house.posts() == []


async def test_an_answer_that_breaks_off_after_the_audio_is_a_song(house: House) -> None:
    song = await house.song(description="slow waltz [[cut-after-audio]]", model=PAID)
    assert (song["status"], song["charged"]) == ("completed", "yes")
    assert Path(song["clips"][0]["file"]).exists()


async def test_audio_as_an_address_is_fetched_from_there(house: House) -> None:
    song = await house.song(description="slow waltz [[as-url]]", model=PAID)
    [clip] = song["clips"]
    (content,) = (await house.client.read_resource(uri_of(clip))).contents
    assert json.loads(content.model_dump()["text"])["audio_url"].startswith(house.base_url)
    assert Path(clip["file"]).exists()


async def test_audio_that_cannot_be_kept_was_charged_and_says_so(house: House) -> None:
    home = house.folder / "home"
    home.mkdir(exist_ok=True)  # a server may not have come to that yet
    (home / "inbox").write_text("")  # where the folder should be
    task = await ended(house, description="slow waltz", model=PAID)
    assert (task["status"], task["charged"]) == ("failed", "yes")
    assert "its audio could not be kept" in task["error"]


async def test_the_daily_limit_does_not_count_what_is_free(tmp_path: Path) -> None:
    settings = SETTINGS | {"SONG_MCP_DAILY_LIMIT": "1"}
    async with open_house(tmp_path, rules=MANY, settings=settings, keys=False) as house:
        for number in range(3):
            await house.song(description=f"waltz {number}")
        await house.song(description="waltz", model=PAID)
        said = await house.error("generate_song", description="another waltz", model=PAID)
        assert "SONG_MCP_DAILY_LIMIT" in said
        await house.song(description="one more waltz")
    assert len(house.posts()) == 5


async def test_a_doubt_that_is_submitted_again_is_paid_once_more(house: House) -> None:
    task = await ended(house, description="slow waltz [[no-audio]]", model=PAID)
    again = await house.call("resolve_task", task_id=task["task_id"], action="submit_again")
    assert again.structured_content is not None
    assert len(house.posts()) == 2
    assert house.posts()[0] == house.posts()[1]


async def test_the_key_is_in_no_text_and_no_file(house: House) -> None:
    texts = []
    for marker in ("1004-key", "1001-timeout", "html-502"):
        wish = {"description": f"waltz [[{marker}]]", "model": PAID}
        texts.append(json.dumps(await ended(house, **wish)))
    texts.append(json.dumps(await house.song(description="waltz")))
    texts.append(text(await house.call("check_account")))
    assert not any(MINIMAX_KEY in each for each in texts)
    for file in house.folder.rglob("*"):
        assert not file.is_file() or MINIMAX_KEY.encode() not in file.read_bytes(), file


@pytest.mark.usefixtures("at_once")
async def test_several_songs_are_made_at_the_same_time(house: House) -> None:
    house.hold()
    songs = [
        await house.ok("generate_song", description=f"waltz {number}", wait_seconds=0)
        for number in range(4)
    ]
    await until_posted(house, 4)
    house.end_all()
    with anyio.fail_after(HANGS_S):
        async with anyio.create_task_group() as group:
            for song in songs:
                group.start_soon(partial(house.ok, "get_task", task_id=song["task_id"]))
    assert len(house.posts()) == 4
