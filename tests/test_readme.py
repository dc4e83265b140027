"""What the README tells people to type."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
INSTALLS = re.compile(r"^pip install (?P<what>.*)$", re.MULTILINE)


def test_an_installation_takes_the_pinned_packages_alone() -> None:
    """Each with its hash, then the project without looking for more."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    typed = [found["what"] for found in INSTALLS.finditer(readme)]
    assert typed == ["--require-hashes -r requirements/runtime.txt", "--no-deps ."]
    assert "--hash=sha256:" in (ROOT / "requirements" / "runtime.txt").read_text(encoding="utf-8")
