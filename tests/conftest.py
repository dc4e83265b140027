import os
from collections.abc import Iterator

import pytest

from tests import eras


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


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what uses `era` once for each protocol era; a test without any client, once."""
    if "era" in metafunc.fixturenames:
        has_client = metafunc.definition.get_closest_marker("no_client") is None
        tested = eras.ERAS if has_client else eras.ERAS[-1:]
        metafunc.parametrize("era", tested, indirect=True, scope="module")


@pytest.fixture(scope="module")
def era(request: pytest.FixtureRequest) -> Iterator[str]:
    """The protocol era in which the clients of this test speak."""
    before, eras.now_tested.era = eras.now_tested.era, request.param
    yield request.param
    eras.now_tested.era = before
