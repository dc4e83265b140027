"""Settings that arrive wrong: the server serves, pays nothing, and says which variable is wrong."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from song_mcp.clock import Clock
from song_mcp.compose import library_of
from song_mcp.errors import LibraryError
from song_mcp.inbox import Inbox
from song_mcp.settings import Settings
from song_mcp.songs import Clip, Task
from tests.faults.canaries import GPTGE_KEY, PIAPI_KEY
from tests.house import House, environment, open_house, text

pytestmark = pytest.mark.one_era("what is set is behind the protocol")

PAID = {
    "generate_song": {"description": "waltz", "model": "suno-v6"},
    "extend_song": {"clip_id": "last"},
    "cover_song": {"clip_id": "last", "description": "ska"},
    "generate_lyrics": {"topic": "trams"},
    "resolve_task": {"task_id": "last", "action": "submit_again"},
}
NOW = datetime(2026, 11, 26, tzinfo=UTC)
NO_FOLDER = "{folder}/file/below"
"""Below a file, so that nobody can make it, however much they may do."""
WRONG = [
    ("PIAPI_API_KEY", "${env:PIAPI_API_KEY}"),
    ("PIAPI_API_KEY", f"{PIAPI_KEY[:8]} {PIAPI_KEY[8:]}"),
    ("GPTGE_API_KEY", "{{gptge}}"),
    ("MINIMAX_API_KEY", "$MINIMAX"),
    ("PIAPI_BASE_URL", "api.piapi.ai"),
    ("GPTGE_BASE_URL", "http://mirror.example"),
    ("PIAPI_UPLOAD_URL", "${env:X}"),
    ("PIAPI_SERVICE_MODE", "secret"),
    ("ACESTEP_BASE_URL", "http://nas:8001"),
    ("SONG_MCP_DAILY_LIMIT", "many"),
    ("SONG_MCP_DAILY_LIMIT", "-1"),
    ("SONG_MCP_WAIT_SECONDS", "56"),
    ("SONG_MCP_PROXY", "socks5://user:very-secret@proxy.example"),
    ("SONG_MCP_MEDIA_HOSTS", "https://cdn.example"),
    ("SONG_MCP_DEFAULT_MODEL", "banana"),
    ("SONG_MCP_SUNO_NAMES", "suno-v6"),
    ("SONG_MCP_CLIP_BYTES", "1 GB"),
    ("SONG_MCP_BLOB_BYTES", "0"),
    ("SONG_MCP_HOME", "songs"),
    ("SONG_MCP_HOME", "~nobody-has-this-name/x"),
    ("SONG_MCP_LIBRARY", "songs"),
    ("SONG_MCP_LIBRARY", "${HOME}/{{album}}"),
]


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where a default folder would be."""
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    for name in ("XDG_DATA_HOME", "XDG_MUSIC_DIR", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "user"


async def everything_told(house: House) -> dict[str, str]:
    """What each paid call and check_account answer, by their names."""
    told = {tool: await house.error(tool, **arguments) for tool, arguments in PAID.items()}
    return told | {"check_account": text(await house.call("check_account"))}


@pytest.mark.parametrize(("name", "value"), WRONG)
async def test_a_wrong_value_is_told_by_each_paid_call_and_by_check_account(
    tmp_path: Path, home: Path, name: str, value: str
) -> None:
    async with open_house(tmp_path, settings={name: value}) as house:
        assert len((await house.client.list_tools()).tools) > 5
        for tool, told in (await everything_told(house)).items():
            assert f"{name}: " in told, tool
            assert tool == "check_account" or told.endswith("Nothing was sent or paid."), tool
            for secret in (PIAPI_KEY, GPTGE_KEY, PIAPI_KEY[:8], "very-secret"):
                assert secret not in told
        listed = await house.call("list_songs")
        assert listed.is_error == (name == "SONG_MCP_HOME")
        assert f"{name}: " in text(listed) or not listed.is_error
        assert house.posts() == []
        assert not home.exists()


@pytest.mark.parametrize(
    ("variable", "tools"),
    [
        ("SONG_MCP_HOME", [*PAID, "check_account", "list_songs"]),
        ("SONG_MCP_LIBRARY", ["generate_song"]),
    ],
)
async def test_a_folder_that_cannot_be_made_is_told_before_anything_is_paid(
    tmp_path: Path, variable: str, tools: list[str]
) -> None:
    (tmp_path / "file").write_bytes(b"")
    folder = NO_FOLDER.format(folder=tmp_path)
    async with open_house(tmp_path, settings={variable: folder}) as house:
        for tool in tools:
            told = await house.error(tool, **PAID.get(tool, {}))
            assert variable in told, tool
        assert house.posts() == []
        state = await house.call("check_account")
        assert state.is_error == (variable == "SONG_MCP_HOME")
        assert variable in text(state)


async def test_a_folder_that_may_be_usable_later_refuses_no_payment(tmp_path: Path) -> None:
    (tmp_path / "library").mkdir(mode=0o500)
    async with open_house(tmp_path) as house:
        assert not (await house.call("generate_song", description="waltz")).is_error
        assert len(house.posts()) == 1
        assert not list((tmp_path / "library").glob("*/"))


async def test_lyrics_need_no_folder_for_songs(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    folder = NO_FOLDER.format(folder=tmp_path)
    async with open_house(tmp_path, settings={"SONG_MCP_LIBRARY": folder}) as house:
        assert (await house.ok("generate_lyrics", topic="trams"))["status"] == "completed"


async def test_free_looks_go_on_where_they_can(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        song = await house.song(description="waltz")
        [clip, _] = song["clips"]
        wrong: dict[str, Any] = {
            "SONG_MCP_DAILY_LIMIT": "many",
            "GPTGE_BASE_URL": "x",
            "SONG_MCP_LIBRARY": "x",
        }
        async with house.another_client(**wrong) as other:
            assert (await other.ok("get_task", task_id=song["task_id"])) == song
            assert (await other.ok("list_songs"))["total"] == 1
            await other.ok("play_song", clip_id=clip["clip_id"])
            state = await other.ok("check_account")
            assert [each["has_key"] for each in state["accounts"]][:2] == [True, False]
            for name in wrong:
                assert f"{name}: " in state["note"]
            told = await other.error(
                "fetch_suno_task", task_id="4b3ea4f0-0000-4000-8000-00000000000a"
            )
            assert "cannot be asked because GPTGE_BASE_URL: must be" in told
        assert len(house.posts()) == 1


@pytest.mark.no_client
@pytest.mark.parametrize("wrong", ["SONG_MCP_PROXY", "SONG_MCP_MEDIA_HOSTS", "SONG_MCP_LIBRARY"])
async def test_no_song_is_saved_another_way_than_was_meant(tmp_path: Path, wrong: str) -> None:
    settings = Settings.read(**environment(tmp_path, "http://127.0.0.1:9") | {wrong: "x y"})
    clip = Clip("c1", "completed", audio_url="https://cdn.example/c1.mp3")
    task = Task("local-1", "piapi", "udio", "song", "completed", NOW, clips=(clip,))
    inbox = Inbox(tmp_path / "inbox", cap_bytes=1)
    with pytest.raises(LibraryError, match=f"before this is corrected: {wrong}: "):
        await library_of(settings, inbox, Clock()).save(task, clip)


EXAMPLE = {"PIAPI_API_KEY": "your-piapi-key", "SONG_MCP_DEFAULT_MODEL": ""}


async def test_an_examples_key_is_no_key_and_no_other_service_is_paid_instead(
    tmp_path: Path,
) -> None:
    async with open_house(tmp_path, settings=EXAMPLE) as house:
        for arguments in ({}, {"model": "auto"}, {"model": "udio"}, {"model": "PiAPI"}):
            told = await house.error("generate_song", description="waltz", **arguments)
            assert "PIAPI_API_KEY: is not a key but an example's word" in told
            assert "Nothing was sent" in told
        assert house.posts() == []
        note = (await house.ok("check_account"))["note"]
        assert note.startswith("Counts as not set: PIAPI_API_KEY: is not a key")
        song = await house.ok("generate_song", description="waltz", model="suno", wait_seconds=0)
        assert song["service"] == "gptge"


@pytest.mark.parametrize("empty", ["${user_config.piapi_key}", "undefined", '""'])
async def test_a_field_that_was_left_empty_leaves_the_other_services(
    tmp_path: Path, empty: str
) -> None:
    settings = EXAMPLE | {"PIAPI_API_KEY": empty, "SONG_MCP_PROXY": "${user_config.proxy}"}
    async with open_house(tmp_path, settings=settings) as house:
        song = await house.ok("generate_song", description="waltz", wait_seconds=0)
        assert song["service"] == "gptge"
        note = (await house.ok("check_account"))["note"]
        for name in ("PIAPI_API_KEY", "SONG_MCP_PROXY"):
            assert f"{name}: was left empty in the client's settings" in note
        told = await house.error("generate_song", description="waltz", model="udio")
        assert "set PIAPI_API_KEY" in told
        assert "was left empty" in told


@pytest.mark.parametrize(
    "given", ['"{key}"', "Bearer {key}", "'Bearer {key}'", " {key}\n", "\u201c{key}\u201d"]
)
async def test_a_key_works_whatever_is_around_it(tmp_path: Path, given: str) -> None:
    settings: Mapping[str, str] = {"PIAPI_API_KEY": given.format(key=PIAPI_KEY)}
    async with open_house(tmp_path, settings=settings) as house:
        house.hold()
        await house.ok("generate_song", description="waltz", wait_seconds=0)
        assert len(house.posts()) == 1
        assert "note" not in await house.ok("check_account")


async def test_folders_from_home_on_are_used(tmp_path: Path, home: Path) -> None:
    home.mkdir()
    settings = {"SONG_MCP_HOME": "~/journal", "SONG_MCP_LIBRARY": "${HOME}/songs"}
    async with open_house(tmp_path, settings=settings) as house:
        song = await house.song(description="waltz")
        assert Path(song["clips"][0]["file"]).parent == home / "songs"
        assert (home / "journal" / "journal.sqlite3").is_file()
