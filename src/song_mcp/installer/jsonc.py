"""JSON with comments and trailing commas: read, and edited in one place without touching the rest.

Editors keep their settings in it, with the comments of their users. A parser that writes a whole
document anew would lose them, and one that keeps them is more than this: the edit is one piece of
text, put where the reader says that the place is.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

SPACE = re.compile(r"(?:[ \t\r\n]|//[^\r\n]*|/\*.*?\*/)*", re.DOTALL)
STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"')
WORD = re.compile(r"[-+.\w]+")
SAME_LINE = re.compile(r"[ \t]*(?://[^\r\n]*|/\*[^\r\n]*?\*/[ \t]*)*(?=[\r\n])")
REST = re.compile(r"[ \t]*(?:\n|$)")
DEEPEST = 200
"""How deep values may lie in each other."""


@dataclass(frozen=True)
class Node:
    """A value and where it stands in the text; an object has its `members`."""

    value: Any
    start: int
    end: int
    members: tuple["Member", ...] = ()

    def member(self, name: str) -> "Member | None":
        """Return the member of a name, the last one if there are several, as readers do."""
        return next((each for each in reversed(self.members) if each.name == name), None)


@dataclass(frozen=True)
class Member:
    """A member of an object: `start` is where its name begins, `comma` where its comma ends.

    Without a comma that is where its value ends.
    """

    name: str
    start: int
    node: Node
    comma: int

    @property
    def has_comma(self) -> bool:
        """Whether a comma follows."""
        return self.comma > self.node.end


def read(text: str) -> Node:
    """Read a document; raises ValueError with the line at which it stops being one."""
    return _Reader(text).document()


def put(text: str, path: Sequence[str], value: object) -> str:
    """Return the text with a value under a path of names; what else stands there is as it was.

    Raises ValueError if the text is none, or if something on the path is no object.
    """
    node, start = read(text), 0
    for depth, name in enumerate(path):
        if not isinstance(node.value, dict):
            where = ".".join(path[:depth]) or "the whole"
            raise ValueError(f"{where} is not an object")  # noqa: TRY004 - of the file
        member = node.member(name)
        if member is None:
            for outer in reversed(path[depth + 1 :]):
                value = {outer: value}
            return _added(text, node, name, value)
        node = member.node
        start = member.start
    shown = _shown(text, value, _indent_at(text, start))
    return text[: node.start] + shown + text[node.end :]


def without(text: str, path: Sequence[str]) -> str:
    """Return the text without the member at the path; raises ValueError as `put` does."""
    node = read(text)
    for name in path[:-1]:
        member = node.member(name)
        if member is None:
            return text
        node = member.node
    gone = node.member(path[-1])
    return text if gone is None else _removed(text, node, gone)


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def document(self) -> Node:
        node = self.value(0)
        self.space()
        if self.at < len(self.text):
            self.fail("something stands behind the end")
        return node

    def value(self, depth: int) -> Node:
        self.space()
        if depth > DEEPEST:
            self.fail("it is nested too deeply")
        match self.text[self.at : self.at + 1]:
            case "{":
                return self.object(depth)
            case "[":
                return self.array(depth)
            case _:
                return self.plain()

    def object(self, depth: int) -> Node:
        start = self.at
        self.at += 1
        members: list[Member] = []
        while not self.closes("}"):
            if members and not members[-1].has_comma:
                self.fail("a comma is missing")
            began = self.at
            name = self.string()
            self.space()
            self.take(":")
            node = self.value(depth + 1)
            members.append(Member(name, began, node, self.comma(node.end)))
        value = {each.name: each.node.value for each in members}
        return Node(value, start, self.at, tuple(members))

    def array(self, depth: int) -> Node:
        start = self.at
        self.at += 1
        values: list[Any] = []
        goes_on = True
        while not self.closes("]"):
            if not goes_on:
                self.fail("a comma is missing")
            node = self.value(depth + 1)
            values.append(node.value)
            goes_on = self.comma(node.end) > node.end
        return Node(values, start, self.at)

    def plain(self) -> Node:
        found = STRING.match(self.text, self.at) or WORD.match(self.text, self.at)
        if found is None:
            self.fail("a value is missing")
        try:
            value = json.loads(found[0])
        except ValueError:
            self.fail("this is not a value")
        self.at = found.end()
        return Node(value, found.start(), found.end())

    def string(self) -> str:
        if not STRING.match(self.text, self.at):
            self.fail("a name in quotes is missing")
        return str(self.plain().value)

    def closes(self, bracket: str) -> bool:
        self.space()
        if self.at >= len(self.text):
            self.fail(f"the end comes before {bracket}")
        if self.text[self.at] != bracket:
            return False
        self.at += 1
        return True

    def comma(self, end: int) -> int:
        """Pass a comma, and return where it ends; without one, stay and return `end`."""
        self.space()
        if self.text[self.at : self.at + 1] == ",":
            self.at += 1
            return self.at
        self.at = end
        return end

    def take(self, sign: str) -> None:
        if self.text[self.at : self.at + 1] != sign:
            self.fail(f"{sign} is missing")
        self.at += 1

    def space(self) -> None:
        found = SPACE.match(self.text, self.at)
        self.at = found.end() if found else self.at

    def fail(self, what: str) -> NoReturn:
        line = self.text.count("\n", 0, self.at) + 1
        raise ValueError(f"line {line}: {what}")


def _added(text: str, node: Node, name: str, value: object) -> str:
    """Return the text with one more member at the end of an object."""
    if _is_flat(text) and node.members:
        last = node.members[-1]
        shown = f"{json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}"
        between = " " if last.has_comma else ", "
        return text[: last.comma] + between + shown + text[last.comma :]
    outer = _indent_at(text, node.start)
    inner = outer + _unit(text)
    if node.members and _begins_line(text, node.members[-1].start):
        inner = _indent_at(text, node.members[-1].start)
    shown = f"{inner}{json.dumps(name)}: {_shown(text, value, inner)}"
    if not node.members:
        inside = text[node.start + 1 : node.end - 1].rstrip()
        return f"{text[: node.start + 1]}{inside}\n{shown}\n{outer}{text[node.end - 1 :]}"
    last = node.members[-1]
    comma = "" if last.has_comma else ","
    rest = SAME_LINE.match(text, last.comma)
    line_end = rest.end() if rest and rest.end() < node.end else last.comma
    after = "," if last.has_comma else ""
    closing = "" if "\n" in text[line_end : node.end] else f"\n{outer}"
    return (
        f"{text[: last.comma]}{comma}{text[last.comma : line_end]}\n{shown}{after}{closing}"
        f"{text[line_end:]}"
    )


def _removed(text: str, node: Node, gone: Member) -> str:
    """Return the text without a member, its comma and, if it has lines of its own, these lines."""
    start, end = gone.start, gone.comma
    index = node.members.index(gone)
    if index and not gone.has_comma:  # the one before is the last now, and its comma goes
        comma = node.members[index - 1].comma - 1
        text = text[:comma] + text[comma + 1 :]
        start, end = start - 1, end - 1
    line = text.rfind("\n", 0, start) + 1
    rest = REST.match(text, end)
    if not text[line:start].strip() and rest:
        return text[:line] + text[rest.end() :]
    return text[:start].rstrip(" ") + text[end:] if rest or index else text[:start] + text[end:]


def _shown(text: str, value: object, indent: str) -> str:
    """Return a value as JSON, indented as the document is; on one line if all of that is."""
    if _is_flat(text):
        return json.dumps(value, ensure_ascii=False)
    lines = json.dumps(value, ensure_ascii=False, indent=_unit(text)).split("\n")
    return f"\n{indent}".join(lines)


def _is_flat(text: str) -> bool:
    """Tell whether a document that has something stands on one line, as some programs write it."""
    return "\n" not in text.strip() and len(text.split(":", 1)) > 1


def _unit(text: str) -> str:
    """Return by how much the document indents: as its first indented line does."""
    found = re.search(r"^[{\[][ \t]*\r?\n([ \t]+)\S", text, re.MULTILINE)
    return found[1] if found else "  "


def _indent_at(text: str, at: int) -> str:
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return line[: len(line) - len(line.lstrip(" \t"))]


def _begins_line(text: str, at: int) -> bool:
    return not text[text.rfind("\n", 0, at) + 1 : at].strip()
