"""The lists that people read are those of the program: models, keys, tools, settings, commands."""

import argparse
import inspect
import json
import os
import re
import shlex
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from song_mcp.commands import COMMANDS
from song_mcp.installer import CLIENTS
from song_mcp.server import guides, player, prompts, tools
from song_mcp.settings import Settings
from song_mcp.songs import SERVICES, Model, Service

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
DOCS = ROOT / "docs"
PAGES = [README, *(ROOT / f"{each}.md" for each in ("CONTRIBUTING", "SECURITY"))]
PAGES += sorted(DOCS.glob("*.md"))
FOR_PEOPLE = [each for each in PAGES if each.name not in {"architecture.md", "providers.md"}]

KEY_AT = {
    "piapi": "sign up at [piapi.ai](https://piapi.ai); the workspace there has the key",
    "gptge": "sign up at [api.gpt.ge](https://api.gpt.ge); the console there has the key",
    "minimax": "sign up at [platform.minimax.io](https://platform.minimax.io), then API Keys",
    "acestep": "no key: [your own machine](docs/settings.md#ace-step-on-your-own-machine)",
}
"""Where a person gets the key of each service."""


def price(model: Model) -> str:
    """Return what a song of a model costs, in words."""
    if model.is_free:
        return "free"
    if model.usd_per_second is not None:
        return f"${60 * model.usd_per_second:.2f} a minute"
    if model.usd is None:
        return "the price is in the service's own list"
    return f"${model.usd:.2f}" + (f" for {model.clips} takes" if model.clips > 1 else "")


def prices(service: Service) -> str:
    """Return the prices of a service's models that work, those of one price together."""
    by_price: dict[str, list[str]] = {}
    for model in service.models:
        if model.state != "retired":
            by_price.setdefault(price(model), []).append(f"`{model.name}`")
    return "; ".join(f"{', '.join(names)}: {said}" for said, names in by_price.items())


def keys() -> str:
    """Return the table of keys: service, variable, where the key is from, what a song costs."""
    head = "| service | variable | where the key is from | a song costs |\n|---|---|---|---|\n"
    return head + "\n".join(
        f"| {each.label} | `{each.switch}` | {KEY_AT[each.name]} | {prices(each)} |"
        for each in SERVICES.values()
    )


def written(name: str, table: str, page: Path) -> tuple[str, str]:
    """Return a page and what it would be with this table; with UPDATE_SNAPSHOTS=1, write it."""
    begin = f"<!-- {name}: written by UPDATE_SNAPSHOTS=1 pytest tests/test_readme.py -->\n"
    end = f"<!-- end of {name} -->"
    text = page.read_text(encoding="utf-8")
    before, opens, rest = text.partition(begin)
    _, closes, after = rest.partition(end)
    assert opens
    assert closes
    current = f"{before}{begin}\n{table}\n\n{end}{after}"
    if os.environ.get("UPDATE_SNAPSHOTS") == "1":
        page.write_text(current, encoding="utf-8")
    return page.read_text(encoding="utf-8"), current


def test_the_table_of_models_is_that_of_the_program() -> None:
    text, current = written("models", guides.table(), DOCS / "models.md")
    assert text == current


def test_the_table_of_keys_has_every_service_with_its_prices() -> None:
    text, current = written("keys", keys(), README)
    assert text == current


def rows(page: Path, heading: str) -> Iterator[list[str]]:
    """Yield the cells of the rows of the first table below a heading."""
    _, _, rest = page.read_text(encoding="utf-8").partition(f"\n## {heading}\n")
    assert rest, f"{page.name} has no {heading}"
    section = re.split(r"^## ", rest, maxsplit=1, flags=re.MULTILINE)[0]
    table = [line for line in section.splitlines() if line.startswith("|")]
    for line in table[2:]:
        yield [cell.strip() for cell in line.strip("|").split("|")]


def shown() -> dict[str, tools.ToolEntry]:
    """Return the tools that a person can have called: all but those of the player's page."""
    return {
        each.function.__name__: each for each in tools.TOOLS if each.page != player.FOR_THE_PAGE
    }


def test_the_readme_lists_every_tool_and_whether_it_costs() -> None:
    said = {name.strip("`"): cost for name, cost, _ in rows(README, "Tools")}
    is_paid = {name: each.annotations == tools.PAID for name, each in shown().items()}
    assert said == {name: "paid" if paid else "free" for name, paid in is_paid.items()}


def test_the_page_on_tools_describes_every_tool_and_whether_it_costs() -> None:
    page = (DOCS / "tools.md").read_text(encoding="utf-8")
    said = dict(re.findall(r"^### `(\w+)`\n\n(Paid|Free)", page, re.MULTILINE))
    is_paid = {name: each.annotations == tools.PAID for name, each in shown().items()}
    assert said == {name: "Paid" if paid else "Free" for name, paid in is_paid.items()}


def test_every_example_names_arguments_that_its_tool_has() -> None:
    page = (DOCS / "tools.md").read_text(encoding="utf-8")
    sections = re.findall(r"^### `(\w+)`\n(.*?)(?=^##)", page, re.MULTILINE | re.DOTALL)
    assert len(sections) == len(shown())
    for name, section in sections:
        examples = re.findall(r"^```json\n(.*?)```", section, re.MULTILINE | re.DOTALL)
        assert examples, name
        known = set(inspect.signature(shown()[name].function).parameters)
        assert [each for each in examples if set(json.loads(each)) - known] == [], name


def test_the_page_on_resources_lists_every_prompt() -> None:
    said = [name.strip("`") for name, _ in rows(DOCS / "resources.md", "Prompts")]
    assert said == [each.function.__name__ for each in prompts.PROMPTS]


def variables() -> set[str]:
    return {str(field.validation_alias) for field in Settings.model_fields.values()}


def test_every_setting_is_on_its_page() -> None:
    page = (DOCS / "settings.md").read_text(encoding="utf-8")
    assert [name for name in sorted(variables()) if f"| `{name}` |" not in page] == []


def test_the_readme_names_settings_that_there_are() -> None:
    said = [name.strip("`") for name, _ in rows(README, "Settings")]
    assert len(said) >= 5
    assert set(said) - variables() == set()


OURS = re.compile(r"\b(?:SONG_MCP|PIAPI|GPTGE|MINIMAX|ACESTEP)_[A-Z_]+\b")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_names_a_setting_that_there_is_not(page: Path) -> None:
    found = set(OURS.findall(page.read_text(encoding="utf-8")))
    assert found - variables() == set()


BLOCK = re.compile(r"^```(sh|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"(?:\w+=\S+ |\S+/)*song-mcp ([a-z][a-z-]*)")


def typed(page: Path) -> Iterator[str]:
    """Yield each line that a page shows as typed in a terminal, and all code within lines."""
    text = page.read_text(encoding="utf-8")
    for kind, block in BLOCK.findall(text):
        lines = block.splitlines()
        yield from lines if kind == "sh" else (each[2:] for each in lines if each[:2] == "$ ")
    yield from INLINE.findall(FENCED.sub("", text))


@pytest.mark.parametrize("page", FOR_PEOPLE, ids=lambda page: page.name)
def test_no_page_names_a_command_that_there_is_not(page: Path) -> None:
    lines = map(NAMED.match, typed(page))
    named = {found[1] for found in lines if found}
    assert named - set(COMMANDS) == set()


@pytest.mark.parametrize("page", FOR_PEOPLE, ids=lambda page: page.name)
def test_what_a_page_shows_of_a_command_can_be_typed(page: Path) -> None:
    """Its options are there, and its arguments are taken."""
    for line in typed(page):
        found = NAMED.match(line)
        if not found or found[1] not in COMMANDS or "[" in line:  # a pattern
            continue
        module = import_module(f"song_mcp.commands.{found[1]}")
        parser = argparse.ArgumentParser(exit_on_error=False)
        module.add_arguments(parser)
        _, _, rest = line.partition(f"song-mcp {found[1]}")
        parser.parse_args(shlex.split(rest, comments=True))


def test_the_readme_names_clients_that_install_knows() -> None:
    cells = [row[1].strip("`") for row in rows(README, "Get it")]
    known = [each for each in CLIENTS if any(f"song-mcp install {each}" in cell for cell in cells)]
    assert len(known) >= 4
    more = {10: "ten", 11: "eleven", 12: "twelve"}[len(CLIENTS) - len(known)]
    assert f"| [{more} more](docs/clients.md) |" in README.read_text(encoding="utf-8")


def test_every_command_is_on_its_page() -> None:
    page = (DOCS / "commands.md").read_text(encoding="utf-8")
    assert [name for name in COMMANDS if f"`song-mcp {name}" not in page] == []


TARGET = re.compile(r"^([a-z-]+):.*## ", re.MULTILINE)


PATH = re.compile(r"(?:[\w.-]+/)*[\w-]+\.(?:py|ts|toml|json|yml|md|txt|mjs)\b")


def test_every_file_that_the_page_for_contributors_names_is_there() -> None:
    named = {each for line in typed(ROOT / "CONTRIBUTING.md") for each in PATH.findall(line)}
    ours = [ROOT / below for below in ("", "src/song_mcp", "tests", "docs", "requirements")]
    gone = {each for each in named if not any((top / each).exists() for top in ours)}
    files = {
        path.name for path in (ROOT / "tests").rglob("*.*") if "node_modules" not in path.parts
    }
    assert gone - files == set()


def test_a_command_that_picks_tests_by_a_word_finds_some() -> None:
    picks = re.compile(r"pytest (\S+) -k (\w+)")
    lines = typed(ROOT / "CONTRIBUTING.md")
    found = [match.groups() for match in map(picks.search, lines) if match]
    assert found
    for file, word in found:
        names = re.findall(r"def (test_\w+)", (ROOT / file).read_text(encoding="utf-8"))
        assert [name for name in names if word in name], f"-k {word} picks none in {file}"


def test_clean_removes_what_the_targets_and_the_demo_make() -> None:
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").split("\n\n")
    made = [part for part in ignored if part.startswith(("# Made by the M", "# Made by the demo"))]
    names = [line.strip("/") for part in made for line in part.splitlines()[1:]]
    assert "song-mcp-demo" in names
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    _, _, recipe = makefile.partition("\nclean:")
    assert [name for name in names if not re.search(rf"(?<=[ /]){re.escape(name)}\s", recipe)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_target_that_a_page_names_is_there(page: Path) -> None:
    there = set(TARGET.findall((ROOT / "Makefile").read_text(encoding="utf-8")))
    found = (re.match(r"make ([a-z-]+)", line) for line in typed(page))
    assert {each[1] for each in found if each} - there == set()


def test_every_make_target_is_told_on_some_page() -> None:
    there = set(TARGET.findall((ROOT / "Makefile").read_text(encoding="utf-8")))
    found = (re.match(r"make ([a-z-]+)", line) for page in PAGES for line in typed(page))
    assert there - {each[1] for each in found if each} == {"help"}
