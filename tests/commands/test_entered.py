"""Whose settings a command in a terminal takes: the environment's, else those of a client."""

import json
import os
from pathlib import Path

import pytest

from song_mcp.commands import entered
from song_mcp.songs import SERVICES

KEY = "sk-0123456789abcdef0123456789abcdef"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home whose only client is Cursor, as `song-mcp install` leaves it."""
    for name in os.environ:
        if name.startswith(("SONG_MCP_", "PIAPI_", "GPTGE_", "MINIMAX_", "ACESTEP_", "XDG_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    keys = tmp_path / "keys.env"
    keys.touch(mode=0o600)
    keys.write_text(f"PIAPI_API_KEY={KEY}\n", encoding="utf-8")
    env = {"SONG_MCP_ENV_FILE": str(keys), "SONG_MCP_LIBRARY": str(tmp_path / "of cursor")}
    entry = {"command": "/x/song-mcp", "args": [], "env": env}
    (tmp_path / ".cursor").mkdir()
    text = json.dumps({"mcpServers": {"song-mcp": entry}})
    (tmp_path / ".cursor" / "mcp.json").write_text(text, encoding="utf-8")
    return tmp_path


def test_without_a_service_in_the_environment_a_clients_keys_and_folders_are_meant(
    home: Path,
) -> None:
    settings, whose = entered.settings()
    assert settings.of(SERVICES["piapi"]).is_on
    assert settings.library_path == home / "of cursor"
    assert whose == "The keys and folders are those of Cursor."


def test_a_variable_of_the_environment_goes_before_that_of_the_client(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SONG_MCP_LIBRARY", str(home / "typed"))
    settings, _ = entered.settings()
    assert settings.of(SERVICES["piapi"]).is_on
    assert settings.library_path == home / "typed"


def test_with_a_service_in_the_environment_no_client_is_asked(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GPTGE_API_KEY", KEY)
    settings, whose = entered.settings()
    assert whose == ""
    assert not settings.of(SERVICES["piapi"]).is_on
    assert settings.library_path != home / "of cursor"


def test_other_variables_of_the_entry_are_no_wrong_settings(home: Path) -> None:
    file = home / ".cursor" / "mcp.json"
    servers = json.loads(file.read_text(encoding="utf-8"))
    servers["mcpServers"]["song-mcp"]["env"] |= {"NOT_OF_SONG_MCP": "any"}
    file.write_text(json.dumps(servers), encoding="utf-8")
    assert entered.settings()[0].wrong == ()
