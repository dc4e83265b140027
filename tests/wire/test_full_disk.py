"""A disk that is full at each write: a small file system of its own, under a real server."""

import os
import shutil
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest

from song_mcp.sandbox.app import build_app
from song_mcp.sandbox.serve import running
from song_mcp.sandbox.state import Sandbox
from tests.children import run
from tests.harvest import echoed
from tests.house import QUICK, Json, environment
from tests.limits import HANGS_S
from tests.voice import beep
from tests.waiting import a_moment
from tests.wire.child import SONG_MCP, Child, started

UNSHARED = ("unshare", "-rm", "sh", "-c")
MOUNTED = 'mount -t tmpfs -o size=2m none "$0" && mkdir "$0/home" "$0/library" && exec "$@"'
BLOCK = 4096
STEPS = (0, 2, 4, 8, 12, 16, 20, 24, 32)
"""How many blocks of the disk are free, one song each: too few for the first write, or a later."""


def may_mount() -> bool:
    """Tell whether this machine lets a process have a file system of its own."""
    probe = [*UNSHARED, "mount -t tmpfs none /tmp"]
    return shutil.which("unshare") is not None and run(probe, capture_output=True).returncode == 0


pytestmark = [
    pytest.mark.one_era("what is on the disk is behind the protocol"),
    pytest.mark.skipif(not may_mount(), reason="no process may mount a file system here"),
]


@dataclass
class Disk:
    """A server whose journal and library are on a disk of 2 MiB, seen through its process."""

    child: Child
    sandbox: Sandbox
    root: Path
    mount: Path

    def leave(self, blocks: int) -> None:
        """Fill the disk but for so many blocks."""
        self.free()
        with (self.root / "ballast").open("wb", buffering=0) as file:
            with suppress(OSError):
                while file.write(bytes(BLOCK)):
                    pass
            size = file.tell() // BLOCK * BLOCK
            os.truncate(file.fileno(), max(0, size - blocks * BLOCK))

    def free(self) -> None:
        (self.root / "ballast").unlink(missing_ok=True)

    def paid(self) -> Counter[str]:
        """How often each description was paid."""
        sent = self.sandbox.accepted
        return Counter(str(each.body["input"]["gpt_description_prompt"]) for each in sent)

    async def song(self, description: str, wait_seconds: float = 0) -> tuple[Json, str]:
        """Ask for a song; returns the task, {} if there is none, and what was said."""
        result = await self.child.tool(
            "generate_song", description=description, wait_seconds=wait_seconds
        )
        return result.get("structuredContent") or {}, result["content"][0]["text"]

    async def saved(self, task: Json) -> Json:
        """Wait until a song is in the library."""
        while task.get("status") != "completed" or not all(c.get("file") for c in task["clips"]):
            found = await self.child.tool("get_task", task_id=task["task_id"], wait_seconds=20)
            task = found["structuredContent"]
        return task


@asynccontextmanager
async def small_disk(folder: Path, song_seconds: float = 0.2) -> AsyncIterator[Disk]:
    app = build_app(song_seconds, rules=QUICK, press=beep)
    mount = folder / "disk"
    mount.mkdir()
    command = (*UNSHARED, MOUNTED, str(mount), *SONG_MCP)
    with anyio.fail_after(HANGS_S):
        async with (
            running(echoed(app)) as base_url,
            started(folder / "child", environment(mount, base_url), command) as child,
        ):
            await child.hello()
            root = Path(f"/proc/{child.process.pid}/root") / mount.relative_to("/")
            yield Disk(child, app.state.sandbox, root, mount)
            await child.hang_up()
            assert await child.ended() == 0


async def test_whichever_write_fails_a_song_is_paid_once_or_not_at_all(tmp_path: Path) -> None:
    async with small_disk(tmp_path) as disk:
        await disk.song("first")
        told = {}
        for blocks in STEPS:
            disk.leave(blocks)
            task, said = await disk.song(f"song {blocks}")
            told[blocks] = (task, said, disk.paid()[f"song {blocks}"])
        refused = {blocks for blocks, (_, _, paid) in told.items() if not paid}
        assert 0 in refused, "the disk was not full"
        for blocks in refused:
            task, said, _ = told[blocks]
            assert "othing was sent or" in said, said
            assert task.get("status") in {None, "rejected"}
        disk.free()
        for blocks, (before, _, _) in told.items():
            task, said = await disk.song(f"song {blocks}")
            assert task["status"] in {"pending", "processing", "completed"}, said
            assert blocks in refused or task["task_id"] == before["task_id"], said
        paid = disk.paid()
        assert {paid[f"song {blocks}"] for blocks in STEPS} == {1}
        assert disk.sandbox.spent == len(paid) * 500_000


async def test_an_answer_that_meets_a_full_disk_is_written_when_there_is_room(
    tmp_path: Path,
) -> None:
    async with small_disk(tmp_path) as disk, anyio.create_task_group() as group:
        answers: list[Json] = []

        async def ask() -> None:
            answers.append((await disk.song("waltz [[timeout:1]]"))[0])

        await disk.song("first")
        group.start_soon(ask)
        while not disk.paid()["waltz [[timeout:1]]"]:
            await a_moment()
        disk.leave(0)
        while "cannot be written yet" not in disk.child.stderr():
            await a_moment()
        disk.free()
        while not answers:
            await a_moment()
        [task] = answers
        while task["task_id"].startswith("local-"):
            found = await disk.child.tool("get_task", task_id=task["task_id"], wait_seconds=1)
            task = found["structuredContent"]
        assert disk.paid()["waltz [[timeout:1]]"] == 1


async def test_a_song_that_finds_no_room_is_saved_when_there_is(tmp_path: Path) -> None:
    async with small_disk(tmp_path) as disk:
        task, _ = await disk.song("waltz")
        disk.leave(3)
        shown = await disk.child.tool("get_task", task_id=task["task_id"], wait_seconds=3)
        assert disk.paid() == {"waltz": 1}
        assert not all(clip.get("file") for clip in shown["structuredContent"]["clips"] or [{}])
        disk.free()
        saved = await disk.saved(shown["structuredContent"])
        assert saved["charged"] == "yes"
        for clip in saved["clips"]:
            file = disk.root / Path(clip["file"]).relative_to(disk.mount)
            assert file.stat().st_size > 1000
        assert disk.paid() == {"waltz": 1}
