import pytest

from tests.clients import running
from tests.clients.running import FRAMEWORKS, Run

CANNOT = {
    "google": "its converter takes no additionalProperties that is false",
    "smol": "its converter makes every argument required",
}


def marks(name: str) -> list[pytest.MarkDecorator]:
    """Let the tests of a framework run in one process, which runs it once."""
    fails = [pytest.mark.xfail(reason=CANNOT[name], strict=True)] if name in CANNOT else []
    return [pytest.mark.xdist_group(name), *fails]


@pytest.fixture(
    scope="session",
    params=[pytest.param(name, marks=marks(name)) for name in FRAMEWORKS],
)
async def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """What each framework did, once for all tests."""
    return await running.run(request.param, tmp_path_factory.mktemp(request.param))
