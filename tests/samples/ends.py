"""A suite whose tests fail, hang and are cancelled; run by tests/test_ending.py, never collected.

It runs with `--canaries`, by which every server and worker leaves a log that has its id in its
name. A test that hangs moves its own limit to now, so that nobody waits for it.
"""

import asyncio
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import suppress
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from song_mcp.sandbox.app import build_app
from song_mcp.sandbox.serve import running
from song_mcp.sandbox.state import Sandbox
from tests import children
from tests.faults import harness
from tests.faults.fault_service import FaultService
from tests.faults.fault_service import serving as faulty
from tests.faults.racing import crew
from tests.harvest import server_arguments
from tests.house import environment, open_house
from tests.wire import child as pipes
from tests.wire import web
from tests.wire.test_stdio import connected

SERVER = (sys.executable, *server_arguments())
SLEEPER = (
    "from tests.harvest import log_everything; import time; log_everything(); time.sleep(9999)"
)


def hurry(step_s: float = 2.0) -> None:
    """Move the limit of this phase to now; its steps leave time to unwind."""
    signal.setitimer(signal.ITIMER_REAL, 0.05, step_s)


# The ways to end -----------------------------------------------------------------------------


async def passes() -> None:
    pass


async def fails() -> None:
    pytest.fail("on purpose")


async def hangs() -> None:
    hurry()
    await anyio.sleep_forever()


async def hangs_shielded() -> None:
    hurry()
    with anyio.CancelScope(shield=True):
        await anyio.sleep_forever()


async def hangs_in_a_group() -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(hangs_shielded)
        await anyio.lowlevel.checkpoint()
        hurry(0.2)


async def hangs_stubbornly() -> None:
    hurry(0.2)
    while True:
        with suppress(asyncio.CancelledError):
            await anyio.sleep_forever()


async def blocks() -> None:
    blocks_plainly()


async def spins() -> None:
    hurry()
    while True:  # noqa: ASYNC110 - nothing to wait for: that is the point
        await asyncio.sleep(0)


async def is_cancelled() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await anyio.sleep_forever()


async def says_it_is_cancelled() -> None:
    raise asyncio.CancelledError


WAYS = (fails, hangs_shielded, blocks, is_cancelled)
MORE_WAYS = (hangs, spins, says_it_is_cancelled, passes)
STUBBORN = (hangs_in_a_group, hangs_stubbornly)
"""These end only after every child was killed, those of other tests too."""


def blocks_plainly() -> None:
    hurry()
    thread = threading.Thread(target=time.sleep, args=[9999], daemon=True)
    thread.start()
    thread.join()


def waits_for_a_child() -> None:
    with children.popen([sys.executable, "-c", SLEEPER]) as process:
        hurry()
        process.wait()


def runs_a_child() -> None:
    with children.popen([sys.executable, "-c", SLEEPER]):
        pytest.fail("on purpose")


PLAIN = (blocks_plainly, waits_for_a_child, runs_a_child)


# The contexts in which they do ---------------------------------------------------------------


@pytest.fixture(scope="session")
async def services() -> AsyncIterator[tuple[str, Sandbox]]:
    app = build_app(1.0)
    async with running(app) as url:
        yield url, app.state.sandbox


@pytest.fixture(scope="session")
async def over_http(
    services: tuple[str, Sandbox], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[None]:
    folder = tmp_path_factory.mktemp("http")
    command = (*SERVER, "serve", "--port", "0")
    async with web.serving(folder, environment(folder, services[0]), command=command):
        yield


@pytest.fixture(scope="module")
async def with_the_sdk(
    services: tuple[str, Sandbox], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[None]:
    async with connected(tmp_path_factory.mktemp("sdk"), services):
        yield


@pytest.fixture(scope="module")
async def workers() -> AsyncIterator[None]:
    async with crew(1):
        yield


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[None]:
    async with open_house(tmp_path):
        yield


@pytest.fixture
async def over_pipes(tmp_path: Path, services: tuple[str, Sandbox]) -> AsyncIterator[None]:
    async with pipes.started(tmp_path / "pipes", environment(tmp_path, services[0])) as started:
        await started.hello()
        yield


@pytest.fixture
async def forked(tmp_path: Path) -> AsyncIterator[None]:
    with harness.nursery() as forks:
        async with faulty(FaultService()) as service:
            home = harness.Home(tmp_path / "home", service.base_url, forks)
            async with harness.started(home) as server:
                await server.hello()
                yield


@pytest.mark.usefixtures("over_http", "with_the_sdk", "workers", "house", "over_pipes", "forked")
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
async def test_in_all(way: Callable[[], Awaitable[None]]) -> None:
    await way()


@pytest.mark.usefixtures("over_http", "with_the_sdk", "workers")
@pytest.mark.parametrize("way", MORE_WAYS, ids=lambda way: way.__name__)
async def test_in_what_is_shared(way: Callable[[], Awaitable[None]]) -> None:
    await way()


@pytest.mark.parametrize("way", PLAIN, ids=lambda way: way.__name__)
def test_plainly(way: Callable[[], None]) -> None:
    way()


# Fixtures that do not end well ---------------------------------------------------------------


@pytest.fixture
async def endless() -> AsyncIterator[None]:
    await hangs_shielded()
    yield  # noqa: PT022 - a fixture with a teardown is meant


@pytest.fixture
def endless_plainly() -> Generator[None]:
    blocks_plainly()
    yield  # noqa: PT022 - the same


@pytest.fixture
async def endless_afterwards(house: None) -> AsyncIterator[None]:
    yield
    await hangs_shielded()


@pytest.fixture
def endless_afterwards_plainly(over_pipes: None) -> Generator[None]:
    yield
    blocks_plainly()


@pytest.fixture
async def short(with_the_sdk: None) -> AsyncIterator[None]:
    """A deadline around a test: when it passes, the test and its fixture end, and no other."""
    with anyio.fail_after(0.05):
        yield


@pytest.fixture
async def breaking(with_the_sdk: None) -> AsyncIterator[None]:
    async def breaks() -> None:
        raise ValueError("broken")

    async with anyio.create_task_group() as group:
        group.start_soon(breaks)
        yield


@pytest.mark.usefixtures("endless")
async def test_with_an_endless_setup() -> None:
    pass


@pytest.mark.usefixtures("endless_plainly")
def test_with_an_endless_plain_setup() -> None:
    pass


@pytest.mark.usefixtures("endless_afterwards")
async def test_with_an_endless_teardown() -> None:
    pass


@pytest.mark.usefixtures("endless_afterwards_plainly")
async def test_with_an_endless_plain_teardown() -> None:
    pass


@pytest.mark.usefixtures("short")
async def test_with_a_deadline_around_it() -> None:
    await anyio.sleep_forever()


@pytest.mark.usefixtures("breaking")
async def test_with_a_fixture_that_breaks() -> None:
    await anyio.sleep_forever()


@pytest.mark.usefixtures("over_http", "with_the_sdk", "workers")
async def test_that_comes_after_all_these() -> None:
    pass


@pytest.mark.usefixtures("house", "over_pipes")
@pytest.mark.parametrize("way", STUBBORN, ids=lambda way: way.__name__)
async def test_stubbornly(way: Callable[[], Awaitable[None]]) -> None:
    await way()
