import pytest

from tests.memory_services import spare_the_disk


@pytest.fixture(autouse=True)
def in_each_era(era: str) -> None:
    """Run every test of this folder in both protocol eras, but for those marked `no_client`."""


@pytest.fixture(autouse=True)
def disk_is_spared(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let journals sync the disk only with `--every-era`, as in `.ci/run`."""
    if not request.config.getoption("--every-era"):
        spare_the_disk(monkeypatch)
