"""The player's side of the server: what opens it, what it is told, and what it may read."""

import base64
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client
from mcp.client import advertise
from mcp.types import TextResourceContents

from song_mcp.clock import Clock
from song_mcp.compose import open_studio
from song_mcp.sandbox.state import Rules
from song_mcp.server import patience, player, results
from song_mcp.server.app import SongServer, build_server
from song_mcp.settings import Settings
from song_mcp.songs import Clip, Task
from tests import eras
from tests.eras import APPS
from tests.house import SPEED, House, environment, open_house, text
from tests.limits import HANGS_S

pytestmark = pytest.mark.one_era("what is played or read is found behind the protocol")

OTHER_APPS = advertise("io.modelcontextprotocol/ui", {"mimeTypes": ["text/html"]})
LONG = Rules(clip_seconds=45.0)
NO_FILE = "This client shows no player, and there is no file to open: "


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path, extensions=[APPS]) as opened:
        yield opened


def extra(result: Any) -> dict[str, Any]:  # noqa: ANN401 - whatever the client gives
    told: dict[str, Any] = result.meta[results.EXTRA]
    return told


async def test_the_page_is_told_which_clips_can_be_extended(house: House) -> None:
    asked = {"description": "x [[two-clips-one-error]]", "model": "suno-v5", "wait_seconds": 50}
    result = await house.call("generate_song", **asked)
    assert result.structured_content is not None
    good, broken = result.structured_content["clips"]
    assert (good["status"], broken["status"]) == ("completed", "failed")
    assert extra(result)["extendable"] == [good["clip_id"]]


@pytest.mark.parametrize("key", ["PIAPI_API_KEY", "GPTGE_API_KEY"])
async def test_the_page_is_told_whether_a_service_of_the_user_makes_covers(
    tmp_path: Path, key: str
) -> None:
    only = {"PIAPI_API_KEY": "", "GPTGE_API_KEY": "", key: "a-key", "SONG_MCP_DEFAULT_MODEL": ""}
    async with open_house(tmp_path, keys=False, settings=only, extensions=[APPS]) as house:
        result = await house.call("generate_song", description="x", wait_seconds=0)
        assert extra(result)["coverable"] == (key == "PIAPI_API_KEY")


# Clients that show no page -----------------------------------------------------------------------


@pytest.fixture
async def plain(tmp_path: Path) -> AsyncIterator[House]:
    """A client that declares nothing, or only what is no page of ours."""
    async with open_house(tmp_path, extensions=[OTHER_APPS]) as opened:
        yield opened


@pytest.mark.both_eras
async def test_what_is_for_the_page_goes_to_no_client_without_one(plain: House) -> None:
    """Some clients show the model all of a result."""
    doubt = await plain.call("generate_song", description="x [[html-502:accepted]]")
    song = await plain.song(description="x", lyrics="La la")
    clip, task_id = song["clips"][0]["clip_id"], song["task_id"]
    results_ = [
        doubt,
        await plain.call("get_task", task_id=task_id, include_lyrics=True),
        await plain.call("fetch_suno_task", task_id=task_id),
        await plain.call("play_song", clip_id=clip),
        await plain.call("play_song", task_id=task_id),
        await plain.call("extend_song", clip_id=clip, wait_seconds=0),
        await plain.call("cover_song", clip_id=clip, model="ace-step", wait_seconds=0),
        await plain.call("generate_lyrics", topic="x", model="suno-v5"),
        await plain.call("resolve_task", task_id=task_id, action="check"),
    ]
    assert not any(results.EXTRA in json.dumps(result.meta or {}) for result in results_)
    async with plain.another_client([APPS]) as page:
        assert extra(await page.call("play_song", clip_id=clip))["focus"] == clip


@pytest.mark.both_eras
async def test_the_tools_and_the_page_of_the_player_are_listed_for_it_alone(plain: House) -> None:
    offered = [tool.name for tool in (await plain.client.list_tools()).tools]
    async with plain.another_client([APPS]) as page:
        tools = [tool.name for tool in (await page.client.list_tools()).tools]
        resources = [each.uri for each in (await page.client.list_resources()).resources]
    assert offered == [name for name in tools if name != "read_clip"] != tools
    listed = [each.uri for each in (await plain.client.list_resources()).resources]
    assert listed == [uri for uri in resources if uri != player.URI] != resources


@pytest.mark.both_eras
async def test_a_host_that_declares_nothing_can_still_open_the_page(plain: House) -> None:
    """Some hosts go by what a tool says; the model is not shown that."""
    tools = (await plain.client.list_tools()).tools
    opening = {tool.name for tool in tools if (tool.meta or {}).get("ui/resourceUri") == player.URI}
    assert opening == {"generate_song", "extend_song", "cover_song", "play_song"}
    (content,) = (await plain.client.read_resource(player.URI)).contents
    assert content.mime_type == player.MIME_TYPE


@pytest.mark.both_eras
async def test_bytes_of_a_clip_are_refused_in_one_sentence_without_a_page(plain: House) -> None:
    clip = (await plain.song(description="x"))["clips"][0]["clip_id"]
    for arguments in ({"clip_id": clip}, {}, {"clip_id": "", "part": "cover"}, {"nonsense": 1}):
        told = await plain.error("read_clip", **arguments)
        assert told == player.NO_PAGE
    assert player.NO_PAGE.count(". ") == 0
    unknown = await plain.error("read_clips")
    assert "There is no tool" in unknown
    assert "read_clip," not in unknown


# What opens it -----------------------------------------------------------------------------------


@pytest.mark.both_eras
async def test_paid_songs_and_play_song_open_the_player_and_looking_up_does_not(
    house: House,
) -> None:
    tools = (await house.client.list_tools()).tools
    opening = {tool.name for tool in tools if (tool.meta or {}).get("ui/resourceUri") == player.URI}
    assert opening == {"generate_song", "extend_song", "cover_song", "play_song"}
    nested = {tool.name for tool in tools if (tool.meta or {}).get("ui", {}).get("resourceUri")}
    assert nested == opening
    hidden = {t.name for t in tools if (t.meta or {}).get("ui", {}).get("visibility") == ["app"]}
    assert hidden == {"read_clip"}
    kept = {t.name for t in tools if (t.meta or {}).get("ui", {}).get("visibility") == ["model"]}
    changing = {t.name for t in tools if t.annotations and not t.annotations.read_only_hint}
    paid = {"generate_song", "extend_song", "cover_song", "generate_lyrics", "resolve_task"}
    assert kept == changing == paid | {"check_account"}


@pytest.mark.both_eras
async def test_the_page_is_served_as_an_app_that_needs_no_other_origin(house: House) -> None:
    content = (await house.client.read_resource(player.URI)).contents[0]
    assert isinstance(content, TextResourceContents)
    assert content.mime_type == "text/html;profile=mcp-app"
    assert content.text.startswith("<!doctype html>")
    assert content.meta is not None
    assert content.meta["ui"] == {
        "csp": {},
        "permissions": {"clipboardWrite": {}},
        "prefersBorder": True,
    }


# Playing what there is ---------------------------------------------------------------------------


async def test_the_last_song_is_played_where_nothing_is_named(house: House) -> None:
    await house.song(description="first")
    last = await house.song(description="second")
    posts = len(house.posts())
    result = await house.call("play_song")
    assert result.structured_content is not None
    assert result.structured_content["task_id"] == last["task_id"]
    focus = extra(result)["focus"]
    assert focus in {clip["clip_id"] for clip in last["clips"]}
    assert f'last is "{last["clips"][0]["title"]}", clip {focus}; the other take is' in text(result)
    assert len(house.posts()) == posts


async def test_a_song_is_named_by_id_short_id_title_or_task(house: House) -> None:
    task = await house.song(description="named", title="A Name of Its Own")
    other = await house.song(description="another")
    clip = task["clips"][0]["clip_id"]
    for name in (clip, clip[:8]):
        played = await house.call("play_song", clip_id=name)
        assert f"Clip {clip} is the one that was asked for." in text(played)
    title = other["clips"][1]["title"]
    result = await house.call("play_song", clip_id=title)
    assert extra(result)["focus"] == other["clips"][1]["clip_id"]
    result = await house.call("play_song", task_id=task["task_id"])
    assert "focus" not in extra(result)
    assert result.structured_content == await house.ok("get_task", task_id=task["task_id"])


async def test_without_a_page_the_files_to_open_are_named(plain: House) -> None:
    song = await plain.song(description="x", title="Quay")
    first, second = song["clips"]
    played = text(await plain.call("play_song", clip_id=first["clip_id"]))
    assert f"This client shows no player: the user can open {first['file']}." in played
    played = text(await plain.call("play_song", task_id=song["task_id"]))
    assert f"shows no player: the user can open {first['file']} or {second['file']}." in played


async def test_without_a_page_it_is_said_why_there_is_no_file_yet(plain: House) -> None:
    plain.hold()
    song = await plain.ok("generate_song", description="x", wait_seconds=0)
    played = text(await plain.call("play_song", task_id=song["task_id"]))
    assert f"{NO_FILE}the song is being made." in played
    refused = await plain.call("generate_song", description="x [[insufficient-credits]]")
    assert refused.structured_content is not None
    played = text(await plain.call("play_song", task_id=refused.structured_content["task_id"]))
    assert f"{NO_FILE}it has no finished audio." in played


@pytest.mark.no_client
def test_a_finished_clip_without_a_file_is_being_saved_or_could_not_be() -> None:
    clip = Clip("c1", "completed", audio_url="https://x/1")
    now = datetime.now(UTC)
    task = Task("local-1", "piapi", "udio", "song", "completed", now, "t1", clips=(clip,))
    assert player.to_open(task, "c1") == f"{NO_FILE}it is being saved."
    dead = replace(task, clips=(replace(clip, save_error="The link is dead."),))
    assert player.to_open(dead, "c1").startswith(f"{NO_FILE}it could not be saved yet")
    other = Clip("c2", "completed", file=Path("/music/Quay.mp3"))
    both = replace(task, clips=(clip, other))
    assert player.to_open(both).endswith("the user can open /music/Quay.mp3.")
    assert player.to_open(both, "c1") == f"{NO_FILE}it is being saved."


async def test_where_the_page_is_shown_no_file_is_named_in_its_place(house: House) -> None:
    await house.song(description="x")
    assert "player" not in text(await house.call("play_song"))


async def test_two_names_or_an_unknown_one_are_told(house: House) -> None:
    assert "not both" in await house.error("play_song", clip_id="a", task_id="b")
    assert "list_songs" in await house.error("play_song", clip_id="nothing like this")


# What the page is told ---------------------------------------------------------------------------


@pytest.mark.both_eras
async def test_the_page_is_told_what_the_model_need_not_read(house: House) -> None:
    for number in range(3):
        await house.song(description=f"for the experience {number}")
    house.hold()
    first = await house.call("generate_song", description="slow", title="Slow", wait_seconds=0)
    told = extra(first)
    assert (told["title"], told["description"]) == ("Slow", "slow")
    assert told["elapsed_seconds"] >= 0
    assert told["expected_seconds"] > 0
    house.end_all()
    assert first.structured_content is not None
    done = await house.call("get_task", task_id=first.structured_content["task_id"])
    assert done.structured_content is not None
    ids = [clip["clip_id"] for clip in done.structured_content["clips"]]
    assert extra(done)["covers"] == ids
    assert list(extra(done)["lyrics"]) == ids
    assert "lyrics" not in str(done.structured_content)


# Reading -----------------------------------------------------------------------------------------


async def test_audio_and_cover_are_read_in_chunks_from_the_library_alone(tmp_path: Path) -> None:
    async with open_house(tmp_path, rules=LONG, extensions=[APPS]) as house:
        task = await house.song(description="long enough for two")
        clip = task["clips"][0]
        asked = len(house.sandbox.requests)
        audio, sizes = await read_whole(house, clip["clip_id"], "audio")
        assert audio == Path(clip["file"]).read_bytes()
        assert len(sizes) > 1
        assert max(sizes) == 512 * 1024
        cover, _ = await read_whole(house, clip["clip_id"], "cover")
        assert cover.startswith(b"\x89PNG")
        assert len(house.sandbox.requests) == asked


async def read_whole(house: House, clip_id: str, part: str) -> tuple[bytes, list[int]]:
    content, sizes, offset = b"", [], 0
    while True:
        chunk = await house.ok("read_clip", clip_id=clip_id, part=part, offset=offset)
        piece = base64.b64decode(chunk["content"])
        content += piece
        sizes.append(len(piece))
        assert chunk["offset"] == offset
        if "next_offset" not in chunk:
            assert chunk["total_bytes"] == len(content)
            return content, sizes
        offset = chunk["next_offset"]


async def test_only_clips_can_be_read_and_only_what_they_have(house: House) -> None:
    task = await house.song(description="read me")
    clip = task["clips"][0]["clip_id"]
    page = extra(await house.call("play_song", clip_id=clip))
    assert page["tags"][clip]
    for name in (
        "/etc/passwd",
        "../../etc/passwd",
        "file:///etc/passwd",
        page["links"][clip],
    ):
        assert "no clip" in await house.error("read_clip", clip_id=name)
    assert "audio, cover or whole" in await house.error("read_clip", clip_id=clip, part="all")
    assert "nothing is at" in await house.error("read_clip", clip_id=clip, offset=10**9)
    for offset in (-1, 2**40 + 1, 2**63, 10**400):
        for part in ("audio", "cover", "whole"):
            told = await house.error("read_clip", clip_id=clip, offset=offset, part=part)
            assert told.startswith("offset: ")


# Answering early ---------------------------------------------------------------------------------


def beside(house: House, wait_seconds: str) -> SongServer:
    """Return another server on the same sandbox, for a client of another kind."""
    values = environment(house.folder / "beside", house.base_url)
    values["SONG_MCP_WAIT_SECONDS"] = wait_seconds
    settings = Settings(**values)  # type: ignore[arg-type]  # by the variables' names
    return build_server(lambda: open_studio(settings, house.clock))


async def answers_early(client: Client, **arguments: Any) -> bool:  # noqa: ANN401 - JSON
    """Make a song that is never done: return whether the call was answered early."""
    waits_longer, ended = anyio.Event(), anyio.Event()

    async def note(progress: float, total: float | None, message: str | None) -> None:
        if progress >= patience.PLAYER_S:
            waits_longer.set()
            group.cancel_scope.cancel()

    async def call() -> None:
        asked = arguments | {"description": "x [[slow:1000]]"}
        await client.call_tool("generate_song", asked, progress_callback=note)
        ended.set()

    with anyio.fail_after(HANGS_S):
        async with anyio.create_task_group() as group:
            group.start_soon(call)
    assert waits_longer.is_set() != ended.is_set()
    return ended.is_set()


@pytest.mark.both_eras
@pytest.mark.parametrize(
    ("extension", "is_early"), [(APPS, True), (OTHER_APPS, False), (None, False)]
)
async def test_a_paid_call_answers_early_where_the_player_follows(
    tmp_path: Path,
    extension: Any,  # noqa: ANN401 - what `advertise` gives
    is_early: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    async with open_house(tmp_path, clock=Clock(SPEED)) as house:
        extensions = [extension] if extension else []
        async with eras.connected(beside(house, "55"), extensions) as (client, _):
            assert await answers_early(client) == is_early


@pytest.mark.both_eras
async def test_a_player_takes_no_wait_that_was_asked_for_and_hides_no_refusal(
    tmp_path: Path,
) -> None:
    async with (
        open_house(tmp_path, clock=Clock(SPEED)) as house,
        eras.connected(beside(house, "25"), [APPS]) as (client, _),
    ):
        assert not await answers_early(client, wait_seconds=50)
        refused = await client.call_tool(
            "generate_song", {"description": "[[insufficient-credits]]"}
        )
        assert refused.is_error
