import os

import pytest


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
