"""The table of packages in docs/architecture.md, held by reading every import in the source."""

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "song_mcp"
DOCS = ROOT / "docs" / "architecture.md"
ROW = re.compile(r"^\| `(?P<package>\w+)` \|(?P<ours>[^|]*)\|(?P<others>[^|]*)\|$", re.MULTILINE)
GUARDED = {"sqlite3"}
"""What of the standard library has an owner too."""


@dataclass(frozen=True)
class Import:
    """An import in a file below src/song_mcp: its package, and what it takes from which module."""

    file: str
    package: str
    module: str
    name: str

    @property
    def parts(self) -> list[str]:
        """The module's path, without `song_mcp` if it is ours."""
        return self.module.split(".")


def package_of(file: Path) -> str:
    return file.relative_to(SOURCE).with_suffix("").parts[0]


@cache
def imports() -> list[Import]:
    files = [file for file in sorted(SOURCE.rglob("*.py")) if package_of(file)[:2] != "__"]
    return [found for file in files for found in imports_of(file)]


def imports_of(file: Path) -> Iterator[Import]:
    name, package = str(file.relative_to(SOURCE)), package_of(file)
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(name, package, alias.name, "")
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} has a relative import"
            for alias in node.names:
                yield Import(name, package, str(node.module), alias.name)


def ours() -> list[Import]:
    """The imports of one of our packages from another, `module` without `song_mcp`."""
    found = []
    for each in imports():
        if each.parts[0] != "song_mcp":
            continue
        path = [*each.parts[1:], each.name]
        if path[0] not in {each.package, "", "__version__"}:
            module = ".".join(path[:-1]) or path[0]
            found.append(Import(each.file, each.package, module, path[-1]))
    return found


def others() -> list[Import]:
    known = sys.stdlib_module_names - GUARDED
    return [each for each in imports() if each.parts[0] not in {"song_mcp", *known}]


@cache
def table() -> dict[str, tuple[set[str], set[str]]]:
    """The table as documented: package -> (which of ours, and which of others it may import)."""
    return {
        row["package"]: (names_in(row["ours"]), names_in(row["others"]))
        for row in ROW.finditer(DOCS.read_text(encoding="utf-8"))
    }


def names_in(cell: str) -> set[str]:
    return set(re.findall(r"`(\w+)`", cell))


def packages() -> set[str]:
    found = {file.stem for file in SOURCE.glob("*.py") if not file.stem.startswith("__")}
    return found | {file.parent.name for file in SOURCE.glob("*/__init__.py")}


def test_the_table_has_every_package_and_no_other() -> None:
    assert set(table()) == packages()


@pytest.mark.parametrize("package", sorted(packages()))
def test_a_package_imports_what_the_table_grants_and_all_of_it(package: str) -> None:
    granted, granted_others = table()[package]
    used = {each.parts[0] for each in ours() if each.package == package}
    assert used == granted
    assert {each.parts[0] for each in others() if each.package == package} == granted_others


def test_the_packages_stand_on_floors_without_a_circle() -> None:
    above, below = set(table()), set[str]()
    while above:
        floor = {package for package in above if table()[package][0] <= below}
        assert floor, f"a circle among {sorted(above)}"
        above, below = above - floor, below | floor


@pytest.mark.parametrize(
    "package", sorted(file.parent.name for file in SOURCE.glob("*/__init__.py"))
)
def test_a_package_says_what_it_is_for_and_which_names_others_may_use(package: str) -> None:
    module = import_module(f"song_mcp.{package}")
    assert module.__doc__
    assert len(module.__doc__.splitlines()) > 3, "what it is for and what it promises"


def test_nothing_reaches_past_the_names_that_a_package_offers() -> None:
    past = []
    for each in ours():
        package, *inside = each.parts
        if not (SOURCE / package / "__init__.py").exists():
            continue
        offered = import_module(f"song_mcp.{package}").__all__
        if (inside[0] if inside else each.name) not in offered:
            past.append(f"{each.file} takes {each.name} from {each.module}")
    assert past == []


def test_nothing_is_offered_that_nobody_takes() -> None:
    taken: dict[str, set[str]] = {}
    for each in ours():
        package, *inside = each.parts
        taken.setdefault(package, set()).add(inside[0] if inside else each.name)
    for file in SOURCE.glob("*/__init__.py"):
        package = file.parent.name
        unused = set(import_module(f"song_mcp.{package}").__all__) - taken.get(package, set())
        assert unused == set(), f"{package} offers names that nobody outside imports"


def test_only_the_settings_read_the_environment() -> None:
    for file in SOURCE.rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        assert "os.environ[" not in text, file
        assert "os.getenv" not in text, file
