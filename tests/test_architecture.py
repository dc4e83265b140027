"""The import table of docs/architecture.md, held by reading every import in the source."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "song_mcp"
DOCS = Path(__file__).parent.parent / "docs" / "architecture.md"
EVERYTHING = "everything"
ROW = re.compile(r"^\| `(?P<room>[\w.*]+)` \|(?P<may>[^|]*)\|(?P<owns>[^|]*)\|", re.MULTILINE)


@cache
def rooms() -> dict[str, tuple[set[str], set[str]]]:
    """The table as documented: room -> (what it may import of ours, what it alone may import)."""
    return {
        row["room"]: (
            set(re.findall(r"`([\w.*]+)`", row["may"])) or {row["may"].strip()},
            set(re.findall(r"`([\w.*]+)`", row["owns"])),
        )
        for row in ROW.finditer(DOCS.read_text(encoding="utf-8"))
    }


@cache
def modules() -> list[str]:
    files = sorted(SOURCE.rglob("*.py"))
    names = [".".join(file.relative_to(SOURCE).with_suffix("").parts) for file in files]
    return [name.removesuffix(".__init__") for name in names if name != "__init__"]


def room_of(module: str) -> str:
    candidates = [room for room in rooms() if is_in(module, room)]
    assert candidates, f"{module} is in no room of docs/architecture.md"
    return max(candidates, key=len)


def is_in(module: str, room: str) -> bool:
    prefix = room.removesuffix(".*")
    return module == prefix or (room.endswith(".*") and module.startswith(prefix + "."))


def imports(module: str) -> Iterator[str]:
    """Every module that this one imports anywhere in its text, ours without the package's name."""
    path = SOURCE / Path(*module.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} has a relative import"
            yield from _imported_from(node)


def _imported_from(node: ast.ImportFrom) -> Iterator[str]:
    for alias in node.names:
        name = f"{node.module}.{alias.name}"
        ours = name.removeprefix("song_mcp.")
        yield name if ours in modules() else str(node.module)


def ours(names: Iterator[str]) -> set[str]:
    found = {name for name in names if name.split(".")[0] == "song_mcp"}
    return {name.removeprefix("song_mcp.") for name in found if name != "song_mcp"}


@pytest.mark.parametrize("module", modules())
def test_a_module_imports_only_what_its_room_may(module: str) -> None:
    room = room_of(module)
    may, _ = rooms()[room]
    for imported in ours(imports(module)):
        allowed = EVERYTHING in may or any(is_in(imported, name) for name in may)
        assert allowed or is_in(imported, room), f"{module} may not import {imported}"


@pytest.mark.parametrize("module", modules())
def test_what_one_room_owns_nobody_else_imports(module: str) -> None:
    room = room_of(module)
    owned = {package: owner for owner, (_, owns) in rooms().items() for package in owns}
    for imported in imports(module):
        for package, owner in owned.items():
            if imported == package or imported.startswith(package + "."):
                owners = [name for name, (_, owns) in rooms().items() if package in owns]
                assert room in owners, f"{module} imports {imported}, which {owner} owns"


def test_only_the_settings_read_the_environment() -> None:
    readers = [
        module
        for module in modules()
        if "os.environ[" in text_of(module) or "os.getenv" in text_of(module)
    ]
    assert readers == []


@cache
def text_of(module: str) -> str:
    path = SOURCE / Path(*module.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("module", modules())
def test_no_module_grows_past_550_lines(module: str) -> None:
    assert len(text_of(module).splitlines()) <= 550
