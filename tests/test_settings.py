"""The environment, and the settings that are read from it."""

from pathlib import Path

import pytest

from song_mcp.settings import ServiceSettings, Settings
from song_mcp.songs import MODELS, SERVICES, Service

KEY = "sk-very-secret-0001"
PIAPI, GPTGE, ACESTEP = (SERVICES[name] for name in ("piapi", "gptge", "acestep"))


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in ("XDG_DATA_HOME", "XDG_MUSIC_DIR", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def problem() -> str:
    """What is wrong with the environment, a line each."""
    return "\n".join(map(str, Settings.read().wrong))


# What is not given ---------------------------------------------------------------------------


def test_without_any_variable_there_are_defaults(home: Path) -> None:
    settings = Settings.read()
    public = {"service_mode": "public", "upload_url": ""}
    assert settings.of(PIAPI) == ServiceSettings(None, "https://api.piapi.ai", public, is_on=False)
    assert settings.of(GPTGE) == ServiceSettings(
        None, "https://api.gpt.ge", {"names": {}}, is_on=False
    )
    assert settings.default_model is None
    assert settings.wait_seconds == 25.0
    assert settings.journal_path.name == "journal.sqlite3"
    assert settings.journal_path.parent.name == "song-mcp"
    assert settings.journal_path.is_relative_to(home)
    assert settings.library_path == home / "Music" / "song-mcp"


VARIABLES = (
    "PIAPI_API_KEY",
    "PIAPI_BASE_URL",
    "PIAPI_SERVICE_MODE",
    "PIAPI_UPLOAD_URL",
    "GPTGE_API_KEY",
    "GPTGE_BASE_URL",
    "MINIMAX_API_KEY",
    "MINIMAX_BASE_URL",
    "ACESTEP_API_KEY",
    "ACESTEP_BASE_URL",
    "SONG_MCP_HOME",
    "SONG_MCP_LIBRARY",
    "SONG_MCP_DEFAULT_MODEL",
    "SONG_MCP_SUNO_NAMES",
    "SONG_MCP_WAIT_SECONDS",
    "SONG_MCP_DAILY_LIMIT",
    "SONG_MCP_BLOB_BYTES",
    "SONG_MCP_CLIP_BYTES",
    "SONG_MCP_MEDIA_HOSTS",
    "SONG_MCP_PROXY",
    "SONG_MCP_LOG",
    "SONG_MCP_ENV_FILE",
    "SONG_MCP_KEYRING",
)


@pytest.mark.parametrize("nothing", ["", " ", "\t \n"], ids=["empty", "blank", "blanks"])
@pytest.mark.parametrize("name", VARIABLES)
def test_an_empty_variable_counts_as_not_given(
    monkeypatch: pytest.MonkeyPatch, name: str, nothing: str
) -> None:
    defaults = Settings.read()
    monkeypatch.setenv(name, nothing)
    assert Settings.read() == defaults


def test_every_variable_is_tried_here() -> None:
    known = {str(field.validation_alias) for field in Settings.model_fields.values()}
    assert known == set(VARIABLES)


# What is given -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "service"),
    [("PIAPI_API_KEY", PIAPI), ("GPTGE_API_KEY", GPTGE)],
    ids=["piapi", "gptge"],
)
@pytest.mark.parametrize(
    "given",
    [KEY, f" {KEY}", f"{KEY}\n", f"\t{KEY} \r\n"],
    ids=["bare", "before", "after", "around"],
)
def test_blanks_around_a_key_are_no_part_of_it(
    monkeypatch: pytest.MonkeyPatch, name: str, service: Service, given: str
) -> None:
    monkeypatch.setenv(name, given)
    key = Settings.read().of(service).key
    assert key is not None
    assert key.get_secret_value() == KEY


@pytest.mark.parametrize(
    ("name", "service"),
    [("PIAPI_BASE_URL", PIAPI), ("GPTGE_BASE_URL", GPTGE)],
    ids=["piapi", "gptge"],
)
@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("https://mirror.example", "https://mirror.example"),
        (" https://mirror.example/v2/ ", "https://mirror.example/v2"),
        ("https://mirror.example:8443", "https://mirror.example:8443"),
        ("http://127.0.0.1:8787/", "http://127.0.0.1:8787"),
        ("http://localhost:8787", "http://localhost:8787"),
        ("http://[::1]:8787", "http://[::1]:8787"),
    ],
)
def test_a_base_url_is_https_or_on_this_machine(
    monkeypatch: pytest.MonkeyPatch, name: str, service: Service, given: str, used: str
) -> None:
    monkeypatch.setenv(name, given)
    assert Settings.read().of(service).base_url == used


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("http://192.168.1.20:8001/", "http://192.168.1.20:8001"),
        ("http://10.0.0.7", "http://10.0.0.7"),
        ("http://172.31.255.1:8001/ace", "http://172.31.255.1:8001/ace"),
        ("http://[fd00::20]:8001", "http://[fd00::20]:8001"),
        ("http://127.0.0.1:8001", "http://127.0.0.1:8001"),
        ("http://localhost:8001", "http://localhost:8001"),
        ("https://music.example:8443", "https://music.example:8443"),
        ("https://192.168.1.20:8001", "https://192.168.1.20:8001"),
    ],
)
def test_ones_own_server_may_be_at_one_private_address(
    monkeypatch: pytest.MonkeyPatch, given: str, used: str
) -> None:
    monkeypatch.setenv("ACESTEP_BASE_URL", given)
    own = Settings.read().of(ACESTEP)
    assert (own.base_url, own.is_on, own.key) == (used, True, None)


@pytest.mark.parametrize(
    "given",
    [
        "http://music.example:8001",
        "http://nas.local:8001",
        "http://nas:8001",
        "http://1.1.1.1:8001",
        "http://172.32.0.1",
        "http://100.64.0.1",
        "http://169.254.169.254",
        "http://[fe80::1]",
        "http://[::ffff:192.168.1.20]",
        "http://0.0.0.0:8001",
        "http://192.168.1",
        "http://192.168.001.020",
        "http://0xc0a80114",
        "http://3232235796",
        "http://192.168.1.20.example.com",
        "http://me@192.168.1.20",
        "http://192.168.1.20?path=/etc",
        "http://192.168.1.20:port",
        "ftp://192.168.1.20",
        "192.168.1.20:8001",
    ],
)
def test_ones_own_server_is_asked_over_http_at_no_other_place(
    monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.setenv("ACESTEP_BASE_URL", given)
    assert problem().startswith("ACESTEP_BASE_URL: must")


def test_ones_own_server_is_off_without_a_base_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACESTEP_API_KEY", KEY)
    assert not Settings.read().of(ACESTEP).is_on


def test_other_services_are_off_without_a_key() -> None:
    assert [each.name for each in SERVICES.values() if Settings.read().of(each).is_on] == []


def test_the_service_mode_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIAPI_SERVICE_MODE", "private")
    assert Settings.read().of(PIAPI).options["service_mode"] == "private"


def test_an_address_for_uploads_is_taken_as_a_base_url_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIAPI_UPLOAD_URL", " http://127.0.0.1:8787/ ")
    assert Settings.read().of(PIAPI).options["upload_url"] == "http://127.0.0.1:8787"
    monkeypatch.setenv("PIAPI_UPLOAD_URL", "http://upload.example")
    assert "PIAPI_UPLOAD_URL: must be an https address" in problem()


@pytest.mark.parametrize("name", MODELS)
def test_each_model_can_be_the_default(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("SONG_MCP_DEFAULT_MODEL", name)
    assert Settings.read().default_model == MODELS[name]


def test_a_word_that_goes_out_as_it_is_can_be_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SONG_MCP_DEFAULT_MODEL", "chirp-v7")
    model = Settings.read().default_model
    assert model is not None
    assert (model.name, model.sent_as, model.service) == ("chirp-v7", "chirp-v7", "gptge")


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("suno-v6=chirp-v6", {"suno-v6": "chirp-v6"}),
        ("suno-v5=V5, suno-v6-mini=V6_MINI", {"suno-v5": "V5", "suno-v6-mini": "V6_MINI"}),
        (" Suno-V5 = V5 ;\n v6_mini -> V6m,", {"suno-v5": "V5", "suno-v6-mini": "V6m"}),
        ('{"suno-v6": "chirp-v6"}', {"suno-v6": "chirp-v6"}),
        ("suno v6 wild => suno/chirp-v6-wild", {"suno-v6-wild": "suno/chirp-v6-wild"}),
        ("chirp-hawk=chirp-v6,suno-v6=chirp-v6", {"suno-v6": "chirp-v6"}),
        (",", {}),
    ],
)
def test_the_names_of_a_relay_are_read_as_people_write_them(
    monkeypatch: pytest.MonkeyPatch, given: str, names: dict[str, str]
) -> None:
    monkeypatch.setenv("SONG_MCP_SUNO_NAMES", given)
    assert Settings.read().of(GPTGE).options == {"names": names}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("suno-v6", "Write what your relay calls each model"),
        ("suno-v6=", "Write what your relay calls each model"),
        ("suno-v6=chirp v6", "Write what your relay calls each model"),
        ("suno-v6=a=b", "Write what your relay calls each model"),
        ("suno-v7=chirp-v7", "'suno-v7', which is no model here. Before the = stands suno-v6, "),
        ("chirp-v7=chirp-v8", "'chirp-v7', which is no model here"),
        ("udio=chirp-v6", "'udio', which is no model here"),
        ("suno-v6=chirp-v6, v6=chirp-hawk", "two names for suno-v6: chirp-v6 and chirp-hawk"),
    ],
)
def test_names_of_a_relay_that_can_mean_nothing_are_told(
    monkeypatch: pytest.MonkeyPatch, given: str, says: str
) -> None:
    monkeypatch.setenv("SONG_MCP_SUNO_NAMES", given)
    assert problem().startswith("SONG_MCP_SUNO_NAMES: ")
    assert says in problem()


@pytest.mark.parametrize(("given", "seconds"), [("0", 0.0), ("12.5", 12.5), (" 55 ", 55.0)])
def test_the_wait_is_taken(monkeypatch: pytest.MonkeyPatch, given: str, seconds: float) -> None:
    monkeypatch.setenv("SONG_MCP_WAIT_SECONDS", given)
    assert Settings.read().wait_seconds == seconds


@pytest.mark.parametrize(
    "given",
    [
        "~/songs",
        "$HOME/songs",
        "${HOME}/songs",
        "${env:HOME}/songs",
        '"~/songs"',
        "/srv/songs",
        " '/srv/songs/' ",
        "file:///srv/songs",
    ],
)
def test_folders_become_absolute(monkeypatch: pytest.MonkeyPatch, home: Path, given: str) -> None:
    monkeypatch.setenv("SONG_MCP_HOME", given)
    monkeypatch.setenv("SONG_MCP_LIBRARY", given)
    folder = Path("/srv/songs") if "/srv/" in given else home / "songs"
    settings = Settings.read()
    assert settings.library_path == folder
    assert settings.journal_path == folder / "journal.sqlite3"


@pytest.mark.parametrize(
    "given",
    [
        "%USERPROFILE%/songs",
        "%userprofile%/songs",
        "$env:USERPROFILE/songs",
        "${env:UserProfile}/songs",
        "%HOMEDRIVE%%HOMEPATH%/songs",
    ],
)
def test_the_folders_that_windows_variables_name_are_expanded(
    monkeypatch: pytest.MonkeyPatch, home: Path, given: str
) -> None:
    monkeypatch.setenv("USERPROFILE", str(home))
    monkeypatch.setenv("HOMEDRIVE", str(home.parent))
    monkeypatch.setenv("HOMEPATH", f"/{home.name}")
    monkeypatch.setenv("SONG_MCP_LIBRARY", given)
    assert Settings.read().library_path == home / "songs"


@pytest.mark.parametrize("given", ["%APPDATA%/songs", "$env:LOCALAPPDATA/songs", "%PATH%/songs"])
def test_a_windows_variable_that_is_not_set_or_names_no_folder_is_told(
    monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.setenv("SONG_MCP_LIBRARY", given)
    assert problem().startswith("SONG_MCP_LIBRARY: holds a placeholder")


def test_the_address_of_a_folder_on_a_drive_is_no_folder_of_another_system(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SONG_MCP_LIBRARY", "file:///C:/Users/me/Music")
    assert "would be another each time" in Settings.read().said_of("SONG_MCP_LIBRARY")


# What is wrong -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["PIAPI_BASE_URL", "GPTGE_BASE_URL"])
@pytest.mark.parametrize(
    "given",
    [
        "http://api.piapi.ai",
        "http://10.0.0.1",
        "http://127.0.0.1.example.com",
        "ftp://localhost",
        "api.piapi.ai",
        "https://",
        "https://api.piapi.ai:99999",
        "https://api.piapi.ai:port",
        "http://[::1",
        f"https://{KEY}@api.piapi.ai",
        f"https://user:{KEY}@api.piapi.ai",
        f"https://user:{KEY}",
        f"https://api.piapi.ai?key={KEY}",
        f"https://api.piapi.ai#{KEY}",
    ],
)
def test_an_unusable_base_url_is_named_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, name: str, given: str
) -> None:
    monkeypatch.setenv(name, given)
    said = problem()
    assert said.startswith(f"{name}: must ")
    assert KEY not in said
    assert given not in said


@pytest.mark.parametrize(
    ("name", "given", "says"),
    [
        ("PIAPI_SERVICE_MODE", "secret", "'public' or 'private'"),
        ("SONG_MCP_DEFAULT_MODEL", "suno-v9", "'suno-v5'"),
        ("SONG_MCP_WAIT_SECONDS", "56", "55"),
        ("SONG_MCP_WAIT_SECONDS", "-1", "0"),
        ("SONG_MCP_WAIT_SECONDS", "nan", "55"),
        ("SONG_MCP_WAIT_SECONDS", "soon", "number"),
        ("SONG_MCP_HOME", "~nobody-has-this-name/x", "folder"),
        ("SONG_MCP_LIBRARY", "~nobody-has-this-name/x", "folder"),
    ],
)
def test_a_bad_value_names_its_variable_and_what_would_do(
    monkeypatch: pytest.MonkeyPatch, name: str, given: str, says: str
) -> None:
    monkeypatch.setenv(name, given)
    assert problem().startswith(f"{name}: ")
    assert says in problem()


def test_all_that_is_wrong_is_told_at_once_and_no_key_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIAPI_API_KEY", KEY)
    monkeypatch.setenv("PIAPI_SERVICE_MODE", KEY)
    monkeypatch.setenv("SONG_MCP_WAIT_SECONDS", KEY)
    said = problem()
    assert [line.partition(":")[0] for line in said.splitlines()] == [
        "PIAPI_SERVICE_MODE",
        "SONG_MCP_WAIT_SECONDS",
    ]
    assert KEY not in said
    assert "pydantic" not in said


def test_no_text_of_the_settings_has_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIAPI_API_KEY", KEY)
    monkeypatch.setenv("GPTGE_API_KEY", KEY)
    settings = Settings.read()
    services = [repr(settings.of(service)) for service in (PIAPI, GPTGE)]
    for text in (repr(settings), str(settings), settings.model_dump_json(), *services):
        assert KEY not in text


# What hosts and people write instead of a value ----------------------------------------------

KEYS = ("PIAPI_API_KEY", "GPTGE_API_KEY", "MINIMAX_API_KEY", "ACESTEP_API_KEY")


def key_of(name: str) -> str:
    """The key that is read from this variable, "" for none."""
    [service] = [each for each in SERVICES.values() if each.key_variable == name]
    key = Settings.read().of(service).key
    return key.get_secret_value() if key else ""


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize(
    "given",
    [
        f'"{KEY}"',
        f"'{KEY}'",
        f"`{KEY}`",
        f"\u201c{KEY}\u201d",
        f' " {KEY} " ',
        f"Bearer {KEY}",
        f'"bearer  {KEY}"',
        f"Authorization: Bearer {KEY}",
        f"x-api-key: {KEY}",
        f"bearer:{KEY}",
        f"\u200b{KEY}\ufeff",
        f"\u00a0{KEY}\u00a0",
    ],
)
def test_what_is_around_a_key_is_no_part_of_it(
    monkeypatch: pytest.MonkeyPatch, name: str, given: str
) -> None:
    monkeypatch.setenv(name, given)
    assert key_of(name) == KEY
    assert (Settings.read().wrong, Settings.read().remarks) == ((), ())


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize(
    "given",
    [
        "your-piapi-key",
        "YOUR_API_KEY",
        "your key",
        "sk-your-key",
        "<your key>",
        "<YOUR_PIAPI_KEY>",
        "sk-xxxxxxxxxxxxxxxx",
        "sk-XXXX",
        "xxxx",
        "sk-...",
        "********",
        "sk-\u2026",
        "PIAPI_API_KEY",
        "API_KEY",
        "insert-key-here",
        "paste your key here",
        "api-key-here",
        "changeme",
        "none",
        '"your-piapi-key"',
        "Bearer your-piapi-key",
        "(your-key)",
        "[your key]",
        "**your-key**",
        "sk-proj-****abcd",
        "sk-abc...xyz",
        "REDACTED",
        "Bearer",
    ],
)
def test_an_examples_word_counts_as_no_key_and_is_told(
    monkeypatch: pytest.MonkeyPatch, name: str, given: str
) -> None:
    monkeypatch.setenv(name, given)
    assert key_of(name) == ""
    [remark] = Settings.read().remarks
    assert str(remark).startswith(f"{name}: is not a key but an example")
    assert not remark.is_left_empty


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize(
    "given",
    [
        "${env:PIAPI_API_KEY}",
        "${PIAPI_API_KEY}",
        "${input:piapi-key}",
        "{{piapi_key}}",
        "${{ secrets.PIAPI }}",
        "$PIAPI_API_KEY",
        "%PIAPI_API_KEY%",
        "$(pass show piapi)",
        "env:PIAPI_API_KEY",
        "op://vault/piapi/key",
        "process.env.PIAPI_API_KEY",
        "Bearer ${env:PIAPI_API_KEY}",
        f"{KEY[:9]} {KEY[9:]}",
        f"{KEY[:9]}\n{KEY[9:]}",
        f"{KEY[:9]}\u2013{KEY[9:]}",
        f"{KEY}\u00e9",
        f"{KEY[:9]}\u200b{KEY[9:]}",
        f'{{"key":"{KEY}"}}',
        "https://piapi.ai/workspace/key",
    ],
)
def test_a_placeholder_or_a_damaged_key_is_told_and_never_sent(
    monkeypatch: pytest.MonkeyPatch, name: str, given: str
) -> None:
    monkeypatch.setenv(name, given)
    assert key_of(name) == ""
    assert problem().startswith(f"{name}: is not a key")
    assert KEY[:9] not in problem()
    assert KEY[9:] not in problem()
    [service] = [each for each in SERVICES.values() if each.key_variable == name]
    assert Settings.read().why_off(service) == problem()


@pytest.mark.parametrize(
    "given", ["sk-your0Real1Key2", "putin9a8b7c", "enterprise1234", "a+b/c==", "k,1;2", "x-1_2~3"]
)
def test_a_key_may_look_a_little_like_something_else(
    monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.setenv("PIAPI_API_KEY", given)
    assert key_of("PIAPI_API_KEY") == given


def test_a_key_with_its_own_name_before_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIAPI_API_KEY", f"PIAPI_API_KEY={KEY}")
    assert problem() == "PIAPI_API_KEY: must be the key alone, without the variable's name"


@pytest.mark.parametrize("nothing", ["${user_config.x}", '"${user_config.x}"', "null", "undefined"])
@pytest.mark.parametrize("name", VARIABLES)
def test_a_field_that_was_left_empty_counts_as_not_set_with_a_remark(
    monkeypatch: pytest.MonkeyPatch, name: str, nothing: str
) -> None:
    defaults = Settings.read()
    monkeypatch.setenv(name, nothing)
    settings = Settings.read()
    assert settings.model_dump() == defaults.model_dump()
    assert settings.wrong == ()
    assert list(map(str, settings.remarks)) == [f"{name}: was left empty in the client's settings"]
    assert settings.remarks[0].is_left_empty


@pytest.mark.parametrize("name", [name for name in VARIABLES if not name.endswith("_KEY")])
@pytest.mark.parametrize("given", ["${env:X}", "{{x}}", "$X", "%X%", "<value>"])
def test_a_placeholder_that_was_not_replaced_is_wrong_in_every_setting(
    monkeypatch: pytest.MonkeyPatch, name: str, given: str
) -> None:
    defaults = Settings.read()
    monkeypatch.setenv(name, given)
    settings = Settings.read()
    assert settings.model_dump() == defaults.model_dump()
    assert list(map(str, settings.wrong)) == [
        f"{name}: holds a placeholder that your client did not replace: put the value there"
    ]


@pytest.mark.parametrize("name", ["SONG_MCP_HOME", "SONG_MCP_LIBRARY"])
@pytest.mark.parametrize(
    "given", ["songs", "./songs", "../songs", "C:\\Users\\me\\Music", "home/x"]
)
def test_a_relative_folder_is_refused_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, name: str, given: str
) -> None:
    monkeypatch.setenv(name, given)
    assert "would be another each time" in Settings.read().said_of(name)


@pytest.mark.parametrize(
    "given", ["$HOME/${x}", "~/{{album}}", "/srv/$USER/songs", "%USERPROFILE%\\Music", "<folder>"]
)
def test_a_placeholder_inside_a_folder_is_told(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("SONG_MCP_LIBRARY", given)
    assert problem().startswith("SONG_MCP_LIBRARY: holds a placeholder")


@pytest.mark.parametrize("given", ["/srv/a$b/50% more", "/srv/{songs}", "/srv/100%/x%y"])
def test_a_folder_may_have_such_signs_in_its_names(
    monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.setenv("SONG_MCP_LIBRARY", given)
    assert Settings.read().library_path == Path(given)


@pytest.mark.parametrize(
    ("given", "name"),
    [("Suno V6", "suno-v6"), ("MUSIC_U", "udio"), ("suno", "suno-v6"), ("ACE-Step", "ace-step")],
)
def test_the_default_model_may_be_spelled_as_in_a_call(
    monkeypatch: pytest.MonkeyPatch, given: str, name: str
) -> None:
    monkeypatch.setenv("SONG_MCP_DEFAULT_MODEL", given)
    assert Settings.read().default_model == MODELS[name]


@pytest.mark.parametrize("given", ["auto", "Default"])
def test_no_default_model_may_be_said_in_a_word(
    monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.setenv("SONG_MCP_DEFAULT_MODEL", given)
    assert Settings.read().default_model is None
    monkeypatch.setenv("SONG_MCP_DEFAULT_MODEL", "acestep")
    assert problem() == "SONG_MCP_DEFAULT_MODEL: can mean ace-step or ace-step-local: name one"


def test_with_a_wrong_value_nothing_goes_to_another_place_than_was_meant(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PIAPI_API_KEY", KEY)
    monkeypatch.setenv("GPTGE_API_KEY", KEY)
    monkeypatch.setenv("PIAPI_BASE_URL", "mirror.example")
    assert not Settings.read().of(PIAPI).is_on
    assert Settings.read().of(GPTGE).is_on
    monkeypatch.setenv("SONG_MCP_PROXY", "socks5://proxy.example")
    assert not Settings.read().of(GPTGE).is_on


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("SONG_MCP_DAILY_LIMIT", "ten", "must be a whole number"),
        ("SONG_MCP_DAILY_LIMIT", "-1", "must be at least 0"),
        ("SONG_MCP_BLOB_BYTES", "1.5", "must be a whole number"),
        ("SONG_MCP_WAIT_SECONDS", "a while", "must be a number"),
        ("SONG_MCP_WAIT_SECONDS", "99", "must be at most 55"),
        ("PIAPI_SERVICE_MODE", "x", "must be 'public' or 'private'"),
    ],
)
def test_what_a_number_or_a_choice_must_be_is_told_in_plain_words(
    variable: str, value: str, says: str
) -> None:
    (problem,) = Settings.read(**{variable: value}).wrong
    assert str(problem).startswith(f"{variable}: {says}")
