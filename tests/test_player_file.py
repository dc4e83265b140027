"""The player's one file is built from the sources beside it, and is all that the package has."""

import hashlib
import re
import sys
from pathlib import Path
from zipfile import ZipFile

from tests import children

PLAYER = Path(__file__).parents[1] / "src" / "song_mcp" / "player"
BUILT = PLAYER / "player.html"
SOURCE = re.compile(r"\.(ts|css|mjs)$|^index\.html$|^package-lock\.json$")
"""As in build.mjs, which writes the digest."""


def test_the_page_is_built_from_the_sources_beside_it() -> None:
    digest = hashlib.sha256()
    for path in sorted(PLAYER.iterdir()):
        if SOURCE.search(path.name):
            digest.update(f"{path.name}\0{path.read_text(encoding='utf-8')}\0".encode())
    assert f"sources sha256:{digest.hexdigest()}" in page(), "run `make player` and commit it"


def test_the_page_is_one_small_file_that_loads_nothing() -> None:
    assert BUILT.stat().st_size < 400_000
    markup = re.sub(r"<script>.*?</script>|<!--.*?-->", "", page(), flags=re.DOTALL)
    assert page().count("<script>") == 1
    assert not re.search(r"\b(src|href|url|import)\b", markup.replace("<script>", ""))


def test_the_sources_make_no_markup_of_text_and_fetch_nothing() -> None:
    for path in PLAYER.glob("*.ts"):
        code = path.read_text(encoding="utf-8")
        forbidden = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|\bfetch\("
        assert not re.search(forbidden, code), path.name
        assert len(code.splitlines()) <= 400, path.name


def test_the_lock_names_no_host() -> None:
    lock = (PLAYER / "package-lock.json").read_text(encoding="utf-8")
    assert '"resolved"' not in lock
    assert "registry" not in lock


def test_a_wheel_has_the_page_and_none_of_its_sources(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    children.run(build, cwd=PLAYER.parents[2], capture_output=True)
    with ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        packed = [name for name in wheel.namelist() if "/player/" in name]
    assert packed == ["song_mcp/player/player.html"]


def page() -> str:
    return BUILT.read_text(encoding="utf-8")
