"""The page on the sandbox names every marker, and no other."""

import re
from pathlib import Path

from song_mcp.sandbox import (
    acestep_answers,
    gptge_account,
    gptge_answers,
    minimax_answers,
    piapi_answers,
)

PAGE = Path(__file__).parents[2] / "docs" / "sandbox.md"


def test_every_marker_is_on_the_page_and_no_other() -> None:
    rows = [
        line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")
    ]
    named = {name for row in rows for name in re.findall(r"`([^`]+)`", row.split("|")[1])}
    known = {
        *piapi_answers.MARKERS,
        *gptge_answers.MARKERS,
        *gptge_account.KEY_MARKERS,
        *minimax_answers.MARKERS,
        *acestep_answers.MARKERS,
    }
    assert named == {name for name in known if not name.startswith("fetch-")}
