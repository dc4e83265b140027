"""A chat in a real browser: an official host around the page, and the real server behind it.

The page is in a frame of another origin, under exactly the policy that MCP Apps prescribe if an app
declares nothing. No request leaves the browser: the few files of the host are served here, and
everything else is refused and recorded in `strayed`.
"""

import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mcp import Client, StdioServerParameters
from mcp.client import advertise
from playwright.async_api import (
    Browser,
    BrowserContext,
    Frame,
    FrameLocator,
    Page,
    Request,
    Route,
    async_playwright,
)

Json = dict[str, Any]

HERE = Path(__file__).parent
HOST_SCRIPT = "PLAYER_TEST_HOST"
"""The variable that names the bundled host.js; `make test-browser` sets it."""
CHROMIUM = "PLAYER_TEST_CHROMIUM"
UI = "io.modelcontextprotocol/ui"
PLAYER = "ui://song-mcp/player.html"
POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; media-src 'self' data:; connect-src 'none'"
)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-site-isolation-trials",  # frames of other processes are pictured blurred
]
CAN: Json = {"serverTools": {}, "serverResources": {}, "message": {"text": {}}, "logging": {}}
WATCH = """
addEventListener("securitypolicyviolation", (event) =>
  window.violated(`${event.effectiveDirective} ${event.blockedURI}`));
"""


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Start the system's Chromium."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=os.environ[CHROMIUM], args=FLAGS, headless=True
        )
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def served(
    folder: Path, variables: Mapping[str, str], *, apps: bool = True, mode: str = "legacy"
) -> AsyncIterator[Client]:
    """Run the real server as a child over stdio, for a client that declares Apps."""
    folder.mkdir(parents=True, exist_ok=True)
    child = StdioServerParameters(
        command=sys.executable,
        args=["-m", "song_mcp"],
        env={"HOME": str(folder), **variables},
        cwd=folder,
    )
    extensions = [advertise(UI, {"mimeTypes": ["text/html;profile=mcp-app"]})] if apps else []
    async with Client(child, mode=mode, extensions=extensions) as client:
        yield client


@dataclass
class Chat:
    """One conversation with one player; it records what the page asks and says."""

    page: Page
    client: Client
    calls: list[tuple[str, Json]] = field(default_factory=list)
    """What the page asked of the server, name and arguments."""
    said: list[str] = field(default_factory=list)
    """What the page said to the conversation."""
    strayed: list[str] = field(default_factory=list)
    """What the browser wanted to load from anywhere."""
    violations: list[str] = field(default_factory=list)
    """What the policy forbade."""
    errors: list[str] = field(default_factory=list)
    """What went wrong in a script."""
    hears: bool = True
    """Whether the chat takes messages of the page."""
    answers: Callable[[str, Json], Awaitable[Json | None]] | None = None
    """Answers in the server's place, unless it returns None."""
    strips_meta: bool = False
    """Whether the chat removes `_meta` from what the page gets."""

    @property
    def player(self) -> FrameLocator:
        """The page within its two frames."""
        return self.page.frame_locator("#player iframe").frame_locator("iframe")

    @property
    def frame(self) -> Frame:
        """The page as a place where scripts can be run."""
        return next(frame for frame in self.page.frames if frame.url == "about:srcdoc")

    async def open(
        self,
        *,
        context: Json | None = None,
        capabilities: Json | None = None,
        says: str = "",
        grants: bool = True,
    ) -> None:
        """Show a player that knows nothing yet; `grants` says whether it gets what it may need."""
        read = await self.client.read_resource(PLAYER)
        content = read.model_dump(mode="json", by_alias=True)["contents"][0]
        ui = content["_meta"]["ui"]
        await self.page.evaluate(
            """(said) => {
                const person = document.querySelector(".person");
                person.textContent = said;
                person.hidden = !said;
            }""",
            says,
        )
        await self.page.evaluate(
            "(given) => chat.show(given)",
            {
                "html": content["text"],
                "csp": ui["csp"],
                "permissions": ui["permissions"] if grants else {},
                "capabilities": CAN if capabilities is None else capabilities,
                "context": {"theme": "light"} | (context or {}),
            },
        )

    async def tell(self, what: str, value: object) -> None:
        """Tell the page something as a host does: input, result, cancelled or context."""
        await self.page.evaluate("([what, value]) => chat[what](value)", [what, value])

    async def call(self, tool: str, **arguments: Any) -> Json:  # noqa: ANN401 - JSON
        """Call a tool as the model does; the page gets its input and result."""
        await self.tell("input", arguments)
        result = await self.answer(tool, arguments)
        await self.tell("result", result)
        return result

    async def answer(self, tool: str, arguments: Json) -> Json:
        """Ask the server; returns what this chat lets through of its answer."""
        answered = await self.client.call_tool(tool, arguments)
        result = answered.model_dump(mode="json", by_alias=True, exclude_none=True)
        if self.strips_meta:
            result.pop("_meta", None)
        return result

    async def served(self, params: Json) -> Json:
        """Answer the page."""
        name, arguments = params["name"], params.get("arguments", {})
        self.calls.append((name, arguments))
        own = await self.answers(name, arguments) if self.answers else None
        return own if own is not None else await self.answer(name, arguments)

    async def heard(self, params: Json) -> bool:
        """Take a message of the page."""
        if self.hears:
            self.said += [block["text"] for block in params["content"]]
        return self.hears

    def violated(self, what: str) -> None:
        """Record what the policy forbade."""
        self.violations.append(what)


@asynccontextmanager
async def chatting(
    browser: Browser, client: Client, *, width: int = 860, height: int = 900
) -> AsyncIterator[Chat]:
    """Open a chat with nothing in it."""
    context = await browser.new_context(
        viewport={"width": width, "height": height}, device_scale_factor=2, reduced_motion="reduce"
    )
    try:
        chat = Chat(await context.new_page(), client)
        await _connect(context, chat)
        await chat.page.goto("https://chat.test/")
        yield chat
    finally:
        await context.close()


async def _connect(context: BrowserContext, chat: Chat) -> None:
    async def answer(route: Route) -> None:
        body = _file(route.request)
        if body is None:
            chat.strayed.append(route.request.url)
            await route.abort()
        else:
            await route.fulfill(**body)

    await context.route("**/*", answer)
    page = chat.page
    await page.expose_function("serverCall", chat.served)
    await page.expose_function("heard", chat.heard)
    await page.expose_function("violated", chat.violated)
    await page.add_init_script(WATCH)
    page.on("pageerror", lambda error: chat.errors.append(str(error)))
    page.on("console", lambda line: chat.errors.append(line.text) if line.type == "error" else None)


def _file(request: Request) -> Json | None:
    files: dict[str, Callable[[], Json]] = {
        "https://chat.test/": lambda: _page("host.html"),
        "https://chat.test/host.js": lambda: {
            "body": Path(os.environ[HOST_SCRIPT]).read_text(encoding="utf-8"),
            "content_type": "text/javascript",
        },
        "https://sandbox.test/proxy.html": lambda: _page("proxy.html", POLICY),
        "https://chat.test/favicon.ico": lambda: {"status": 204},
    }
    found = files.get(request.url)
    return found() if found else None


def _page(name: str, policy: str = "") -> Json:
    headers = {"Content-Security-Policy": policy} if policy else {}
    return {
        "body": (HERE / name).read_text(encoding="utf-8"),
        "headers": {"Content-Type": "text/html; charset=utf-8"} | headers,
    }


def as_line(value: object) -> str:
    """JSON on one line, for looking things up in it."""
    return json.dumps(value, ensure_ascii=False)
