"""What a person at a terminal reads speaks of commands and options, never of tools."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from song_mcp import commands, messages
from song_mcp.commands.typed import RULES, typed
from song_mcp.server.tools import TOOLS
from song_mcp.songs import SERVICES
from song_mcp.studio import Action

SOURCE = Path(commands.__file__).parent.parent
TOLD_IN = (
    "errors.py",
    "messages.py",
    "given.py",
    "journal/claims.py",
    "journal/values.py",
    "library/store.py",
    "providers",
    "server/results.py",
    "songs",
    "studio",
)
"""Where sentences are that a command may print."""
NAMES = [entry.function.__name__ for entry in TOOLS]
WORDS = "the user|another_take|get_again|clip_id|task_id|taskId|submit_again"
FOR_ASSISTANTS = re.compile(rf"\b(?:{'|'.join(NAMES)}|{WORDS})\b")
A_SENTENCE = re.compile(r"[a-z]{2,} \S+ \S+")
SQL = re.compile(r"\b(?:SELECT|WHERE|UPDATE|PRAGMA|AND|IS NULL)\b")


def sentences() -> Iterator[str]:
    """Every text in the code that is one for people; what is put in is `{}`."""
    for place in TOLD_IN:
        path = SOURCE / place
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            yield from texts_of(ast.parse(file.read_text(encoding="utf-8")))


def texts_of(tree: ast.Module) -> Iterator[str]:
    skipped = {id(each.value) for each in ast.walk(tree) if isinstance(each, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            skipped |= {id(part) for part in node.values}
            yield "".join(
                str(part.value) if isinstance(part, ast.Constant) else "X1" for part in node.values
            )
        elif isinstance(node, ast.Constant) and id(node) not in skipped:
            yield str(node.value)


MADE_UP = {
    *map(messages.elsewhere, SERVICES),
    messages.unknown_clip("trams"),
    *(f"generate_song with {which} as lyrics." for which in ("this text", "one of these texts")),
}
"""Sentences whose names of tools are put in."""
SENTENCES = sorted(
    MADE_UP | {each for each in sentences() if A_SENTENCE.search(each) and not SQL.search(each)}
)


def test_no_sentence_names_a_tool_or_speaks_of_the_user_at_a_terminal() -> None:
    assert len(SENTENCES) > 300
    assert sum(bool(FOR_ASSISTANTS.search(each)) for each in SENTENCES) > 30
    assert [typed(each) for each in SENTENCES if FOR_ASSISTANTS.search(typed(each))] == []


@pytest.mark.parametrize("pattern", [pattern for pattern, _ in RULES])
def test_every_rule_is_for_a_sentence_that_there_is(pattern: str) -> None:
    assert any(re.search(pattern, each) for each in SENTENCES)


def test_what_says_no_tools_name_stays_as_it_is() -> None:
    said = 'PiAPI refused it: "no". Nothing was charged.'
    assert typed(said) == said


def test_a_sentence_about_a_task_says_what_to_type_for_it() -> None:
    said = typed("Being made: call get_task with this id; do not repeat the request.", "abc-1")
    assert said == "Being made: song-mcp get abc-1 waits for it; do not repeat the request."


def test_the_actions_are_typed_as_the_settle_command_takes_them() -> None:
    assert typed("submit_again pays") == "submit-again pays"
    assert set(get_args(Action)) == {"check", "abandon", "submit_again"}
