import pytest


@pytest.fixture(autouse=True)
def in_each_era(era: str) -> None:
    """Run every test of this folder in both protocol eras, but for those marked `no_client`."""
