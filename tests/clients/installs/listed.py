"""Claude Code, Codex, Gemini CLI and opencode, as npm installs them, after `song-mcp install`.

From an empty home, without an account and without a network. Run by `make clients`.
"""

import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.abc import Process

from tests.children import output_of, process
from tests.limits import HANGS_S

HERE = Path(__file__).parent
MODULES = HERE / "node_modules"
SONG_MCP = Path(sys.executable).with_name("song-mcp")
NODE = HERE.parent / "node_modules"
NATIVE = {
    "claude": "@anthropic-ai/claude-code-*/claude",
    "opencode": "opencode-*/bin/opencode",
}
"""Programs that a script of their package would put in place; no script is run here."""
SCRIPTS = {"codex": "@openai/codex/bin/codex.js", "gemini": "@google/gemini-cli/bundle/gemini.js"}
KEY = "sk-made-up-for-the-listing-0001"

pytestmark = [pytest.mark.xdist_group("installs"), pytest.mark.limit(300)]


def node() -> str:
    pinned = [*NODE.glob("node-*/bin/node")]
    found = str(pinned[0]) if pinned else shutil.which("node")
    assert found, "needs Node 20 or newer"
    return found


def commands() -> Iterator[tuple[str, str]]:
    """Yield each client's command, and the line of a shell that runs it."""
    for name, pattern in NATIVE.items():
        found = sorted(file for file in MODULES.glob(pattern) if "musl" not in str(file))
        assert found, f"make clients installs {name}"
        yield name, str(found[0])
    for name, script in SCRIPTS.items():
        yield name, f"{node()} {MODULES / script}"


@pytest.fixture(scope="module")
async def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty home with the clients' commands, into all of which song-mcp was put."""
    home = tmp_path_factory.mktemp("home")
    (home / "bin").mkdir()
    (home / "work").mkdir()
    for name, line in commands():
        command = home / "bin" / name
        command.write_text(f'#!/bin/sh\nexec {line} "$@"\n')
        command.chmod(0o700)
    said = await typed(home, [str(SONG_MCP), "install", "--all", "--key-from-env"])
    assert said.count("has song-mcp now") == 4, said
    assert KEY not in said
    return home


def environment(home: Path) -> dict[str, str]:
    return {
        "HOME": str(home),
        "PATH": f"{home / 'bin'}:{os.defpath}",
        "NO_COLOR": "1",
        "PIAPI_API_KEY": KEY,
        "GEMINI_CLI_TRUST_WORKSPACE": "true",  # else it starts no server here
        "HTTPS_PROXY": "http://127.0.0.1:9",  # nobody listens there: no client needs the network
        "HTTP_PROXY": "http://127.0.0.1:9",
    }


async def typed(home: Path, command: list[str]) -> str:
    """Return what a command says that is typed in an empty folder; it must end well."""
    with anyio.fail_after(HANGS_S):
        status, said = await output_of(command, cwd=home / "work", env=environment(home))
    assert status == 0, said.decode()
    return said.decode()


async def test_claude_code_lists_it_as_connected(home: Path) -> None:
    said = await typed(home, ["claude", "mcp", "list"])
    assert f"song-mcp: {SONG_MCP}" in said
    assert "Connected" in said
    entry = json.loads((home / ".claude.json").read_text())["mcpServers"]["song-mcp"]
    assert entry["type"] == "stdio"
    assert list(entry["env"]) == ["SONG_MCP_ENV_FILE"]


async def test_gemini_cli_lists_it_as_connected(home: Path) -> None:
    said = await typed(home, ["gemini", "mcp", "list"])
    assert f"song-mcp: {SONG_MCP}" in said
    assert "- Connected" in said


async def test_opencode_lists_it_as_connected(home: Path) -> None:
    said = await typed(home, ["opencode", "mcp", "list"])
    assert "song-mcp connected" in said.replace("\x1b[90m", "").replace("\x1b[0m", "")


async def test_codex_lists_it_as_enabled(home: Path) -> None:
    """Its list starts no server."""
    said = await typed(home, ["codex", "mcp", "list"])
    assert any(line.startswith("song-mcp") and "enabled" in line for line in said.splitlines())


async def test_codex_connects_to_it(home: Path) -> None:
    """As its app server tells, which is what its own windows ask."""
    asked = [
        {"id": 1, "method": "initialize", "params": {"clientInfo": {"name": "t", "version": "1"}}},
        {"method": "initialized"},
        {"id": 2, "method": "mcpServerStatus/list", "params": {}},
    ]
    with anyio.fail_after(HANGS_S):
        async with process(
            ["codex", "app-server"], cwd=home / "work", env=environment(home)
        ) as codex:
            assert codex.stdin is not None
            for each in asked:
                await codex.stdin.send(json.dumps(each).encode() + b"\n")
            answer = await answered(codex, 2)
    (server,) = answer["data"]
    assert server["name"] == "song-mcp"
    assert server["serverInfo"]["name"] == "song-mcp"
    assert {"generate_song", "get_task"} <= set(server["tools"])


async def answered(codex: Process, number: int) -> dict[str, Any]:
    assert codex.stdout is not None
    rest = b""
    async for chunk in codex.stdout:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            said = json.loads(line)
            if said.get("id") == number:
                result: dict[str, Any] = said["result"]
                return result
    raise AssertionError("it ended without an answer")


async def test_uninstall_takes_it_out_of_all_of_them(home: Path) -> None:
    said = await typed(home, [str(SONG_MCP), "uninstall", "--all", "--forget-keys"])
    assert said.count("has no song-mcp any more") == 4
    for command in ("claude", "codex", "gemini", "opencode"):
        assert "song-mcp" not in (await typed(home, [command, "mcp", "list"])).replace(
            str(home), ""
        )
    assert [str(file) for file in home.rglob("keys.env*")] == []
