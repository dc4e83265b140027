"""What can be changed in a piece of SQL, as it stands in the source with its quotes."""

import re
from collections.abc import Iterator

Change = tuple[int, int, str]
"""From which byte to which, and what stands there instead."""

STATEMENT = re.compile(r"(?:SELECT|UPDATE|DELETE|INSERT|CASE)\b")
IS_SQL = re.compile(
    r"\b(?:SELECT|UPDATE|DELETE FROM|INSERT|WHERE|ORDER BY|BETWEEN)\b|\b(?:AND|OR) [\w.]+ [=<>!I]"
)
NESTED = r"\((?:[^()\"]|\((?:[^()\"]|\([^()\"]*\))*\))*\)"
CONDITION = re.compile(
    # where one begins
    r"(?:\bWHERE\b|\bAND\b|\bOR\b|\bON\b|\bWHEN\b|\(|^f?\"{1,3})\s*"
    # the condition, up to what ends it
    rf"((?::?[\w.?]+ BETWEEN [^\"]+? AND |)(?:[^()\"]|{NESTED})+?)"
    r"(?=\s*(?:\bAND\b|\bOR\b|\bORDER BY\b|\bLIMIT\b|\bTHEN\b|\bDO\b|\)|\"|$))"
)
COMPARED = re.compile(r"(?:[<>!]?=|[<>]|\bIN\b|\bIS\b|\bBETWEEN\b)")
ASSIGNED = re.compile(
    rf"(?:\bSET\b|,)\s+(?P<name>\w+)\s*=\s*(?P<value>(?:[^(),\"]|{NESTED})+?)"
    r"(?=\s*(?:,|\bWHERE\b|\"|$))"
)
SIMPLE: tuple[tuple[str, str], ...] = (
    (r"(?<![<>!])<(?!=)", "<="),
    (r"<=", "<"),
    (r"(?<![<>])>(?!=)", ">="),
    (r">=", ">"),
    (r"!=", "="),
    (r"\bIS NULL\b", "IS NOT NULL"),
    (r"\bIS NOT NULL\b", "IS NULL"),
    (r" DESC\b", ""),
    (r"(?<=ORDER BY )(\w+)(?! DESC|\w)", r"\1 DESC"),
    (r"\bmin\(", "max("),
    (r"\bDISTINCT ", ""),
    (r"\bOR IGNORE ", ""),
)
LISTED = re.compile(r"\bIN \(((?:'\w*'(?:, )?){2,})\)")
LITERAL = re.compile(r"'\w+'")
NUMBER = re.compile(r"(?<![\w?:.])\d+(?![\w.])")


def changed_sql(segment: str) -> Iterator[Change]:
    """Return the changes of a string literal that is SQL; none of one that is not.

    Parameters stay where they are, so that a mutant fails for what it means and not for its form.
    """
    if not IS_SQL.search(segment):
        return
    for start, end, new in _changes(segment):
        yield len(segment[:start].encode()), len(segment[:end].encode()), new


def _changes(text: str) -> Iterator[Change]:
    yield from _conditions(text)
    yield from _assignments(text)
    for pattern, new in SIMPLE:
        for found in re.finditer(pattern, text):
            yield found.start(), found.end(), found.expand(new)
    for found in LISTED.finditer(text):
        yield from _shorter(found)
    for found in LITERAL.finditer(text):
        if not any(a.start() < found.start() < a.end() for a in LISTED.finditer(text)):
            yield found.start(), found.end(), "'mutant'"
    for found in NUMBER.finditer(text):
        yield found.start(), found.end(), str(int(found[0]) + 1)


def _conditions(text: str) -> Iterator[Change]:
    """Each condition as if it always held, or never where it is one of several that may."""
    at = 0
    while found := CONDITION.search(text, at):
        at = found.start(1)  # the next one may begin inside this one
        condition = found[1]
        if COMPARED.search(condition) and not STATEMENT.match(condition):
            is_choice = found[0].startswith("OR") or text[found.end() :].lstrip().startswith("OR ")
            word = "AND 0" if is_choice else "OR 1"
            yield found.start(1), found.end(1), f"({condition} {word})"


def _assignments(text: str) -> Iterator[Change]:
    """Each column that is set, left as it was."""
    for update in re.finditer(r"\bSET\b", text):
        for found in ASSIGNED.finditer(text, update.start()):
            name, value = found["name"], found["value"]
            yield found.start("value"), found.end("value"), f"iif(1, {name}, {value})"


def _shorter(found: re.Match[str]) -> Iterator[Change]:
    """A list of names without each of them in turn."""
    names = re.findall(r"'\w*'", found[1])
    for dropped in names:
        yield found.start(1), found.end(1), ", ".join(name for name in names if name != dropped)
