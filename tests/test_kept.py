"""Variables that are kept in a file, and keys in the system's keyring."""

import sys
from collections.abc import Iterator
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend

from song_mcp import kept
from song_mcp.settings import Settings
from song_mcp.songs import SERVICES

KEY = "sk-very-secret-0001"
OTHER = "sk-very-secret-0002"
PIAPI = SERVICES["piapi"]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for field in Settings.model_fields.values():
        monkeypatch.delenv(str(field.validation_alias), raising=False)


def keep(tmp_path: Path, text: str | bytes, mode: int = 0o600) -> Path:
    file = tmp_path / "keys.env"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    file.chmod(mode)
    return file


def read_with(file: Path | str, **values: str) -> Settings:
    return Settings.read(SONG_MCP_ENV_FILE=str(file), **values)


def key_of(settings: Settings) -> str:
    key = settings.of(PIAPI).key
    return key.get_secret_value() if key else ""


@pytest.mark.parametrize(
    "text",
    [
        f"PIAPI_API_KEY={KEY}",
        f"PIAPI_API_KEY = {KEY} # mine\n",
        f"# keys\n\nexport PIAPI_API_KEY='{KEY}'\n",
        f'PIAPI_API_KEY="{KEY}"\r\nGPTGE_API_KEY=\r\n',
        f"\ufeffPIAPI_API_KEY={KEY}\n",
        f"PIAPI_API_KEY=Bearer {KEY}\nUNKNOWN=1\n",
    ],
)
def test_a_file_is_read_as_people_write_it(text: str, tmp_path: Path) -> None:
    settings = read_with(keep(tmp_path, text))
    assert settings.wrong == ()
    assert key_of(settings) == KEY


@pytest.mark.parametrize("value", [r"a\b'c", "a$HOME${X}b", 'a"b#c', " # "])
def test_what_was_written_is_what_is_read(value: str, tmp_path: Path) -> None:
    file = keep(tmp_path, kept.written({"X": value, "Y": "2"}))
    assert kept.in_file(file) == {"X": value, "Y": "2"}


def test_a_file_may_have_any_setting_and_the_environment_goes_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = keep(tmp_path, f"PIAPI_API_KEY={KEY}\nSONG_MCP_DAILY_LIMIT=7\nGPTGE_API_KEY={KEY}")
    monkeypatch.setenv("PIAPI_API_KEY", OTHER)
    monkeypatch.setenv("GPTGE_API_KEY", "${user_config.gptge}")
    settings = read_with(file)
    assert key_of(settings) == OTHER
    assert settings.daily_limit == 7
    assert settings.of(SERVICES["gptge"]).is_on


def test_a_wrong_value_in_a_file_is_told_by_its_own_variable(tmp_path: Path) -> None:
    settings = read_with(keep(tmp_path, f"SONG_MCP_DAILY_LIMIT=lots\nPIAPI_API_KEY={KEY}"))
    assert [str(each) for each in settings.wrong] == [
        "SONG_MCP_DAILY_LIMIT: must be a whole number"
    ]
    assert key_of(settings) == KEY


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (f"GPTGE_API_KEY={KEY}\n{OTHER}\n", "whose line 2 is not NAME=VALUE"),
        (f"\n\nPIAPI_API_KEY='{KEY}\n", "whose line 3 is not NAME=VALUE"),
        (f"PIAPI_API_KEY={KEY}".encode("utf-16"), "that is not UTF-8 text"),
        (b"#" * (kept.LARGEST + 1), "that is too large for variables"),
    ],
)
def test_a_file_that_cannot_be_used_is_a_wrong_setting(
    text: str | bytes, what: str, tmp_path: Path
) -> None:
    settings = read_with(keep(tmp_path, text))
    assert [str(each) for each in settings.wrong] == [f"SONG_MCP_ENV_FILE: names a file {what}"]
    assert KEY not in str(settings.wrong) + repr(settings)
    assert key_of(settings) == ""


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("gone.env", "names a file that is not there, or is none"),
        (".", "names a file that is not there, or is none"),
    ],
)
def test_a_file_that_is_not_there_is_a_wrong_setting(name: str, what: str, tmp_path: Path) -> None:
    assert [each.what for each in read_with(tmp_path / name).wrong] == [what]


@pytest.mark.parametrize("path", ["keys.env", "~nobody-of-this-name/keys.env", "${env:X}/a"])
def test_a_file_that_each_client_would_look_for_elsewhere_is_refused_once(path: str) -> None:
    wrong = read_with(path).wrong
    assert [each.variable for each in wrong] == ["SONG_MCP_ENV_FILE"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602])
def test_a_file_that_others_can_read_or_write_is_a_wrong_setting(mode: int, tmp_path: Path) -> None:
    settings = read_with(keep(tmp_path, f"PIAPI_API_KEY={KEY}", mode))
    assert [each.what for each in settings.wrong] == [
        "names a file that others of this machine may read or write: chmod 600 it"
    ]
    assert key_of(settings) == ""


# The keyring ---------------------------------------------------------------------------------


class Drawer(KeyringBackend):
    """A keyring in memory; one that is `locked` raises what backends raise."""

    priority = 1.0

    def __init__(self, *, locked: bool = False) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # it has no types
        self.locked = locked
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        if self.locked:
            raise RuntimeError(f"locked, with {KEY}")
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.kept[service, username]


@pytest.fixture
def drawer() -> Iterator[Drawer]:
    before = keyring.get_keyring()
    drawer = Drawer()
    keyring.set_keyring(drawer)
    yield drawer
    keyring.set_keyring(before)


def test_keys_are_taken_from_the_keyring_if_the_entry_says_so(drawer: Drawer) -> None:
    kept.keep_in_keyring({"PIAPI_API_KEY": KEY})
    assert drawer.kept == {("song-mcp", "PIAPI_API_KEY"): KEY}
    assert key_of(Settings.read()) == ""
    assert key_of(Settings.read(SONG_MCP_KEYRING="true")) == KEY
    assert key_of(Settings.read(SONG_MCP_KEYRING="true", PIAPI_API_KEY=OTHER)) == OTHER
    kept.forget_in_keyring(["PIAPI_API_KEY", "GPTGE_API_KEY"])
    assert drawer.kept == {}


def test_a_keyring_that_does_not_answer_is_a_wrong_setting(drawer: Drawer) -> None:
    drawer.locked = True
    wrong = Settings.read(SONG_MCP_KEYRING="true").wrong
    assert [str(each) for each in wrong] == [
        "SONG_MCP_KEYRING: cannot be answered by the system's keyring (RuntimeError)"
    ]


def test_without_the_package_the_setting_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    wrong = Settings.read(SONG_MCP_KEYRING="yes").wrong
    assert [each.what for each in wrong] == [
        "needs the package keyring, which this install of song-mcp lacks"
    ]


def test_a_word_that_is_neither_true_nor_false_is_told() -> None:
    wrong = Settings.read(SONG_MCP_KEYRING="maybe").wrong
    assert [str(each) for each in wrong] == ["SONG_MCP_KEYRING: must be true or false"]
