"""The whole walk with the official SDKs, old ones and the newest, on stdio and over HTTP.

Each runs in a program of its own, with its own packages: `walk.py` for Python, `walk.mjs` for
TypeScript, `ai.mjs` for the AI SDK's client. Run by `make clients`.
"""

import json
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest

from song_mcp.sandbox.app import build_app
from song_mcp.sandbox.serve import running
from song_mcp.sandbox.state import Rules, Sandbox
from song_mcp.server.guides import GUIDES
from song_mcp.server.prompts import PROMPTS
from song_mcp.server.resources import TEMPLATES
from song_mcp.server.tools import TOOLS
from tests.children import output_of
from tests.clients.running import ENVIRONMENTS, SERVER, alone
from tests.eras import LEGACY, MODERN
from tests.faults.canaries import HTTP_TOKEN
from tests.house import environment
from tests.limits import HANGS_S
from tests.voice import beep
from tests.waiting import a_moment
from tests.wire.web import serving

Json = dict[str, Any]

HERE = Path(__file__).parent
NODE = HERE.parent / "node_modules"
SONG_S = 1.0
"""A song has ended when the server looks at it for the first time, 2 s after the submission."""
WATCHED = """
folder=$1; shift
exec 3<&0
"$@" <&3 3<&- 2>"$folder/stderr.txt" & server=$!
trap 'kill -TERM $server' TERM
wait $server; status=$?
while kill -0 $server 2>/dev/null; do wait $server; status=$?; done
echo $status > "$folder/status"
"""
"""Runs a server as a client starts it, and leaves how it ended."""
LATE_S = 1.5
"""Longer than the AI SDK's client waits for an answer to `server/discover`."""
INVALID_PARAMS = -32602


@dataclass(frozen=True)
class Sdk:
    """A client library: its program, where it is, and how it ends a server on stdio."""

    program: str
    package: str
    mode: str = "legacy"
    terminates: bool = False
    """Whether it sends SIGTERM at once, and does not close stdin first."""

    @property
    def command(self) -> list[str]:
        """What runs its program."""
        if self.program.endswith(".py"):
            return [str(ENVIRONMENTS / self.package / "bin" / "python")]
        pinned = [str(each) for each in NODE.glob("node-*/bin/node")]
        found = pinned[0] if pinned else shutil.which("node")
        assert found, "needs Node 20 or newer"
        return [found]


SDKS = {
    "TypeScript 1.10": Sdk("walk.mjs", "sdk-1.10", terminates=True),
    "TypeScript 1, newest": Sdk("walk.mjs", "sdk-newest"),
    "TypeScript 2, newest, older era": Sdk("walk.mjs", "@modelcontextprotocol/client"),
    "TypeScript 2, newest": Sdk("walk.mjs", "@modelcontextprotocol/client", mode="auto"),
    "Python 1.26": Sdk("walk.py", "clients-sdk"),
    "Python 1, newest": Sdk("walk.py", "clients-v1"),
    "Python 2, newest, older era": Sdk("walk.py", "clients"),
    "Python 2, newest": Sdk("walk.py", "clients", mode="auto"),
}
AI_SDK = Sdk("ai.mjs", "@ai-sdk/mcp", terminates=True)
WAYS = ("stdio", "HTTP")


@dataclass(frozen=True)
class Walked:
    """What a client got, what was paid, and how the server ended."""

    report: Json
    sandbox: Sandbox
    status: int
    stderr: str


async def walked(sdk: Sdk, way: str, folder: Path, late_s: float = 0) -> Walked:
    """Let a client walk, with a service and a server of its own."""
    app = build_app(SONG_S, rules=Rules(clip_seconds=1.0), press=beep)
    async with running(app) as base_url:
        variables = {"HOME": str(folder), **environment(folder, base_url)}
        if way == "HTTP":
            status, stderr = await _over_http(sdk, folder, variables)
        else:
            status, stderr = await _over_stdio(sdk, folder, variables, late_s)
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    return Walked(report, app.state.sandbox, status, stderr)


async def _over_stdio(sdk: Sdk, folder: Path, variables: Json, late_s: float) -> tuple[int, str]:
    command = ["sh", "-c", f"sleep {late_s}; {WATCHED}", "sh", str(folder), *SERVER]
    await _run(sdk, folder, {"command": command[0], "args": command[1:], "env": variables})
    ended = folder / "status"
    with anyio.fail_after(HANGS_S):
        while not (ended.exists() and ended.read_text(encoding="ascii")):
            await a_moment()
    stderr = (folder / "stderr.txt").read_text(encoding="utf-8")
    return int(ended.read_text(encoding="ascii")), stderr


async def _over_http(sdk: Sdk, folder: Path, variables: Json) -> tuple[int, str]:
    async with serving(folder, variables) as web:
        headers = {"Authorization": f"Bearer {HTTP_TOKEN}"}
        await _run(sdk, folder, {"url": web.url, "headers": headers})
        web.process.terminate()
        with anyio.fail_after(HANGS_S):
            status = await web.process.wait()
        return status, web.stderr()


async def _run(sdk: Sdk, folder: Path, server: Json) -> None:
    told, left = folder / "work.json", folder / "report.json"
    work = {"sdk": sdk.package, "mode": sdk.mode, **server}
    told.write_text(json.dumps(work), encoding="utf-8")
    command = [*sdk.command, str(HERE / sdk.program), str(told), str(left)]
    with anyio.fail_after(HANGS_S):
        status, said = await output_of(command, env=alone(folder))
    assert status == 0, said.decode()
    assert said == b"", said.decode()


@pytest.mark.parametrize("name", SDKS)
async def test_a_client_gets_all_that_there_is(name: str, tmp_path: Path) -> None:
    walks: dict[str, Walked] = {}

    async def walk(way: str) -> None:
        walks[way] = await walked(SDKS[name], way, tmp_path / way)

    async with anyio.create_task_group() as group:  # most of a walk is waiting
        for way in WAYS:
            (tmp_path / way).mkdir()
            group.start_soon(walk, way)
    for way in WAYS:
        check(walks[way], SDKS[name], way)


def check(walk: Walked, sdk: Sdk, way: str) -> None:
    """Compare what a client got with what there is."""
    got = walk.report
    assert got["server"] == "song-mcp"
    assert "MONEY" in got["instructions"]
    assert set(got["tools"]) == {entry.function.__name__ for entry in TOOLS} - {"read_clip"}
    assert set(got["templates"]) == {template for template, *_ in TEMPLATES}
    assert set(got["prompts"]) == {prompt.function.__name__ for prompt in PROMPTS}
    assert {guide.uri for guide in GUIDES} <= set(got["resources"])
    assert got["guide"].startswith("#")
    check_song(got)
    assert got["refused"]["is_error"]
    assert "description" in got["refused"]["text"]
    assert got["missing"] == INVALID_PARAMS
    assert got["cancelled"] == "cancelled"
    assert got.get("pinged", sdk.mode == "auto")
    assert got["after"] == len(walk.sandbox.accepted) == 2
    assert walk.stderr == ""
    by_signal = way == "HTTP" or sdk.terminates
    assert walk.status == (128 + signal.SIGTERM if by_signal else 0)


def check_song(got: Json) -> None:
    """Compare a song, its notices and its first clip with each other."""
    song = got["task"]
    clip = song["clips"][0]
    assert got["first"]["task_id"] == song["task_id"]
    assert set(got["updated"]) == {f"song://tasks/{song['task_id']}"}
    assert Path(clip["file"]).is_file()
    assert (got["clip"]["clip_id"], got["clip"]["file"]) == (clip["clip_id"], clip["file"])
    assert clip["title"] in got["completed"]


@pytest.mark.parametrize(
    ("way", "late_s", "spoken"),
    [("stdio", LATE_S, LEGACY), ("HTTP", 0, MODERN)],
    ids=["too late for its probe", "HTTP"],
)
async def test_the_client_of_the_ai_sdk_gets_a_song(
    way: str, late_s: float, spoken: str, tmp_path: Path
) -> None:
    walk = await walked(AI_SDK, way, tmp_path, late_s)
    got = walk.report
    assert (got["server"], got["era"]) == ("song-mcp", spoken)
    assert "generate_song" in got["tools"]
    assert Path(got["clip"]["file"]).is_file()
    assert f"song://clips/{got['task']['clips'][0]['clip_id']}" in got["resources"]
    assert len(walk.sandbox.accepted) == 1
    assert walk.stderr == ""
    assert walk.status == 128 + signal.SIGTERM
