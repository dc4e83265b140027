from pathlib import Path

import pytest

HERE = Path(__file__).parent
SHARED = {"house", "shared"}
"""The fixtures that start a server for a whole module."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run in one process of pytest-xdist what shares a server, which starts once then."""
    for item in items:
        fixtures = item.fixturenames if isinstance(item, pytest.Function) else []
        if item.path.parent == HERE and SHARED & set(fixtures):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))


@pytest.fixture(autouse=True)
def in_each_era(era: str) -> None:
    """Run every test of this folder in both protocol eras, but for those marked `no_client`."""
