import pytest

from tests.clients import running
from tests.clients.running import FRAMEWORKS, Run


@pytest.fixture(
    scope="session",  # each in one process, which runs it once
    params=[pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in FRAMEWORKS],
)
async def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """What each framework did, once for all tests."""
    return await running.run(request.param, tmp_path_factory.mktemp(request.param))
