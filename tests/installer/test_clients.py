"""Where each client keeps its file, on every system, and what of it is found on a machine."""

from pathlib import Path

import pytest

from song_mcp.installer import CLIENTS, entries
from song_mcp.installer.machine import System
from tests.installer.machines import FILES, SYSTEMS, machine


def test_the_table_has_the_clients_that_are_promised() -> None:
    assert tuple(CLIENTS) == tuple(FILES)


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("name", FILES)
def test_a_file_is_where_the_client_looks_on_each_system(
    name: str, system: System, tmp_path: Path
) -> None:
    expected = tmp_path / FILES[name][SYSTEMS.index(system)]
    assert list(CLIENTS[name].files(machine(tmp_path, system))) == [expected]


@pytest.mark.parametrize(
    ("name", "variable", "file"),
    [
        ("codex", "CODEX_HOME", "config.toml"),
        ("claude-code", "CLAUDE_CONFIG_DIR", ".claude.json"),
        ("copilot-cli", "COPILOT_HOME", "mcp-config.json"),
        ("opencode", "OPENCODE_CONFIG_DIR", "opencode.json"),
        ("continue", "CONTINUE_GLOBAL_DIR", "config.yaml"),
    ],
)
def test_a_variable_of_the_client_names_another_folder(
    name: str, variable: str, file: str, tmp_path: Path
) -> None:
    there = machine(tmp_path, "linux", **{variable: str(tmp_path / "else")})
    assert list(CLIENTS[name].files(there)) == [tmp_path / "else" / file]


@pytest.mark.parametrize(
    "folder",
    [
        "AppData/Local/Claude-Data/claude_pzs8sxrjxfjjc",
        "AppData/Local/Packages/Claude_pzs8sxrjxfjjc/LocalCache/Roaming/Claude",
    ],
)
def test_claude_desktop_of_the_windows_store_has_a_folder_of_its_own(
    folder: str, tmp_path: Path
) -> None:
    (tmp_path / folder).mkdir(parents=True)
    files = CLIENTS["claude-desktop"].files(machine(tmp_path, "windows"))
    assert list(files) == [tmp_path / folder / "claude_desktop_config.json"]


def test_the_file_that_exists_is_taken_among_several_names(tmp_path: Path) -> None:
    file = tmp_path / ".config" / "opencode" / "opencode.jsonc"
    file.parent.mkdir(parents=True)
    file.write_text("{}")
    assert list(CLIENTS["opencode"].files(machine(tmp_path))) == [file]


def test_a_client_is_here_if_its_folder_or_its_program_is(tmp_path: Path) -> None:
    assert not any(each.is_here(machine(tmp_path)) for each in CLIENTS.values())
    (tmp_path / ".cursor").mkdir()
    program = tmp_path / "bin" / "codex"
    program.parent.mkdir()
    program.touch(0o700)
    there = machine(tmp_path, PATH=str(program.parent))
    assert [name for name, each in CLIENTS.items() if each.is_here(there)] == ["cursor", "codex"]


def test_what_the_clients_have_been_told_is_listed(tmp_path: Path) -> None:
    for file, text in {
        ".cursor/mcp.json": '{"mcpServers": {"song-mcp": {"command": "/gone/song-mcp"}}}',
        ".codex/config.toml": '[mcp_servers.song-mcp]\ncommand = "sh"\nargs = ["-c"]\n',
        ".continue/config.yaml": "mcpServers:\n  - name: song-mcp\n    command: /gone/song-mcp\n",
        ".lmstudio/mcp.json": '{"mcpServers": {"other": {"command": "sh"}}}',
        ".gemini/settings.json": '{"mcpServers": ',
    }.items():
        (tmp_path / file).parent.mkdir()
        (tmp_path / file).write_text(text)
    path = tmp_path / "bin"
    path.mkdir()
    (path / "sh").touch(0o700)
    told = {each.client.name: each for each in entries(machine(tmp_path, PATH=str(path)))}
    assert list(told) == ["cursor", "codex", "gemini-cli", "lm-studio", "continue"]
    assert told["cursor"].entry
    assert not told["cursor"].command_exists
    assert told["codex"].entry
    assert told["codex"].entry.args == ("-c",)
    assert told["codex"].command_exists
    assert told["continue"].entry == told["cursor"].entry
    assert told["lm-studio"].entry is None
    assert "line 1" in told["gemini-cli"].why
