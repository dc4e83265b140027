"""`song-mcp open` and `song-mcp export`: the person's own files."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from song_mcp.commands import export, get, open, songs  # noqa: A004 - the command's name
from song_mcp.commands.export import STEM_BYTES, safe_stem
from song_mcp.messages import DELETED
from tests.commands.desks import desk_at, options, said
from tests.house import House, Json, open_house


async def song(house: House, **wish: Any) -> Json:  # noqa: ANN401 - JSON
    return await house.song(**{"description": "trams at noon", "title": "Trams", **wish})


async def ran(command: Any, house: House, *arguments: str) -> tuple[int, str, str]:  # noqa: ANN401 - a module
    desk = desk_at(house)
    name = command.__name__.rpartition(".")[2]
    status = await command.work(desk, options(name, *arguments))
    return (status, *said(desk))


@pytest.fixture
def opener(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A system's opener that writes down what it is asked to open; returns where."""
    told = tmp_path / "opened.txt"
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "xdg-open"
    script.write_text(f'#!/bin/sh\nprintf %s "$1" > "{told}"\n', encoding="utf-8")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}:/bin:/usr/bin")
    return told


async def test_a_song_is_opened_by_the_system_and_its_folder_shown(
    tmp_path: Path, opener: Path
) -> None:
    async with open_house(tmp_path / "house") as house:
        files = [clip["file"] for clip in (await song(house))["clips"]]
        status, printed, told = await ran(open, house, "Trams")
        assert (status, printed) == (0, f"{files[0]}\n")
        assert files[1] in told
        assert opener.read_text(encoding="utf-8") == files[0]
        assert (await ran(open, house, "--folder"))[0] == 0
        assert opener.read_text(encoding="utf-8") == str(Path(files[0]).parent)
        assert await ran(open, house, "--print") == (0, f"{files[0]}\n", "")
        assert (await ran(open, house, "Trams", "--print"))[1] == "".join(f"{f}\n" for f in files)


async def test_without_an_opener_the_file_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_house(tmp_path) as house:
        made = await song(house)
        monkeypatch.setenv("PATH", str(tmp_path))
        status, printed, told = await ran(open, house)
        assert (status, printed) == (1, f"{made['clips'][0]['file']}\n")
        assert "No program here opened it" in told


async def test_a_file_that_the_person_deleted_is_told_and_got_again(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        made = await song(house)
        files = [Path(clip["file"]) for clip in made["clips"]]
        for file in files:
            file.unlink()
        status, _, told = await ran(open, house, made["task_id"])
        assert status == 1
        assert DELETED in " ".join(told.split())
        assert "--again" in " ".join(told.split())
        listed = " ".join((await ran(songs, house))[1].split())
        assert DELETED in listed
        assert "--again" in listed
        status, _, told = await ran(export, house, str(tmp_path / "out"))
        assert status == 1
        assert not (tmp_path / "out").exists()
        assert (await ran(get, house, made["task_id"], "--again"))[0] == 0
        assert all(file.is_file() for file in files)
    assert len(house.sandbox.accepted) == 1


async def test_a_file_that_the_person_renamed_or_moved_is_followed(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        made = await song(house)
        first, second = (Path(clip["file"]) for clip in made["clips"])
        renamed, moved = first.with_name("The one for Ada.mp3"), first.parent / "best" / second.name
        moved.parent.mkdir()
        first.rename(renamed)
        second.rename(moved)
        listed = json.loads((await ran(songs, house, "--json"))[1])
        found = {clip["file"] for task in listed["tasks"] for clip in task["clips"]}
        assert found == {str(renamed), str(moved)}
        shown = json.loads((await ran(get, house, made["task_id"], "--json"))[1])
        assert {clip["file"] for clip in shown["clips"]} == found
        assert (await ran(open, house, "The one for Ada.mp3", "--print"))[1] == f"{renamed}\n"
    assert len(house.sandbox.accepted) == 1


# Export -------------------------------------------------------------------------------------


async def test_a_folder_has_the_songs_with_what_belongs_to_them(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        made = await song(house, lyrics="[Verse]\nRing the bells")
        await song(house, description="a waltz", title="Snow")
        out = tmp_path / "out"
        assert (await ran(export, house, str(out), "trams"))[0] == 0
        told = json.loads((out / "songs.json").read_text(encoding="utf-8"))["songs"]
        assert {each["task_id"] for each in told} == {made["task_id"]}
        assert [each["clip_id"] for each in told] == [clip["clip_id"] for clip in made["clips"]]
        for each, clip in zip(told, made["clips"], strict=True):
            assert (out / each["file"]).read_bytes() == Path(clip["file"]).read_bytes()
            assert "Ring the bells" in (out / each["lyrics"]).read_text(encoding="utf-8")
            assert (out / each["cover"]).is_file()
            assert "audio_url" not in each


async def test_nothing_is_overwritten_unless_that_is_asked_for(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        made = await song(house)
        out = tmp_path / "out"
        out.mkdir()
        name = Path(made["clips"][0]["file"]).name
        (out / name).write_text("mine", encoding="utf-8")
        assert (await ran(export, house, str(out)))[0] == 0
        assert (out / name).read_text(encoding="utf-8") == "mine"
        first = sorted(path.name for path in out.iterdir())
        assert any("(2)" in each for each in first)
        status, _, told = await ran(export, house, str(out))
        assert status == 1
        assert "is there already: --overwrite" in " ".join(told.split())
        assert (await ran(export, house, str(out), "--overwrite"))[0] == 0
        assert sorted(path.name for path in out.iterdir()) == first


async def test_a_playlist_names_every_song(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        made = await song(house, title="東京の電車")
        playlist = tmp_path / "all.m3u8"
        assert (await ran(export, house, str(playlist)))[0] == 0
        head, *lines = playlist.read_text(encoding="utf-8").splitlines()
        assert head == "#EXTM3U"
        assert lines[0] == "#EXTINF:1,東京の電車"
        named = [tmp_path / line for line in lines[1::2]]
        assert named == [Path(clip["file"]) for clip in made["clips"]]
        assert (await ran(export, house, str(playlist)))[0] == 1
        assert (await ran(export, house, str(playlist), "--overwrite"))[0] == 0


async def test_a_target_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        await song(house)
        (tmp_path / "taken").write_text("in the way", encoding="utf-8")
        status, printed, told = await ran(export, house, str(tmp_path / "taken" / "out"))
        assert (status, printed) == (1, "")
        assert "cannot be written" in " ".join(told.split())


@pytest.mark.parametrize(
    ("stem", "safe"),
    [
        ("a:b?c*", "a_b_c_"),
        ("con", "_con"),
        ("LPT1.x", "_LPT1.x"),
        ("ends. .", "ends"),
        ("...", "song"),
        ("東京", "東京"),
        ("tab\tend", "tab_end"),
    ],
)
def test_names_are_such_that_no_system_refuses_them(stem: str, safe: str) -> None:
    assert safe_stem(stem) == safe


@pytest.mark.parametrize("char", ["x", "é", "東", "🎵"])
def test_names_are_short_enough_for_every_system(char: str) -> None:
    assert len(safe_stem(char * 300).encode()) <= STEM_BYTES
