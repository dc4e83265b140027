"""What the pages tell people: what to type, and where a fact stands."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
HEADING = re.compile(r"^#{2,3} (\d+)\.(\d+)? ", re.MULTILINE)
DECISION = re.compile(r"^(\d+)\. \*\*", re.MULTILINE)
NUMBER = re.compile(r"\d+(?:\.\d+)?")
INSTALLS = re.compile(r"^pip install (?P<what>.*)$", re.MULTILINE)


def test_an_installation_takes_the_pinned_packages_alone() -> None:
    """Each with its hash, then the project without looking for more."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    typed = [found["what"] for found in INSTALLS.finditer(readme)]
    assert typed == ["--require-hashes -r requirements/runtime.txt", "--no-deps ."]
    assert "--hash=sha256:" in (ROOT / "requirements" / "runtime.txt").read_text(encoding="utf-8")


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def sections() -> list[str]:
    """The numbers of all sections of the page on the services, as they follow each other."""
    return [
        ".".join(filter(None, found.groups())) for found in HEADING.finditer(page("providers.md"))
    ]


def cited() -> Iterator[str]:
    """Every section that code, an example or the page itself refers to."""
    for file in [*(ROOT / "src").rglob("*.py"), *(ROOT / "tests").rglob("*.py")]:
        text = file.read_text(encoding="utf-8")
        for found in re.finditer(r"providers\.md`? ((?:[\d.]+|, | and | to )+)", text):
            yield from NUMBER.findall(found[1])
    for found in re.finditer(r"\(((?:\d\.\d+)(?:, \d\.\d+)*)\)", page("providers.md")):
        yield from found[1].split(", ")
    index = (ROOT / "tests" / "examples" / "index.json").read_text(encoding="utf-8")
    yield from (entry["section"] for entry in json.loads(index))


def test_the_sections_on_the_services_are_numbered_once_and_in_order() -> None:
    numbers = [tuple(map(int, section.split("."))) for section in sections()]
    assert len(numbers) > 50
    assert numbers == sorted(set(numbers))


def test_every_section_that_is_cited_is_there() -> None:
    wanted = set(cited())
    assert len(wanted) > 30
    assert wanted - set(sections()) == set()


def test_the_decisions_are_numbered_from_one_on() -> None:
    numbers = [int(found[1]) for found in DECISION.finditer(page("architecture.md"))]
    assert numbers == list(range(1, len(numbers) + 1))
