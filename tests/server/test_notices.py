"""What clients are told of changes, in both protocol eras, whoever made the change."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from mcp.shared.exceptions import MCPError
from mcp.shared.subscriptions import ResourcesListChanged, ResourceUpdated
from mcp.types import INVALID_PARAMS, TextResourceContents

from tests.eras import LEGACY, MODERN
from tests.house import ENDLESS_S, House, open_house, uri_of
from tests.waiting import a_moment

LIST = ResourcesListChanged()


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path, song_seconds=ENDLESS_S) as opened:
        yield opened


def task_uri(task_id: str) -> ResourceUpdated:
    return ResourceUpdated(uri=f"song://tasks/{task_id}")


async def begun(house: House, **arguments: str) -> str:
    """Begin a song; returns the id of its task."""
    asked = {"description": "x", **arguments}
    return str((await house.ok("generate_song", wait_seconds=0, **asked))["task_id"])


async def test_what_is_told_is_what_the_server_says_it_tells(house: House) -> None:
    told = house.client.server_capabilities
    assert told is not None
    assert told.resources is not None
    assert (told.resources.subscribe, told.resources.list_changed) == (True, True)
    assert told.tools is not None
    assert told.prompts is not None
    assert not told.tools.list_changed
    assert not told.prompts.list_changed


async def test_a_task_is_told_and_the_list_when_its_clips_land(house: House) -> None:
    task_id = await begun(house)
    async with house.ear.listening(task_uri(task_id).uri) as ear:
        house.end_all()
        assert set(await ear.until(task_uri(task_id), LIST)) == {task_uri(task_id), LIST}
    listed = (await house.client.list_resources()).resources
    song = await house.ok("get_task", task_id=task_id)
    clips = [resource.uri for resource in listed if resource.uri.startswith("song://clips/")]
    assert clips == [uri_of(clip) for clip in song["clips"]]


async def test_each_clip_is_told_with_its_audio(house: House) -> None:
    task_id = await begun(house, model="suno-v5")
    house.nearly_end_all()
    while not (clips := await clip_uris(house, task_id)):
        await house.ok("get_task", task_id=task_id, wait_seconds=0.1)
    wanted = [ResourceUpdated(uri=uri) for uri in (*clips, f"{clips[0]}/audio")]
    async with house.ear.listening(*(each.uri for each in wanted)) as ear:
        house.end_all()
        assert set(await ear.until(LIST, *wanted)) == {LIST, *wanted}


async def clip_uris(house: House, task_id: str) -> list[str]:
    (content,) = (await house.client.read_resource(f"song://tasks/{task_id}")).contents
    assert isinstance(content, TextResourceContents)
    return [f"song://clips/{clip['clip_id']}" for clip in json.loads(content.text)["clips"]]


async def test_a_task_is_told_under_our_own_id_too(house: House) -> None:
    """If the service's reply is lost, there is no other notice."""
    lost = await house.call("generate_song", description="x [[html-502:accepted]]")
    assert lost.structured_content is not None
    task_id = lost.structured_content["task_id"]
    assert task_id.startswith("local-")
    async with house.ear.listening(task_uri(task_id).uri) as ear:
        house.end_all()
        await house.ok("get_task", task_id=house.sandbox.accepted[0].task_id)
        await house.ok("resolve_task", task_id=task_id, action="check")
        await ear.until(task_uri(task_id))


async def test_what_another_server_on_the_journal_does_is_told(house: House) -> None:
    async with house.beside() as other:
        task_id = await begun(other)
        async with house.ear.listening(task_uri(task_id).uri) as ear:
            house.end_all()
            assert set(await ear.until(task_uri(task_id), LIST)) == {task_uri(task_id), LIST}


async def test_nobody_is_told_of_what_they_did_not_subscribe_to(house: House) -> None:
    other = await begun(house, description="other")
    mine = await begun(house, description="mine", model="suno-v5")
    async with house.ear.listening(task_uri(mine).uri) as ear:
        house.end_all()
        for task_id in (other, mine):
            assert (await house.ok("get_task", task_id=task_id))["status"] == "completed"
        heard = await ear.until(task_uri(mine), LIST)
        assert set(heard + ear.so_far()) == {task_uri(mine), LIST}


async def test_an_unsubscribed_client_is_told_no_more(house: House) -> None:
    first, second = await begun(house), await begun(house, description="y", model="suno-v5")
    async with house.ear.listening(task_uri(second).uri) as ear:
        async with house.ear.listening(task_uri(first).uri):
            pass
        house.end_all()
        await house.ok("get_task", task_id=first)
        await house.ok("get_task", task_id=second)
        heard = await ear.until(task_uri(second), LIST)
        assert task_uri(first) not in heard + ear.so_far()


@pytest.mark.only_in(MODERN)  # an older client listens from the start
async def test_what_changed_before_anyone_listened_is_not_told(house: House) -> None:
    task_id = await begun(house)
    house.end_all()
    song = await house.ok("get_task", task_id=task_id)
    async with house.ear.listening(*(uri_of(clip) for clip in song["clips"])) as ear:
        lost = await house.call("generate_song", description="y [[html-502]]")
        assert lost.structured_content is not None
        async with house.ear.listening(task_uri(lost.structured_content["task_id"]).uri) as again:
            task_id = lost.structured_content["task_id"]
            await house.ok("resolve_task", task_id=task_id, action="abandon")
            await again.until(task_uri(task_id))
        assert ear.so_far() == []


def count_looks(house: House) -> int:
    return sum("fetch" in each.path for each in house.sandbox.requests)


async def test_looking_at_a_task_that_stays_as_it_is_tells_nothing(tmp_path: Path) -> None:
    async with open_house(tmp_path, song_seconds=300) as house:
        task_id = await begun(house, model="suno-v5")
        seen = ""
        while seen != "IN_PROGRESS":  # which it stays for a third of its time
            seen = (await house.ok("get_task", task_id=task_id, wait_seconds=0.1))[
                "provider_status"
            ]
        async with house.ear.listening(task_uri(task_id).uri) as ear:
            looks = count_looks(house)
            while count_looks(house) < looks + 2:
                await a_moment()
                await house.ok("get_task", task_id=task_id, wait_seconds=0)
            heard = ear.so_far()
            assert heard == []


async def test_a_resource_that_is_not_there_yet_can_be_subscribed_to(house: House) -> None:
    async with house.ear.listening(
        "song://tasks/nobody-knows", "https://elsewhere.example/x"
    ) as ear:
        await begun(house)
        house.end_all()
        assert set(await ear.until(LIST)) == {LIST}


@pytest.mark.parametrize(
    "uris", [["song://tasks/" + "x" * 500], [f"song://tasks/{n}" for n in range(1001)]]
)
async def test_more_than_is_kept_for_a_client_is_refused(house: House, uris: list[str]) -> None:
    with pytest.raises(MCPError) as caught:
        async with house.ear.listening(*uris):
            raise AssertionError("it was taken")
    assert caught.value.error.code == INVALID_PARAMS
    assert "song-mcp" not in caught.value.error.message
    task_id = await begun(house)
    if house.client.protocol_version == LEGACY:
        await house.ear.unsubscribe("song://tasks/0")
    async with house.ear.listening(task_uri(task_id).uri) as ear:
        house.end_all()
        await ear.until(task_uri(task_id))
