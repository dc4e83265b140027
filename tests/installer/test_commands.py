"""`song-mcp install` and `song-mcp uninstall` as a person types them."""

import getpass
import json
import sys
from pathlib import Path

import pytest

from song_mcp.cli import main
from song_mcp.commands.install import refuse_if_passing
from song_mcp.installed import install
from song_mcp.installer import CLIENTS
from song_mcp.installer.files import RefusedError
from song_mcp.settings import Settings
from song_mcp.songs import SERVICES
from tests.installer.machines import is_of_mode

KEY = "sk-very-secret-0001"
OTHER = "sk-very-secret-0002"


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for field in Settings.model_fields.values():
        monkeypatch.delenv(str(field.validation_alias), raising=False)
    for name in ("XDG_CONFIG_HOME", "CLAUDE_CONFIG_DIR", "CODEX_HOME", "COPILOT_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    (tmp_path / ".cursor").mkdir()
    return tmp_path


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a person will type when asked, and then Enter alone; asked lines go to stdout."""
    answers: list[str] = []

    def ask(prompt: str) -> str:
        print(prompt)  # noqa: T201 - for the test to read
        return answers.pop(0) if answers else ""

    monkeypatch.setattr(getpass, "getpass", ask)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    return answers


def cursor(home: Path) -> dict[str, object]:
    told = json.loads((home / ".cursor" / "mcp.json").read_text())
    entry: dict[str, object] = told["mcpServers"]["song-mcp"]
    return entry


def keys_of(home: Path) -> Path:
    return home / ".config" / "song-mcp" / "keys.env"


def test_without_a_client_it_tells_which_are_found(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["install"]) == 0
    said = capsys.readouterr().out
    assert "cursor: Cursor\n" in said
    assert all(name in said for name in CLIENTS)
    main(["install", "cursor", "--keys", "none"])
    main(["install"])
    assert "cursor: Cursor, has song-mcp\n" in capsys.readouterr().out


def test_a_client_that_is_not_known_is_told_with_those_that_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["install", "emacs"]) == 2
    said = capsys.readouterr().err
    assert "no client emacs" in said
    assert "claude-desktop" in said


def test_keys_that_are_typed_go_into_a_file_for_the_user_alone(
    home: Path, typed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    typed += ["not a key", f"Bearer {KEY}"]
    assert main(["install", "cursor"]) == 0
    said = capsys.readouterr()
    assert KEY not in said.out + said.err
    assert "PIAPI_API_KEY is not a key" in said.err
    assert "has song-mcp now" in said.out
    assert "quit it and start it again" in said.out
    command, *args = install().command
    env = {"SONG_MCP_ENV_FILE": str(keys_of(home))}
    assert cursor(home) == {"command": command, "args": args, "env": env}
    assert is_of_mode(keys_of(home), 0o600)
    assert is_of_mode(keys_of(home).parent, 0o700)
    settings = Settings.read(**env)
    assert settings.wrong == ()
    key = settings.of(SERVICES["piapi"]).key
    assert key
    assert key.get_secret_value() == KEY


def test_a_key_that_is_there_stays_with_enter_and_goes_with_a_new_one(
    home: Path, typed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    typed += [KEY]
    main(["install", "cursor"])
    with keys_of(home).open("a") as file:
        file.write("# mine\nSONG_MCP_DAILY_LIMIT=3\n")
    typed += ["", KEY]
    main(["install", "cursor"])
    assert "Enter keeps the one that is there" in capsys.readouterr().out
    typed += [OTHER]
    main(["install", "cursor"])
    text = keys_of(home).read_text()
    assert "# mine\nSONG_MCP_DAILY_LIMIT=3\n" in text
    assert sorted(text.split("\n")[2:4]) == [f"GPTGE_API_KEY='{KEY}'", f"PIAPI_API_KEY='{OTHER}'"]
    assert [each.name for each in keys_of(home).parent.iterdir()] == ["keys.env"]


def test_keys_are_taken_from_the_environment(
    home: Path, monkeypatch: pytest.MonkeyPatch, typed: list[str]
) -> None:
    monkeypatch.setenv("GPTGE_API_KEY", KEY)
    assert main(["install", "cursor", "--key-from-env"]) == 0
    assert keys_of(home).read_text() == f"GPTGE_API_KEY='{KEY}'\n"


def test_without_keys_the_entry_names_no_file(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["install", "cursor"]) == 0
    assert "env" not in cursor(home)
    assert not keys_of(home).exists()
    assert "No key is kept yet" in capsys.readouterr().out


def test_a_file_of_keys_that_cannot_be_read_stops_before_anything_is_changed(
    home: Path, typed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    keys_of(home).parent.mkdir(parents=True)
    keys_of(home).write_text(f"PIAPI_API_KEY={KEY}\nwhat is this\n")
    keys_of(home).chmod(0o600)
    assert main(["install", "cursor"]) == 2
    said = capsys.readouterr().err
    assert "line 2" in said
    assert KEY not in said
    assert not (home / ".cursor" / "mcp.json").exists()


def test_nothing_is_changed_or_asked_for_by_a_dry_run_or_a_print(
    home: Path, typed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    typed += [KEY]
    assert main(["install", "cursor", "zed", "--dry-run"]) == 0
    assert '+    "song-mcp": {' in capsys.readouterr().out
    assert main(["install", "cursor", "--print"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["mcpServers"]["song-mcp"]["env"] == {"SONG_MCP_ENV_FILE": str(keys_of(home))}
    assert typed == [KEY]
    assert [each.name for each in home.rglob("*")] == [".cursor"]


def test_a_file_that_cannot_be_changed_does_not_keep_the_others_from_it(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / ".codex").mkdir()
    (home / ".codex" / "config.toml").write_text("model = \n")
    assert main(["install", "--all", "--keys", "none"]) == 2
    said = capsys.readouterr()
    assert "config.toml stays as it is: line 1" in said.err
    assert "Cursor has song-mcp now" in said.out


def test_a_key_that_stands_in_the_file_itself_is_told_until_it_is_typed(
    home: Path, typed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    entry = {"command": "/old/song-mcp", "env": {"GPTGE_API_KEY": KEY}}
    (home / ".cursor" / "mcp.json").write_text(json.dumps({"mcpServers": {"song-mcp": entry}}))
    main(["install", "cursor"])
    said = capsys.readouterr().out
    assert "GPTGE_API_KEY stands in that file itself" in said
    assert KEY not in said
    typed += ["", KEY]
    main(["install", "cursor"])
    assert "stands in that file itself" not in capsys.readouterr().out
    assert KEY not in (home / ".cursor" / "mcp.json").read_text()


@pytest.mark.parametrize("kind", ["uvx", "pipx run"])
def test_an_install_that_is_made_anew_each_time_has_no_keyring(kind: str) -> None:
    refuse_if_passing("file", kind)
    refuse_if_passing("keyring", "uv tool")
    with pytest.raises(RefusedError, match="Use --keys file"):
        refuse_if_passing("keyring", kind)


def test_without_a_home_it_says_what_to_set(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def unknown() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", unknown)
    assert main(["install"]) == 2
    assert main(["uninstall", "--all"]) == 2
    assert "set HOME" in capsys.readouterr().err


def test_uninstall_takes_it_out_and_the_keys_only_if_asked(
    home: Path, typed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    typed += [KEY]
    main(["install", "cursor"])
    assert main(["uninstall"]) == 2
    assert main(["uninstall", "cursor", "--dry-run"]) == 0
    assert cursor(home)
    assert main(["uninstall", "--all"]) == 0
    assert json.loads((home / ".cursor" / "mcp.json").read_text()) == {"mcpServers": {}}
    assert keys_of(home).exists()
    capsys.readouterr()
    assert main(["uninstall", "cursor", "--forget-keys"]) == 0
    said = capsys.readouterr().out
    assert "Cursor has no song-mcp" in said
    assert "The keys are removed." in said
    assert not keys_of(home).exists()
