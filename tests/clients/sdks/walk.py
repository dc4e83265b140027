"""The whole walk with a Python SDK: of the first kind with its session, of the second its client.

Told in work.json what to start or where to connect; leaves in report.json what it got.
"""

import asyncio
import importlib
import json
import sys
import warnings
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import mcp
from mcp import StdioServerParameters
from mcp.client import stdio
from mcp.client.streamable_http import streamable_http_client

Json = dict[str, Any]

TOLD, LEFT = map(Path, sys.argv[1:])
WORK: Json = json.loads(TOLD.read_text(encoding="utf-8"))
IS_SECOND = hasattr(mcp, "Client")


class Walk:
    """A client, and what it got."""

    def __init__(self, client: Any, report: Json) -> None:
        self.client = client
        self.report = report
        self.is_told = asyncio.Event()

    async def call(self, tool: str, **arguments: Any) -> Json:
        return wire(await self.client.call_tool(tool, arguments))

    async def note(self, message: Any) -> None:
        """Take what the server tells; the first SDK wraps it."""
        said = wire(getattr(message, "root", message)) if hasattr(message, "model_dump") else {}
        if said.get("method") == "notifications/resources/updated":
            self.tell(said["params"]["uri"])

    def tell(self, uri: str) -> None:
        self.report.setdefault("updated", []).append(uri)
        self.is_told.set()


def wire(answer: Any) -> Json:
    """An answer in the names that are on the wire, whichever names the SDK has for them."""
    return dict(answer.model_dump(mode="json", by_alias=True))


@asynccontextmanager
async def streams() -> AsyncIterator[Any]:
    if "url" not in WORK:
        server = StdioServerParameters(command=WORK["command"], args=WORK["args"], env=WORK["env"])
        async with stdio.stdio_client(server) as opened:
            yield opened
        return
    http = importlib.import_module("httpx2" if IS_SECOND else "httpx")
    async with (
        http.AsyncClient(headers=WORK["headers"], timeout=60) as client,
        streamable_http_client(WORK["url"], http_client=client) as opened,
    ):
        yield opened[:2]


@asynccontextmanager
async def connected() -> AsyncIterator[Walk]:
    walk = Walk(None, {})
    async with AsyncExitStack() as stack:
        if IS_SECOND:
            made = mcp.Client(streams(), mode=WORK["mode"], message_handler=walk.note)
            client = walk.client = await stack.enter_async_context(made)
            hello = {"server": client.server_info.name, "instructions": client.instructions}
        else:
            opened = await stack.enter_async_context(streams())
            read, write = opened
            session = mcp.ClientSession(read, write, message_handler=walk.note)
            walk.client = await stack.enter_async_context(session)
            said = wire(await session.initialize())
            hello = {"server": said["serverInfo"]["name"], "instructions": said["instructions"]}
        walk.report |= hello
        yield walk


async def look_around(walk: Walk) -> None:
    client, report = walk.client, walk.report
    report["tools"] = [each["name"] for each in wire(await client.list_tools())["tools"]]
    report["resources"] = [each["uri"] for each in wire(await client.list_resources())["resources"]]
    listed = wire(await client.list_resource_templates())["resourceTemplates"]
    report["templates"] = [each["uriTemplate"] for each in listed]
    report["prompts"] = [each["name"] for each in wire(await client.list_prompts())["prompts"]]
    report["guide"] = await text_of(walk, "song://guide/lyrics")


async def text_of(walk: Walk, uri: str) -> str:
    return str(wire(await walk.client.read_resource(uri))["contents"][0]["text"])


async def make_a_song(walk: Walk) -> None:
    report = walk.report
    report["first"] = (await walk.call("generate_song", description="a jig", wait_seconds=0))[
        "structuredContent"
    ]
    task_id = report["first"]["task_id"]
    async with told_of(walk, f"song://tasks/{task_id}"):
        while "task" not in report or not all(each.get("file") for each in report["task"]["clips"]):
            task = (await walk.call("get_task", task_id=task_id, wait_seconds=20))[
                "structuredContent"
            ]
            if task["status"] == "completed":
                report["task"] = task
        await walk.is_told.wait()
    clip = report["task"]["clips"][0]
    report["clip"] = json.loads(await text_of(walk, f"song://clips/{clip['clip_id']}"))
    types = importlib.import_module("mcp.types")
    asked = types.ResourceTemplateReference(type="ref/resource", uri="song://clips/{clip_id}")
    named = {"name": "clip_id", "value": clip["clip_id"][:6]}
    report["completed"] = wire(await walk.client.complete(asked, named))["completion"]["values"]


@asynccontextmanager
async def told_of(walk: Walk, uri: str) -> AsyncIterator[None]:
    if WORK["mode"] != "auto":
        await walk.client.subscribe_resource(uri)
        yield
        return

    async def pass_on(heard: Any) -> None:
        async for event in heard:
            walk.tell(event.uri)

    async with walk.client.listen(resource_subscriptions=[uri]) as heard:
        passing = asyncio.create_task(pass_on(heard))
        yield
        passing.cancel()


async def go_wrong(walk: Walk) -> None:
    refused = await walk.call("generate_song", descripton="x")
    walk.report["refused"] = {
        "is_error": refused["isError"],
        "text": refused["content"][0]["text"],
    }
    errors = importlib.import_module("mcp.shared.exceptions")
    refusal = errors.MCPError if IS_SECOND else errors.McpError
    try:
        await text_of(walk, "song://clips/nobody-knows")
    except refusal as error:
        walk.report["missing"] = error.error.code
    endless = await walk.call("generate_song", description="another [[slow:1000]]", wait_seconds=0)
    walk.report["cancelled"] = await cancelled(walk, endless["structuredContent"]["task_id"])


async def cancelled(walk: Walk, task_id: str) -> str:
    is_told = asyncio.Event()

    async def note(*_: Any) -> None:
        is_told.set()

    arguments = {"task_id": task_id, "wait_seconds": 50}
    looking = asyncio.create_task(
        walk.client.call_tool("get_task", arguments, progress_callback=note)
    )
    await is_told.wait()
    looking.cancel()
    try:
        await looking
    except asyncio.CancelledError:
        return "cancelled"
    return "answered"


async def main() -> None:
    async with connected() as walk:
        await look_around(walk)
        await make_a_song(walk)
        await go_wrong(walk)
        if WORK["mode"] != "auto":
            walk.report["pinged"] = wire(await walk.client.send_ping()) is not None
        walk.report["after"] = (await walk.call("list_songs"))["structuredContent"]["total"]
        LEFT.write_text(json.dumps(walk.report), encoding="utf-8")


warnings.filterwarnings("ignore", r"(ping|resources/subscribe) is removed")
asyncio.run(main())
