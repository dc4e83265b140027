import logging
import os
from pathlib import Path

import pytest

from tests import harvest


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


def pytest_configure(config: pytest.Config) -> None:
    into: Path | None = config.getoption("--canaries")
    if into is not None:
        harvest.begin(into)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Whatever a test did to the loggers, the next one is loud again."""
    if harvest.folder() is not None:
        logging.getLogger().setLevel(harvest.LOUDEST)


def pytest_collection_finish(session: pytest.Session) -> None:
    harvest.gather("collected", str(len(session.items)))


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
    """Keep real keys and folders out of every test."""
    for name in os.environ:
        if name.startswith(("PIAPI_", "GPTGE_", "SONG_MCP_")):
            monkeypatch.delenv(name)
