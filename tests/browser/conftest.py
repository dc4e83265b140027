"""One browser, one sandbox and one server for all tests here; each test has a chat of its own.

The tests need a Chromium and packages that `make test-browser` sets up; without them they are
left out.
"""

import importlib.util
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

collect_ignore_glob = [] if importlib.util.find_spec("playwright") else ["test_*.py"]

if importlib.util.find_spec("playwright"):
    from mcp import Client
    from playwright.async_api import Browser

    from song_mcp.sandbox.app import build_app
    from song_mcp.sandbox.serve import running
    from song_mcp.sandbox.state import Rules, Sandbox
    from tests.browser.chat import Chat, chatting, chromium, served
    from tests.house import environment

    SONG_S = 1.0
    CLIP_S = 12.0

    @pytest.fixture(scope="session")
    async def browser() -> AsyncIterator[Browser]:
        async with chromium() as opened:
            yield opened

    @pytest.fixture(scope="session")
    async def sandbox_url() -> AsyncIterator[tuple[Sandbox, str]]:
        app = build_app(SONG_S, rules=Rules(clip_seconds=CLIP_S, extension_seconds=4.0))
        async with running(app) as url:
            yield app.state.sandbox, url

    @pytest.fixture
    def sandbox(sandbox_url: tuple[Sandbox, str]) -> Sandbox:
        return sandbox_url[0]

    @pytest.fixture(scope="session")
    async def client(
        sandbox_url: tuple[Sandbox, str], tmp_path_factory: pytest.TempPathFactory
    ) -> AsyncIterator[Client]:
        folder = tmp_path_factory.mktemp("server")
        values = environment(folder, sandbox_url[1]) | {"SONG_MCP_DAILY_LIMIT": "1000"}
        async with served(folder, values) as connected:
            yield connected

    @pytest.fixture
    async def chat(browser: Browser, client: Client) -> AsyncIterator[Chat]:
        async with chatting(browser, client) as opened:
            yield opened
            assert opened.errors == []
            assert opened.violations == []
            assert opened.strayed == []
            assert {name for name, _ in opened.calls} <= {"get_task", "read_clip"}

    @pytest.fixture(scope="session")
    def pictures() -> Path:
        """The folder for pictures of what was reached."""
        return Path(__file__).parents[2] / ".venv" / "pictures"
