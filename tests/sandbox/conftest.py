from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.applications import Starlette

from song_mcp.sandbox.app import Rules, Sandbox, build_app
from tests.sandbox.driving import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def rules() -> Rules:
    return Rules(clip_seconds=1.2, extension_seconds=0.6, hold_seconds=0.01)


@pytest.fixture
def app(clock: Clock, rules: Rules) -> Starlette:
    return build_app(100.0, rules=rules, clock=clock)


@pytest.fixture
def sandbox(app: Starlette) -> Sandbox:
    found = app.state.sandbox
    assert isinstance(found, Sandbox)
    return found


@pytest.fixture
async def http(app: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    """A client in the same process: no socket, so nothing can break on the wire."""
    keys = {"x-api-key": "key", "authorization": "Bearer key"}
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://127.0.0.1:9", headers=keys
    ) as client:
        yield client
