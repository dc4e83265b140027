"""The ways in beside the package: one version and one address, and nothing that drifts."""

import base64
import json
import os
import re
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import metadata
import pytest
import ways

from song_mcp import __version__, installed
from song_mcp.installer.entry import wanted
from song_mcp.settings import Settings
from song_mcp.songs import SERVICES

ROOT = Path(__file__).parent.parent
ADDRESS = "https://github.com/you/song-mcp"
"""An address for trying; the project's own is set by who publishes."""


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def project() -> dict[str, Any]:
    return tomllib.loads(text("pyproject.toml"))


def kept(file: Path, wanted: str) -> None:
    """Hold a file to what it is made from; with UPDATE_SNAPSHOTS=1, write it."""
    if os.environ.get("UPDATE_SNAPSHOTS"):
        file.write_text(wanted, encoding="utf-8")
    assert file.read_text(encoding="utf-8") == wanted


def test_every_way_in_has_the_version_of_the_code() -> None:
    assert project()["project"]["dynamic"][0] == "version"  # of the wheel and the sdist
    assert metadata.version(ROOT) == __version__
    label = re.search(r'image\.version="(.*)"', text("packaging/Dockerfile"))
    assert label is not None
    assert label[1] == __version__
    served = ways.server(ADDRESS)
    told = {served["version"], served["packages"][0]["version"], ways.manifest()["version"]}
    told.add(json.loads(text("gemini-extension.json"))["version"])
    told.add(tomllib.loads(ways.bundle_project())["project"]["version"])
    assert told == {__version__}


def test_the_changelog_begins_with_the_version() -> None:
    head = text("CHANGELOG.md").partition("\n### ")[0]
    assert f"The first version, {__version__}." in head or f"## [{__version__}]" in head


def test_geminis_extension_is_made_of_the_same_data() -> None:
    kept(ROOT / "gemini-extension.json", json.dumps(ways.gemini(), indent=2) + "\n")


def test_the_links_in_the_docs_are_made_of_the_same_data() -> None:
    page = ROOT / "docs" / "install.md"
    begin = "<!-- links: written by UPDATE_SNAPSHOTS=1 pytest tests/test_packaging.py -->\n"
    before, opens, rest = page.read_text(encoding="utf-8").partition(begin)
    _, closes, after = rest.partition("<!-- end of links -->")
    assert opens
    assert closes
    kept(page, f"{before}{opens}\n{ways.links()}\n{closes}{after}")


def test_only_settings_that_exist_are_asked_for_and_every_key_is() -> None:
    asked = {each.name: each for each in ways.variables()}
    known = {str(field.validation_alias) for field in Settings.model_fields.values()}
    for each in SERVICES.values():
        known |= {each.key_variable, *each.addresses}
    assert set(asked) <= known
    secret = {each.key_variable for each in SERVICES.values()}
    assert {name for name, each in asked.items() if each.is_secret} == secret
    assert set(wanted()) <= set(asked)


def test_the_bundle_keeps_keys_in_the_keychain_and_hands_on_all_that_it_asks() -> None:
    manifest = ways.manifest()
    fields, env = manifest["user_config"], manifest["server"]["mcp_config"]["env"]
    assert {f"${{user_config.{field}}}" for field in fields} == set(env.values())
    for name, value in env.items():
        field = fields[value.removeprefix("${user_config.").removesuffix("}")]
        assert field.get("sensitive", False) == name.endswith("_KEY")
        assert (field["type"] == "directory") == name.startswith("SONG_MCP_")
        assert not field["required"]


def test_the_bundle_lists_the_tools_that_a_model_is_offered() -> None:
    told = {each["name"] for each in ways.manifest()["tools"]}
    shown = {file.stem for file in (ROOT / "tests" / "snapshots").glob("*.json")}
    assert shown - told == {"read_clip"}  # for the player alone
    assert told <= shown


def test_the_bundle_has_the_code_the_page_and_the_pins_alone(tmp_path: Path) -> None:
    ways.write_bundle(tmp_path)
    files = {file.relative_to(tmp_path).as_posix() for file in tmp_path.rglob("*.*")}
    assert {"manifest.json", "pyproject.toml", "icon.png", installed.BUNDLE_START} <= files
    assert {each for each in files if "/player/" in each} == {"src/song_mcp/player/player.html"}
    assert not [each for each in files if "__pycache__" in each]
    pins = tomllib.loads((tmp_path / "pyproject.toml").read_text())["project"]["dependencies"]
    assert all(re.match(r"[\w.-]+==\d", pin) for pin in pins)
    runtime = re.findall(r"^[\w.-]+==", text("requirements/runtime.txt"), re.MULTILINE)
    assert len(pins) == len(runtime)
    where = installed.Surroundings(tmp_path / "src" / "song_mcp", tmp_path / ".venv", paths=())
    assert installed.install(where).kind == "mcpb"


def test_the_registry_is_told_in_its_own_limits() -> None:
    served = ways.server(ADDRESS)
    assert served["name"] == "io.github.you/song-mcp"
    assert len(served["description"]) <= 100
    assert len(served["title"]) <= 100
    secret = {
        each["name"] for each in served["packages"][0]["environmentVariables"] if each["isSecret"]
    }
    assert secret == {each.key_variable for each in SERVICES.values()}


def test_another_host_is_told_by_its_domain() -> None:
    assert metadata.registry_name("https://git.host.example/you/x") == "example.host.git/song-mcp"


def test_the_link_for_vs_code_asks_for_each_key_without_showing_it() -> None:
    scheme, _, added = ways.vs_code_link().partition("?")
    entry = json.loads(unquote(added))
    assert scheme == "vscode:mcp/install"
    assert (entry["name"], entry["command"], entry["args"]) == ("song-mcp", "uvx", ["song-mcp"])
    asked = {f"${{input:{each['id']}}}": each for each in entry["inputs"]}
    assert set(entry["env"].values()) == set(asked)
    assert all(each["password"] for each in asked.values())


def test_the_link_for_cursor_has_an_entry_with_empty_keys() -> None:
    parts = urlsplit(ways.cursor_link())
    given = parse_qs(parts.query)
    entry = json.loads(base64.b64decode(given["config"][0]))
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == (
        "cursor://anysphere.cursor-deeplink/mcp/install"
    )
    assert given["name"] == ["song-mcp"]
    assert entry["command"] == "uvx"
    assert set(entry["env"].values()) == {""}


def test_the_index_is_shown_absolute_links_alone() -> None:
    told = metadata.long_description(text("README.md"), ADDRESS, __version__)
    for target in re.findall(r"\]\(([^)]*)\)", told):
        assert target.startswith("https://"), target
    assert f"({ADDRESS}/blob/v{__version__}/docs/" in told
    assert "![" in told
    assert f"({ADDRESS}/raw/v{__version__}/docs/images/" in told
    assert told.endswith("<!-- mcp-name: io.github.you/song-mcp -->\n")


def test_without_an_address_nothing_names_one() -> None:
    told = metadata.long_description(text("README.md"), "", __version__)
    assert not re.search(r"\]\((?!https?:)", told)
    assert "mcp-name" not in told
    assert metadata.urls("") == {}
    if not metadata.repository(ROOT):
        assert "repository" not in ways.manifest()
        assert "uvx song-mcp" not in ways.links()


def test_nothing_is_published_without_an_address(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ways, "repository", lambda _: "")  # whatever it is now
    assert ways.main("publish-check") == 1
    assert "set `repository`" in capsys.readouterr().err


def test_the_image_has_the_programs_volumes_and_no_root() -> None:
    file = text("packaging/Dockerfile")
    final = file.rpartition("\nFROM ")[2]
    assert f"VOLUME {json.dumps(list(installed.VOLUMES.values()))}" in final
    assert f"{installed.IMAGE}=$IMAGE" in final
    assert "\nUSER 10001:10001\n" in final
    assert "compileall" in file


def test_the_types_are_for_others_too() -> None:
    assert (ROOT / "src" / "song_mcp" / "py.typed").is_file()
    told = set(project()["project"]["classifiers"])
    assert "Typing :: Typed" in told
    assert {f"Programming Language :: Python :: 3.{minor}" for minor in range(11, 16)} <= told
    assert "Operating System :: Microsoft :: Windows" in told
