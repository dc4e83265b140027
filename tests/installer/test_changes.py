"""Every client's file, on every system, in every state that people leave it in.

`samples` has a file of each client in its real shape, with others' servers and, if the format has
them, with comments.
"""

import json
import os
from pathlib import Path

import pytest

from song_mcp.installer import CLIENTS, changes
from song_mcp.installer.changes import Change
from song_mcp.installer.documents import Document, snippet
from song_mcp.installer.entry import Entry
from song_mcp.installer.files import COPY, RefusedError
from song_mcp.installer.machine import System
from tests.installer.machines import FILES, SYSTEMS, is_of_mode, machine

SAMPLES = Path(__file__).parent / "samples"
OURS = Entry("/opt/bin/song-mcp", (), {"SONG_MCP_ENV_FILE": "/home/ana/keys.env"})
OLDER = Entry("/old/venv/bin/song-mcp", (), {"SONG_MCP_HOME": "/songs", "PIAPI_API_KEY": "sk-old"})
EXTRAS = {"json": {"timeout": 90}, "toml": {"tool_timeout_sec": 90}, "yaml": {"timeout": 90}}
KEYS = {"PIAPI_API_KEY": "sk-new"}

each_client = pytest.mark.parametrize("name", FILES)
each_system = pytest.mark.parametrize("system", SYSTEMS)


def sample(name: str) -> str:
    return (SAMPLES / f"{name}.{CLIENTS[name].format}").read_text(encoding="utf-8")


def place(tmp_path: Path, name: str, system: System, text: str | None) -> Path:
    """Put a text where a client of that system has its file."""
    file = tmp_path / FILES[name][SYSTEMS.index(system)]
    file.parent.mkdir(parents=True, exist_ok=True)
    if text is not None:
        file.write_text(text, encoding="utf-8", newline="")
    return file


def install(tmp_path: Path, name: str, system: System = "linux", entry: Entry = OURS) -> Change:
    """Install into the one file that the client has on the machine."""
    there = machine(tmp_path, system)
    (file,) = CLIENTS[name].files(there)
    change = changes.to_install(CLIENTS[name], file, entry, KEYS)
    if change.is_needed:
        changes.apply(change, there)
    return change


def uninstall(tmp_path: Path, name: str, system: System = "linux") -> None:
    there = machine(tmp_path, system)
    (file,) = CLIENTS[name].files(there)
    changes.apply(changes.to_uninstall(CLIENTS[name], file), there)


def entry_in(name: str, file: Path) -> Entry | None:
    return Document(CLIENTS[name], file.read_bytes().decode()).entry


def without_our_lines(before: str, after: str) -> list[str]:
    """The lines of `after` that are also in `before`, in their order."""
    rest = after.splitlines()
    kept = []
    for line in before.splitlines():
        while rest and rest[0].rstrip(",") != line.rstrip(","):
            rest.pop(0)
        kept += rest[:1]
        rest = rest[1:]
    return kept


@each_system
@each_client
def test_a_missing_file_is_made_for_the_user_alone(
    name: str, system: System, tmp_path: Path
) -> None:
    change = install(tmp_path, name, system)
    assert change.file == tmp_path / FILES[name][SYSTEMS.index(system)]
    assert entry_in(name, change.file) == OURS
    assert change.file.read_text() == snippet(CLIENTS[name], OURS)
    assert is_of_mode(change.file, 0o600)
    assert [each.name for each in change.file.parent.iterdir()] == [change.file.name]


@each_system
@each_client
@pytest.mark.parametrize("text", ["", " \n\n"], ids=["nothing", "blanks"])
def test_an_empty_file_gets_the_entry(name: str, system: System, text: str, tmp_path: Path) -> None:
    file = place(tmp_path, name, system, text)
    install(tmp_path, name, system)
    assert entry_in(name, file) == OURS


@each_system
@each_client
def test_what_else_stands_in_a_file_stays_as_it_is(
    name: str, system: System, tmp_path: Path
) -> None:
    before = sample(name)
    file = place(tmp_path, name, system, before)
    file.chmod(0o640)
    install(tmp_path, name, system)
    after = file.read_text()
    assert entry_in(name, file) == OURS
    assert [line.rstrip(",") for line in without_our_lines(before, after)] == [
        line.rstrip(",") for line in before.splitlines()
    ]
    assert is_of_mode(file, 0o640)
    copy = file.with_name(file.name + COPY)
    assert copy.read_text() == before
    assert is_of_mode(copy, 0o640)


@each_system
@each_client
def test_an_entry_that_is_there_already_changes_nothing(
    name: str, system: System, tmp_path: Path
) -> None:
    file = place(tmp_path, name, system, sample(name))
    install(tmp_path, name, system)
    there = {each.name: each.read_bytes() for each in file.parent.iterdir() if each.is_file()}
    written = file.stat().st_mtime_ns
    assert not install(tmp_path, name, system).is_needed
    assert {
        each.name: each.read_bytes() for each in file.parent.iterdir() if each.is_file()
    } == there
    assert file.stat().st_mtime_ns == written


@each_system
@each_client
def test_an_older_entry_of_ours_is_renewed_with_what_the_user_set_in_it(
    name: str, system: System, tmp_path: Path
) -> None:
    """But for the key that is kept somewhere else now."""
    client = CLIENTS[name]
    text = Document(client, sample(name)).with_entry(OLDER)
    file = place(tmp_path, name, system, text)
    change = install(tmp_path, name, system)
    env = {"SONG_MCP_HOME": "/songs", **OURS.env}
    assert change.was == OLDER
    assert entry_in(name, file) == Entry(OURS.command, (), env)
    assert "sk-old" not in file.read_text()
    assert "/old/venv" not in file.read_text()


@each_system
@each_client
def test_a_broken_file_is_not_touched_and_the_line_is_said(
    name: str, system: System, tmp_path: Path
) -> None:
    whole = sample(name)
    broken = whole + "]]: {[,\n"
    file = place(tmp_path, name, system, broken)
    with pytest.raises(RefusedError, match=r"line \d+.*correct it, or add the entry yourself"):
        install(tmp_path, name, system)
    assert file.read_text() == broken
    assert not file.with_name(file.name + COPY).exists()


@each_system
@each_client
def test_a_read_only_file_is_not_touched(name: str, system: System, tmp_path: Path) -> None:
    file = place(tmp_path, name, system, sample(name))
    file.chmod(0o444)
    with pytest.raises(RefusedError, match="read-only"):
        install(tmp_path, name, system)
    assert file.read_text() == sample(name)
    assert [each.name for each in file.parent.iterdir() if each.is_file()] == [file.name]


@each_system
@each_client
def test_uninstall_leaves_the_file_as_it_was(name: str, system: System, tmp_path: Path) -> None:
    file = place(tmp_path, name, system, sample(name))
    install(tmp_path, name, system)
    uninstall(tmp_path, name, system)
    assert file.read_text() == sample(name)


@each_client
def test_uninstall_takes_out_the_only_entry_too(name: str, tmp_path: Path) -> None:
    file = install(tmp_path, name).file
    uninstall(tmp_path, name)
    assert entry_in(name, file) is None
    assert OURS.command not in file.read_text()
    assert install(tmp_path, name).is_needed
    assert entry_in(name, file) == OURS


@each_client
def test_windows_line_ends_and_a_byte_order_mark_stay(name: str, tmp_path: Path) -> None:
    text = "\ufeff" + sample(name).replace("\n", "\r\n")
    file = place(tmp_path, name, "windows", text)
    install(tmp_path, name, "windows")
    after = file.read_bytes().decode()
    assert entry_in(name, file) == OURS
    assert after.startswith("\ufeff")
    assert after.count("\n") == after.count("\r\n")
    uninstall(tmp_path, name, "windows")
    assert file.read_bytes().decode() == text


@each_client
def test_a_symlink_stays_and_what_it_leads_to_is_replaced(name: str, tmp_path: Path) -> None:
    file = place(tmp_path, name, "linux", None)
    dotfile = tmp_path / "dotfiles" / "settings"
    dotfile.parent.mkdir()
    dotfile.write_text(sample(name))
    file.symlink_to(os.path.relpath(dotfile, file.parent))
    install(tmp_path, name)
    assert file.is_symlink()
    assert entry_in(name, dotfile) == OURS


@each_client
def test_a_link_that_leads_nowhere_is_not_touched(name: str, tmp_path: Path) -> None:
    file = place(tmp_path, name, "linux", None)
    file.symlink_to(tmp_path / "gone")
    with pytest.raises(RefusedError, match="leads nowhere"):
        changes.to_install(CLIENTS[name], file, OURS, {})
    assert not (tmp_path / "gone").exists()


@each_client
@pytest.mark.parametrize("data", [b"\xff\xfe{\x00", b"[]", b'"x"'], ids=["utf-16", "list", "text"])
def test_a_file_that_is_something_else_is_not_touched(
    name: str, data: bytes, tmp_path: Path
) -> None:
    file = place(tmp_path, name, "linux", None)
    file.write_bytes(data)
    with pytest.raises(RefusedError):
        install(tmp_path, name)
    assert file.read_bytes() == data


@each_client
def test_what_stands_under_the_key_of_servers_must_be_servers(name: str, tmp_path: Path) -> None:
    client = CLIENTS[name]
    key = client.shape.path[0]
    text = {"json": f'{{"{key}": 7}}', "toml": f"{key} = 7\n", "yaml": f"{key}: 7\n"}
    file = place(tmp_path, name, "linux", text[client.format])
    with pytest.raises(RefusedError, match="is not what"):
        install(tmp_path, name)
    assert file.read_text() == text[client.format]


@each_client
def test_a_file_that_changes_meanwhile_is_not_overwritten(name: str, tmp_path: Path) -> None:
    file = place(tmp_path, name, "linux", sample(name))
    change = changes.to_install(CLIENTS[name], file, OURS, {})
    file.write_text(sample(name) + "\n")
    with pytest.raises(RefusedError, match="changed meanwhile"):
        changes.apply(change, machine(tmp_path))
    assert file.read_text() == sample(name) + "\n"


@each_client
def test_a_dry_run_shows_our_lines_and_no_secret(name: str, tmp_path: Path) -> None:
    file = place(tmp_path, name, "linux", Document(CLIENTS[name], sample(name)).with_entry(OLDER))
    diff = changes.to_install(CLIENTS[name], file, OURS, KEYS).diff()
    assert "+" in diff
    assert OURS.command in diff
    assert "sk-old" not in diff
    assert "made-up" not in diff


# What is ours ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "entry",
    [
        Entry("song-mcp"),
        Entry(r"C:\Users\ana\.local\bin\song-mcp.exe"),
        Entry("uvx", ("song-mcp",)),
        Entry("uvx", ("--from", "song-mcp[keyring]@1.2", "song-mcp")),
        Entry("python3", ("-m", "song_mcp")),
    ],
)
def test_an_entry_that_starts_song_mcp_is_ours_under_any_name(entry: Entry, tmp_path: Path) -> None:
    told = {"songs": {"command": entry.command, "args": list(entry.args), "note": "mine"}}
    file = place(tmp_path, "cursor", "linux", json.dumps({"mcpServers": told}))
    install(tmp_path, "cursor")
    (name,) = json.loads(file.read_text())["mcpServers"]
    assert name == "songs"
    assert json.loads(file.read_text())["mcpServers"]["songs"]["note"] == "mine"
    assert entry_in("cursor", file) == OURS


@pytest.mark.parametrize("entry", [Entry("song-mcp-proxy"), Entry("npx", ("my-song-mcp",))])
def test_an_entry_of_a_similar_name_is_not_ours(entry: Entry, tmp_path: Path) -> None:
    told = {"other": {"command": entry.command, "args": list(entry.args)}}
    file = place(tmp_path, "cursor", "linux", json.dumps({"mcpServers": told}))
    install(tmp_path, "cursor")
    assert list(json.loads(file.read_text())["mcpServers"]) == ["other", "song-mcp"]


def test_an_example_s_word_for_a_key_goes(tmp_path: Path) -> None:
    env = {"PIAPI_API_KEY": "sk-mine", "GPTGE_API_KEY": "your-gptge-key"}
    file = place(tmp_path, "cursor", "linux", None)
    file.write_text(snippet(CLIENTS["cursor"], Entry("/old/song-mcp", (), env)))
    changes.apply(changes.to_install(CLIENTS["cursor"], file, OURS, {}), machine(tmp_path))
    entry = entry_in("cursor", file)
    assert entry
    assert entry.env == {"PIAPI_API_KEY": "sk-mine", **OURS.env}


# What single clients want ------------------------------------------------------------------------


def test_codex_is_told_that_the_server_is_required(tmp_path: Path) -> None:
    file = place(tmp_path, "codex", "linux", sample("codex"))
    install(tmp_path, "codex")
    assert "required = true" in file.read_text().split("[mcp_servers.song-mcp]")[1]


TOML = {
    "dotted": 'mcp_servers.a.command = "x"\n\n[tui]\nx = 1\n',
    "apart": '[mcp_servers.a]\ncommand = "x"\n\n[tui]\nx = 1\n\n[mcp_servers.b]\ncommand = "y"\n',
    "a header": "[mcp_servers]\n\n[tui]\nx = 1\n",
    "a comment": "# nothing yet\n",
}


@pytest.mark.parametrize("text", TOML.values(), ids=list(TOML))
def test_toml_in_every_usual_way_of_writing_it_is_edited(text: str, tmp_path: Path) -> None:
    file = place(tmp_path, "codex", "linux", text)
    install(tmp_path, "codex")
    assert entry_in("codex", file) == OURS
    uninstall(tmp_path, "codex")
    assert file.read_text().rstrip("\n") == text.rstrip("\n")


def test_toml_whose_servers_are_one_line_is_left_alone(tmp_path: Path) -> None:
    text = 'mcp_servers = { a = { command = "x" } }\n'
    file = place(tmp_path, "codex", "linux", text)
    with pytest.raises(RefusedError, match="does not edit"):
        install(tmp_path, "codex")
    assert file.read_text() == text


def test_opencode_of_the_second_version_has_its_servers_one_level_deeper(tmp_path: Path) -> None:
    file = place(tmp_path, "opencode", "linux", '{\n  "mcp": {\n    "servers": {}\n  }\n}\n')
    install(tmp_path, "opencode")
    assert json.loads(file.read_text()) == {
        "mcp": {
            "servers": {
                "song-mcp": {
                    "type": "local",
                    "command": [OURS.command],
                    "environment": dict(OURS.env),
                }
            }
        }
    }


@pytest.mark.parametrize(
    "text", ["extensions:\n", "extensions: {}\n", "extensions: null # none\n", "a: 1\nextensions:"]
)
def test_goose_s_extensions_may_be_there_and_empty(text: str, tmp_path: Path) -> None:
    file = place(tmp_path, "goose", "linux", text)
    install(tmp_path, "goose")
    assert entry_in("goose", file) == OURS
    assert ("# none" in file.read_text()) == ("# none" in text)


def test_yaml_that_is_written_in_braces_is_not_edited(tmp_path: Path) -> None:
    text = "extensions: {memory: {type: builtin}}\n"
    file = place(tmp_path, "goose", "linux", text)
    with pytest.raises(RefusedError, match="does not edit"):
        install(tmp_path, "goose")
    assert file.read_text() == text


# Claude Code, which is asked to do it itself ----------------------------------------------------

CLAUDE = """#!/bin/sh
echo "$@" >> "$HOME/asked"
[ "$2" != add-json ] || printf '{"mcpServers": {"%s": %s}}' "$5" "$6" > "$HOME/.claude.json"
[ "$2" != remove ] || echo '{}' > "$HOME/.claude.json"
"""


def claude(tmp_path: Path, script: str) -> Path:
    program = tmp_path / "bin" / "claude"
    program.parent.mkdir()
    program.write_text(script)
    program.chmod(0o700)
    return program.parent


def test_claude_code_is_asked_to_change_the_file_that_it_writes_itself(tmp_path: Path) -> None:
    path = f"{claude(tmp_path, CLAUDE)}:{os.defpath}"
    there = machine(tmp_path, "linux", PATH=path, HOME=str(tmp_path))
    client, file = CLIENTS["claude-code"], tmp_path / ".claude.json"
    assert changes.apply(changes.to_install(client, file, OURS, {}), there) is None
    assert entry_in("claude-code", file) == OURS
    renewed = Entry("/new/song-mcp", (), OURS.env)
    assert changes.apply(changes.to_install(client, file, renewed, {}), there)
    assert entry_in("claude-code", file) == renewed
    changes.apply(changes.to_uninstall(client, file), there)
    assert entry_in("claude-code", file) is None
    asked = [line.split(" {")[0] for line in (tmp_path / "asked").read_text().splitlines()]
    add, remove = "mcp add-json -s user song-mcp", "mcp remove -s user song-mcp"
    assert asked == [add, remove, add, remove]


@pytest.mark.parametrize("script", ["#!/bin/sh\nexit 1\n", "no program"])
def test_the_file_is_written_here_if_claude_code_does_not(script: str, tmp_path: Path) -> None:
    path = f"{claude(tmp_path, script)}:{os.defpath}"
    there = machine(tmp_path, "linux", PATH=path, HOME=str(tmp_path))
    file = place(tmp_path, "claude-code", "linux", sample("claude-code"))
    changes.apply(changes.to_install(CLIENTS["claude-code"], file, OURS, {}), there)
    assert entry_in("claude-code", file) == OURS
    changes.apply(changes.to_uninstall(CLIENTS["claude-code"], file), there)
    assert file.read_text() == sample("claude-code")
