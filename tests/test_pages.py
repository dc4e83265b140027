"""What the pages tell people: what to type, and where a fact stands."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HEADING = re.compile(r"^#{2,3} (\d+)\.(\d+)? ", re.MULTILINE)
DECISION = re.compile(r"^(\d+)\. \*\*", re.MULTILINE)
NUMBER = re.compile(r"\d+(?:\.\d+)?")
INSTALLS = re.compile(r"^pip install (?P<what>.*)$", re.MULTILINE)


def test_an_installation_takes_the_pinned_packages_alone() -> None:
    """Each with its hash, then the project without looking for more."""
    typed = [found["what"] for found in INSTALLS.finditer(page("install.md"))]
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


LINK = re.compile(r"\]\((?!https?://|mailto:)([^)\s]+)\)")
TITLES = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
LINKING = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as hosts of Markdown make them."""
    text = FENCED.sub("", page.read_text(encoding="utf-8"))
    plain = (re.sub(r"[^\w\- ]", "", title.lower()) for title in TITLES.findall(text))
    return {title.strip().replace(" ", "-") for title in plain}


def leads_nowhere(page: Path, link: str) -> bool:
    name, _, anchor = link.partition("#")
    target = page.parent / name if name else page
    return not target.exists() or bool(anchor and anchor not in anchors(target))


@pytest.mark.parametrize("page", LINKING, ids=lambda page: page.name)
def test_every_link_within_the_project_leads_somewhere(page: Path) -> None:
    text = FENCED.sub("", page.read_text(encoding="utf-8"))
    assert [link for link in LINK.findall(text) if leads_nowhere(page, link)] == []


FORMS = [*(ROOT / ".github" / "ISSUE_TEMPLATE").glob("[!c]*.yml")]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.stem)
def test_a_form_for_issues_has_what_the_host_asks_for(form: Path) -> None:
    """By its lines: a name, a description, and a label for each field; ids are there once."""
    text = form.read_text(encoding="utf-8")
    assert [key for key in ("name", "description", "body") if f"\n{key}:" not in f"\n{text}"] == []
    fields = re.findall(r"^  - type: (\w+)$", text, re.MULTILINE)
    assert set(fields) <= {"markdown", "textarea", "input", "dropdown", "checkboxes"}
    asked = len(fields) - fields.count("markdown")
    ids = re.findall(r"^    id: (\w+)$", text, re.MULTILINE)
    assert len(ids) == len(set(ids)) == asked
    assert len(re.findall(r"^      label: .+$", text, re.MULTILINE)) == asked


def test_who_reports_a_fault_is_asked_for_what_the_doctor_says() -> None:
    asking = {form.stem for form in FORMS if "song-mcp doctor --json" in form.read_text("utf-8")}
    assert asking == {"not_working", "service"}
