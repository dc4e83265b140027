"""The official Inspector's command line against the server on stdio. Run by `make conformance`."""

import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from song_mcp.sandbox.app import build_app
from song_mcp.sandbox.serve import running
from tests.conformance.node import inspected
from tests.eras import LEGACY
from tests.house import environment, uri_of
from tests.limits import HANGS_S
from tests.voice import beep

Json = dict[str, Any]

ARGUMENTS = ["-W", "error", "-m", "song_mcp"]


@pytest.fixture(scope="module")
async def config(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Path]:
    """The Inspector's configuration for a server with the sandbox behind it."""
    folder = tmp_path_factory.mktemp("inspector")
    async with running(build_app(0.5, press=beep)) as base_url:
        variables = {"HOME": str(folder), **environment(folder, base_url)}
        entry = {"command": sys.executable, "args": ARGUMENTS, "env": variables}
        file = folder / "config.json"
        file.write_text(json.dumps({"mcpServers": {"song-mcp": entry}}), encoding="utf-8")
        yield file


@pytest.fixture(scope="module")
async def song(config: Path) -> Json:
    """A finished song in that server's journal."""
    entry = json.loads(config.read_text(encoding="utf-8"))["mcpServers"]["song-mcp"]
    server = StdioServerParameters(**entry)
    with anyio.fail_after(HANGS_S):
        async with Client(stdio_client(server)) as client:
            made = await client.call_tool("generate_song", {"description": "a jig"})
    assert made.structured_content is not None
    assert made.structured_content["status"] == "completed"
    return dict(made.structured_content)


async def asked(config: Path, era: str, method: str, *options: str) -> Json:
    """What the Inspector got, if it found nothing wrong."""
    spoken = "legacy" if era == LEGACY else "modern"
    ran, answer = await inspected(config, spoken, method, *options)
    assert ran.returncode == 0, ran.stdout
    return answer


async def test_the_tools_have_no_schema_that_a_client_cannot_take(config: Path, era: str) -> None:
    listed = await asked(config, era, "tools/list", "--strict", "-q")
    assert {"generate_song", "get_task"} <= {tool["name"] for tool in listed["tools"]}


async def test_a_tool_is_called(config: Path, song: Json, era: str) -> None:
    called = await asked(config, era, "tools/call", "-q", "--tool-name", "list_songs")
    (task,) = called["structuredContent"]["tasks"]
    assert task["task_id"] == song["task_id"]


async def test_the_resources_and_their_templates_are_listed(
    config: Path, song: Json, era: str
) -> None:
    listed = await asked(config, era, "resources/list", "-q")
    uris = {resource["uri"] for resource in listed["resources"]}
    assert {uri_of(clip) for clip in song["clips"]} <= uris
    templates = await asked(config, era, "resources/templates/list", "-q")
    assert "song://tasks/{task_id}" in {
        template["uriTemplate"] for template in templates["resourceTemplates"]
    }


async def test_a_resource_is_read(config: Path, song: Json, era: str) -> None:
    uri = uri_of(song["clips"][0])
    read = await asked(config, era, "resources/read", "-q", "--uri", uri)
    assert json.loads(read["contents"][0]["text"])["task"]["task_id"] == song["task_id"]


async def test_the_prompts_are_listed_and_given(config: Path, era: str) -> None:
    listed = await asked(config, era, "prompts/list", "-q")
    assert "compose_song" in {prompt["name"] for prompt in listed["prompts"]}
    name = ["--prompt-name", "compose_song", "--prompt-args", "idea=rain on a tin roof"]
    given = await asked(config, era, "prompts/get", "-q", *name)
    assert "rain on a tin roof" in given["messages"][0]["content"]["text"]
