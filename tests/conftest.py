import gc
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from _pytest.nodeid import coerce_node_id

from tests import eras, forks, harvest, offers
from tests.faults import scale

pytest_plugins = ["tests.ending"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--canaries",
        type=Path,
        metavar="FOLDER",
        help="let services echo secrets, log everything, and gather in FOLDER whatever comes out",
    )
    parser.addoption(
        "--harvest", type=Path, metavar="FOLDER", help="search what --canaries FOLDER gathered"
    )

    parser.addoption(
        "--every-era",
        action="store_true",
        help="run also what is long, and each test of a client in both protocol eras",
    )


def pytest_configure(config: pytest.Config) -> None:
    into: Path | None = config.getoption("--canaries")
    if into is not None:
        harvest.begin(into)
    if config.getoption("--every-era"):
        forks.start_as_users_do()


def pytest_sessionfinish() -> None:
    forks.end()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Whatever a test did to the loggers, the next one is loud again."""
    if harvest.folder() is not None:
        logging.getLogger().setLevel(harvest.LOUDEST)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the era in which a case of a test marked `one_era` has no turn, and what is long.

    What takes long begins first, so that in the end no process works alone.
    """
    if not scale.IS_CHOSEN:
        _leave_out(config, items, {item for item in items if item.get_closest_marker("at_size")})
    if not config.getoption("--every-era"):
        _leave_out(config, items, {item for item in items if item.get_closest_marker("long")})
        _leave_out(config, items, eras.without_turn(items))
    items.sort(key=lambda item: item.get_closest_marker("first") is None)


def _leave_out(config: pytest.Config, items: list[pytest.Item], left_out: set[pytest.Item]) -> None:
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=list(left_out))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Let the garbage collector walk no collected tests, of which there are thousands, and rest."""
    harvest.gather("collected", str(len(session.items)))
    _show_groups(session.items)
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def _show_groups(items: list[pytest.Item]) -> None:
    """Let pytest-xdist see its groups, which are run in one process.

    It appends a group's name to an item's id where pytest before 9.2 kept that.
    """
    for item in items:
        named = getattr(item, "_nodeid", item.nodeid)
        if named != item.nodeid:
            item._id = coerce_node_id(named)  # noqa: SLF001 - there is no other way to name it


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    harvest.gather("printed", report.capstdout + report.capstderr)
    if report.when == "call":
        harvest.gather("outcome", f"{report.outcome} {report.nodeid}")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run async tests on asyncio alone, and let session fixtures be async too."""
    return "asyncio"


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide real keys and folders from every test."""
    for name in os.environ:
        if name.startswith(("PIAPI_", "GPTGE_", "SONG_MCP_")):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session", autouse=True)
def sdk_reads_once() -> Iterator[None]:
    with eras.schemas_checked_once(), offers.read_once():
        yield


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what uses `era` once for each protocol era, unless a marker says otherwise."""
    if "era" in metafunc.fixturenames:
        metafunc.parametrize("era", tested_eras(metafunc), indirect=True, scope="module")


def tested_eras(metafunc: pytest.Metafunc) -> Sequence[str]:
    if metafunc.definition.get_closest_marker("no_client") is not None:
        return [eras.MODERN]
    only_in = metafunc.definition.get_closest_marker("only_in")
    return eras.ERAS if only_in is None else [str(only_in.args[0])]


@pytest.fixture(scope="module")
def era(request: pytest.FixtureRequest) -> Iterator[str]:
    """The protocol era in which the clients of this test speak."""
    before, eras.now_tested.era = eras.now_tested.era, request.param
    yield request.param
    eras.now_tested.era = before
