"""The limit of the fault tests, which grows with their size."""

from pathlib import Path

import pytest

from tests.faults.scale import LIMIT_S

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.limit(LIMIT_S))
