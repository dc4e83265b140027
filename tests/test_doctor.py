"""`song-mcp doctor`: each fault has one thing to do; nothing is paid, written or shown."""

import errno
import hashlib
import json
import os
import re
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from song_mcp import cli
from song_mcp.doctor import around, examine, program, report, storage, variables
from song_mcp.doctor.finding import Finding, note, ok, wrong
from song_mcp.journal import examine as examine_journal
from song_mcp.providers import Account
from song_mcp.settings import Settings
from tests.faults.canaries import KEYS, PIAPI_KEY
from tests.house import environment, open_house

SECRETS = (*KEYS, "canary-proxy-password")
OF_THE_CLIENT = "sk-a-key-that-a-person-typed-into-a-file"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine on which nothing is set up."""
    own = tmp_path / "person"
    own.mkdir()
    for name in list(os.environ):
        if name.startswith(("XDG_", "SONG_MCP", "PIAPI", "GPTGE", "MINIMAX", "ACESTEP")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(own))
    return own


def of(found: list[Finding], what: str) -> list[Finding]:
    return [each for each in found if each.what == what]


def digest(folder: Path) -> dict[str, str]:
    return {
        str(file): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


# As a whole -----------------------------------------------------------------------------------


async def test_all_is_looked_at_while_a_server_runs_and_nothing_is_paid_or_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_house(tmp_path / "house") as house:
        made = await house.ok("generate_song", description="x", wait_seconds=55)
        for name, value in environment(house.folder, house.base_url).items():
            monkeypatch.setenv(name, value)
        paid = len(house.sandbox.accepted)
        found = await examine()
        assert len(house.sandbox.accepted) == paid
    before = digest(tmp_path / "house")  # the server has ended: nobody else writes
    await examine()
    assert digest(tmp_path / "house") == before
    assert made["status"] == "completed"
    assert [each for each in found if each.standing == "wrong"] == []
    assert "1 tasks, readable, writable and whole" in of(found, "journal")[0].says
    assert any("PiAPI answers: $" in each.says for each in of(found, "service"))
    for text in (report.as_text(found), report.as_json(found)):
        assert not any(secret in text for secret in SECRETS)


def test_without_anything_it_says_how_to_begin(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["doctor"]) == 1
    said = capsys.readouterr().out
    assert "No service is set up" in said
    assert "-> song-mcp install CLIENT" in said
    assert max(map(len, said.splitlines())) <= 80 + len(str(home))
    assert list(home.rglob("song-mcp*")) == []


def test_json_has_each_finding(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told.keys() == {"version", "faults", "checks"}
    assert told["faults"] == sum(each["status"] == "wrong" for each in told["checks"]) == 1
    assert all(each.keys() == {"what", "status", "says", "do"} for each in told["checks"])


def test_an_unknown_client_is_a_wrong_call(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor", "--client", "nobody"]) == 2
    assert capsys.readouterr().out == ""


def test_each_fault_has_one_thing_to_do_and_lines_fit_a_terminal() -> None:
    found = [ok("a", "b " * 100), note("c", "d"), wrong("e", "f " * 90, "song-mcp g")]
    said = report.as_text(found)
    assert max(map(len, said.splitlines())) <= 80
    assert "-> song-mcp g" in said
    assert said.endswith("One thing is to be done.\n")
    assert said.isascii()


# Variables ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("SONG_MCP_LIBARY", "SONG_MCP_LIBRARY"),
        ("SONG_MCP_DAILYLIMIT", "SONG_MCP_DAILY_LIMIT"),
        ("SONGMCP_HOME", "SONG_MCP_HOME"),
        ("PIAPI_KEY", "PIAPI_API_KEY"),
        ("PIAPI_APIKEY", "PIAPI_API_KEY"),
        ("GPTGE_API_KEYS", "GPTGE_API_KEY"),
        ("MINIMAX_KEY", "MINIMAX_API_KEY"),
        ("ACESTEP_URL", "ACESTEP_BASE_URL"),
        ("PIPAI_API_KEY", "PIAPI_API_KEY"),
        ("SONG_MCP_QQQQQQQQ", ""),
    ],
)
def test_a_misspelt_variable_has_the_nearest_real_one(typed: str, meant: str) -> None:
    ((name, near),) = variables.misspelt([typed, "PATH", "HOME", "OPENAI_API_KEY", "LANG"])
    assert name == typed
    assert near == meant or not meant


def test_no_real_variable_is_misspelt() -> None:
    assert list(variables.misspelt([*variables.known(), "piapi_api_key", "SONGMCP_IMAGE"])) == []


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("your-piapi-key", "an example's word"),
        ("${env:PIAPI_API_KEY}", "a placeholder"),
        ("a key with blanks", "a blank"),
        ("${user_config.piapi}", "left empty"),
    ],
)
def test_a_key_that_cannot_be_one_is_named_without_its_value(value: str, said: str) -> None:
    settings = Settings.read(PIAPI_API_KEY=value)
    (found,) = variables.examined(settings, {"PIAPI_API_KEY": value})
    assert said in found.says
    assert value not in found.says + found.do
    assert "PIAPI_API_KEY" in found.says


def test_a_proxy_that_is_not_read_is_told_without_its_address() -> None:
    given = {"https_proxy": "http://user:canary-proxy-password@proxy.example"}
    (found,) = variables.examined(Settings.read(), given)
    assert found.what == "proxy"
    assert "SONG_MCP_PROXY" in found.do
    assert "canary" not in found.says + found.do


# Journal --------------------------------------------------------------------------------------


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A journal's file with one task in doubt, and one song that is where it was not saved."""
    from song_mcp.journal.schema import MIGRATIONS

    path = tmp_path / "home" / "journal.sqlite3"
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as db:
        for script in MIGRATIONS:
            db.executescript(script)
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        db.execute(
            "INSERT INTO tasks (local_id, service, model, kind, status, created_at) "
            "VALUES ('local-1', 'piapi', 'udio', 'song', 'in_doubt', 1)"
        )
        db.execute(
            "INSERT INTO clips (local_id, clip_id, position, status, file) "
            "VALUES ('local-1', 'c', 0, 'completed', ?)",
            (str(tmp_path / "library" / "Gone.mp3"),),
        )
        db.commit()
    return path


def stored(path: Path) -> list[Finding]:
    library = path.parent.parent / "library"
    given = {"SONG_MCP_HOME": str(path.parent), "SONG_MCP_LIBRARY": str(library)}
    return list(storage.examined(Settings.read(**given)))


def test_a_doubt_and_a_file_that_is_gone_are_told(journal: Path) -> None:
    (journal.parent.parent / "library").mkdir()
    found = stored(journal)
    assert "song-mcp settle local-1 check" in of(found, "doubts")[0].do
    assert "Gone.mp3" in of(found, "songs")[0].says
    assert of(found, "songs")[0].standing == "note"


def test_a_library_that_is_not_there_is_no_deletion(journal: Path) -> None:
    (found,) = of(stored(journal), "songs")
    assert found.standing == "wrong"
    assert "Connect its drive" in found.do


def test_a_damaged_journal_is_told_and_left_as_it_is(journal: Path) -> None:
    journal.write_bytes(journal.read_bytes()[:4096] + b"\xff" * 8192)
    before = digest(journal.parent)
    (found, *_) = of(stored(journal), "journal")
    assert "damaged" in found.says
    assert digest(journal.parent) == before


def test_a_newer_journal_is_told(journal: Path) -> None:
    with closing(sqlite3.connect(journal)) as db:
        db.execute("PRAGMA user_version = 900")
    (found,) = of(stored(journal), "journal")
    assert "newer song-mcp" in found.says


def test_a_write_ahead_log_is_told(journal: Path) -> None:
    with closing(sqlite3.connect(journal)) as db:
        db.execute("PRAGMA journal_mode = WAL")
    assert any("write-ahead" in each.says for each in of(stored(journal), "journal"))


def test_a_journal_of_an_older_version_is_read(journal: Path) -> None:
    with closing(sqlite3.connect(journal)) as db:
        db.execute("DROP TRIGGER clip_deleted")
        db.execute("ALTER TABLE clips DROP COLUMN gone_at")
    assert list(examine_journal(journal).doubts) == ["local-1"]


def test_a_transaction_that_was_interrupted_is_left_to_the_next_server(journal: Path) -> None:
    journal.with_name("journal.sqlite3-journal").write_bytes(
        b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" + b"\0" * 504
    )
    before = digest(journal.parent)
    examine_journal(journal)
    assert digest(journal.parent) == before


def test_a_file_that_cannot_be_written_is_told(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = os.open

    def refuse(path: object, flags: int, *rest: int, **more: int) -> int:
        if Path(str(path)) == journal and flags & os.O_RDWR:
            raise PermissionError(errno.EACCES, "Permission denied")
        return opened(path, flags, *rest, **more)  # type: ignore[arg-type]  # as it was called

    monkeypatch.setattr(os, "open", refuse)
    (found, *_) = of(stored(journal), "journal")
    assert "cannot be written: Permission denied" in found.says


def test_a_file_in_place_of_the_library_is_told(tmp_path: Path) -> None:
    (tmp_path / "library").write_text("in the way")
    (found,) = of(stored(tmp_path / "home" / "journal.sqlite3"), "library")
    assert (found.standing, "a file" in found.says) == ("wrong", True)


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "LEAST_FREE", 2**80)
    found = stored(tmp_path / "home" / "journal.sqlite3")
    assert of(found, "songs' disk")[0].standing == "wrong"


def test_the_log_file_is_named(tmp_path: Path) -> None:
    (found,) = of(stored(tmp_path / "home" / "journal.sqlite3"), "log")
    assert str(tmp_path / "home" / "song-mcp.log") in found.says


# Others ---------------------------------------------------------------------------------------


async def test_a_service_that_cannot_be_reached_is_told() -> None:
    given = {"PIAPI_API_KEY": PIAPI_KEY, "PIAPI_BASE_URL": "http://127.0.0.1:9"}
    found = await around.services(Settings.read(**given))
    (fault,) = of(found, "service")
    assert fault.standing == "wrong"
    assert "could not be reached" in fault.says
    assert PIAPI_KEY not in fault.says


@pytest.mark.parametrize("hours", [-3, 3])
def test_a_clock_that_is_wrong_is_told(hours: int) -> None:
    told = Account(told_at=datetime.now(UTC) + timedelta(hours=hours))
    (found,) = around._clock({"piapi": told})  # noqa: SLF001 - what `services` asks
    assert found.standing == "wrong"
    assert ("behind" if hours > 0 else "ahead") in found.says


def test_a_client_whose_command_is_gone_is_told_and_its_keys_are_used(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = {
        "command": str(home / "nowhere" / "song-mcp"),
        "env": {"GPTGE_API_KEY": OF_THE_CLIENT, "GPTGE_BASE_URL": "http://127.0.0.1:9"},
    }
    file = home / ".cursor" / "mcp.json"
    file.parent.mkdir()
    file.write_text(json.dumps({"mcpServers": {"song-mcp": entry}}))
    assert cli.main(["doctor", "--json"]) == 1
    said = capsys.readouterr().out
    checks = json.loads(said)["checks"]
    (fault,) = (each for each in checks if each["what"] == "client" and each["status"] == "wrong")
    assert fault["do"] == "song-mcp install cursor"
    assert any(each["what"] == "variables" for each in checks)
    assert any(each["says"] == "gpt.ge: a key is set." for each in checks)
    assert OF_THE_CLIENT not in said


# The program ----------------------------------------------------------------------------------


def test_code_that_is_never_compiled_is_told_with_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "module.py").write_text("")
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    found = program._compiled(tmp_path)  # noqa: SLF001 - of a folder of this test
    assert "compileall" in found.do


# The page -------------------------------------------------------------------------------------


def test_the_page_of_symptoms_quotes_what_is_said() -> None:
    root = Path(__file__).parent.parent
    page = (root / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    sources = "".join(
        file.read_text(encoding="utf-8") for file in (root / "src" / "song_mcp").rglob("*.py")
    )
    source = re.sub(r'"\s+f?"', "", re.sub(r"\{[^{}]*\}", "{}", sources))
    cells = [row.split(" | ")[1] for row in page.splitlines() if row.startswith("| ")][1:]
    quoted = [each for cell in cells for each in re.findall(r"`([^`]*)`", cell)]
    said = [part for each in quoted for part in re.split(r"\s*…\s*", each) if " " in part]
    assert len(said) > 5
    assert [each for each in said if each not in source] == []
    named = [each for each in quoted if " " not in each and each.islower()]
    assert [each for each in named if f'"{each}"' not in sources] == []
