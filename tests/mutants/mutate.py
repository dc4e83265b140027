"""What can be changed in a module, one place at a time: operators, constants, statements, SQL.

A mutant is one replaced piece of the source text, so that it can be shown as it would be read, and
nothing else of the file moves. Annotations, decorators, docstrings, log lines and the wording of
messages stay: they are not what decides about money. So do places where a mutant could only crash,
such as the keys of rows and what a constructor remembers: it would be killed by anything.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from tests.mutants.sql import changed_sql

COMPARISONS: dict[type[ast.cmpop], tuple[str, str]] = {
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.Is: (r"is\b", "is not"),
    ast.IsNot: (r"is\s+not\b", "is"),
    ast.In: (r"in\b", "not in"),
    ast.NotIn: (r"not\s+in\b", "in"),
}
ARITHMETIC: dict[type[ast.operator], tuple[str, str]] = {
    ast.Add: (r"\+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: (r"\*", "/"),
    ast.Div: ("/", "*"),
}
WORDS = re.compile(r"[\w./:-]*")
"""Strings of this form are names and values; others are sentences, unless a collection has them."""
UNTOUCHED_FIELDS = frozenset({"annotation", "returns", "decorator_list", "bases", "type_params"})
UNTOUCHED_CALLS = ("logger.", "TypeVar(", "NewType(", "re.compile(", "logging.")


@dataclass(frozen=True)
class Mutant:
    """One changed place: `before` and `after` are its lines, with blanks run together.

    `path` is relative to the package, `scope` the function or constant that the place is in, and
    `text` the whole changed file.
    """

    path: str
    line: int
    scope: str
    before: str
    after: str
    text: bytes

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What the place is known by, wherever its line moves."""
        return self.path, self.scope, self.before, self.after

    def __str__(self) -> str:
        return f"{self.path}:{self.line} in {self.scope}\n    - {self.before}\n    + {self.after}"


def mutants_of(package: Path, path: str) -> list[Mutant]:
    """Return every mutant of the module `path` in the order of its text."""
    text = (package / path).read_bytes()
    found = {mutant.text: mutant for mutant in _Source(path, text).mutants() if _is_python(mutant)}
    found.pop(text, None)
    return sorted(found.values(), key=lambda mutant: mutant.line)


def has_mutants(package: Path, path: str) -> bool:
    """Tell whether the module `path` has any, without making all of them."""
    text = (package / path).read_bytes()
    return any(_is_python(mutant) for mutant in _Source(path, text).mutants())


def _is_python(mutant: Mutant) -> bool:
    try:
        ast.parse(mutant.text)
    except SyntaxError:
        return False
    return True


Change = tuple[int, int, str]
"""From which byte to which, and what stands there instead."""


class _Source:
    def __init__(self, path: str, text: bytes) -> None:
        self._path = path
        self._text = text
        self._starts = [0]
        for line in text.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))

    def mutants(self) -> Iterator[Mutant]:
        yield from self._below(ast.parse(self._text), "module")

    def _below(self, parent: ast.AST, scope: str) -> Iterator[Mutant]:
        for name, value in ast.iter_fields(parent):
            if name in UNTOUCHED_FIELDS or (isinstance(parent, ast.Subscript) and name == "slice"):
                continue
            for node in value if isinstance(value, list) else [value]:
                if isinstance(node, ast.AST) and not self._is_untouched(node):
                    yield from self._of(node, parent, _scope(node, parent, scope))

    def _of(self, node: ast.AST, parent: ast.AST, scope: str) -> Iterator[Mutant]:
        for start, end, instead in self._changes(node, parent, scope):
            yield self._mutant(scope, start, end, instead)
        if not isinstance(node, ast.JoinedStr):  # before 3.12 what is inside has no true position
            yield from self._below(node, scope)

    def _is_untouched(self, node: ast.AST) -> bool:
        """Whether nothing is changed in here: log lines, docstrings, types."""
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            return True
        return isinstance(node, ast.Call) and self._of_node(node).startswith(UNTOUCHED_CALLS)

    def _mutant(self, scope: str, start: int, end: int, instead: str) -> Mutant:
        text = self._text[:start] + instead.encode() + self._text[end:]
        line = self._text.count(b"\n", 0, start) + 1
        before = self._starts[line - 1]
        after = self._text.find(b"\n", end)
        moved = after + len(text) - len(self._text)
        shown = [_flat(self._text[before:after]), _flat(text[before:moved])]
        return Mutant(self._path, line, scope, shown[0], shown[1], text)

    # What can be changed -------------------------------------------------------------------

    def _changes(self, node: ast.AST, parent: ast.AST, scope: str) -> Iterator[Change]:
        match node:
            case ast.Compare():
                yield from self._compared(node)
            case ast.BoolOp():
                yield from self._joined(node)
            case ast.UnaryOp(op=ast.Not()):
                yield self._instead(node, f"({self._of_node(node.operand)})")
            case ast.BinOp() if type(node.op) in ARITHMETIC:
                yield from self._between(node.left, node.right, *ARITHMETIC[type(node.op)])
            case ast.Constant() | ast.JoinedStr():
                yield from self._constant(node, parent)
            case ast.Call():
                yield from self._called(node)
            case ast.ExceptHandler(type=ast.expr() as kind):
                yield self._instead(kind, "()")
            case ast.stmt():
                yield from self._stated(node, scope)
            case _:
                pass
        yield from self._turned(node)

    def _compared(self, node: ast.Compare) -> Iterator[Change]:
        values = pairwise([node.left, *node.comparators])
        for (left, right), operator in zip(values, node.ops, strict=True):
            yield from self._between(left, right, *COMPARISONS[type(operator)])

    def _joined(self, node: ast.BoolOp) -> Iterator[Change]:
        """Each `and` as `or` and the other way round; each part left out."""
        word, other = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
        for left, right in pairwise(node.values):
            yield from self._between(left, right, rf"\b{word}\b", other)
        for dropped in node.values:
            rest = [f"({self._of_node(value)})" for value in node.values if value is not dropped]
            yield self._instead(node, f"({f' {word} '.join(rest)})")

    def _turned(self, node: ast.AST) -> Iterator[Change]:
        """A condition that is a mere value, turned round."""
        tests = [node.test] if isinstance(node, ast.If | ast.IfExp | ast.While) else []
        tests += node.ifs if isinstance(node, ast.comprehension) else []
        for test in tests:
            is_seen_to = isinstance(test, ast.Compare | ast.BoolOp | ast.Constant)
            if not is_seen_to and not (isinstance(test, ast.UnaryOp) and _is_not(test)):
                yield self._instead(test, f"(not ({self._of_node(test)}))")

    def _constant(self, node: ast.Constant | ast.JoinedStr, parent: ast.AST) -> Iterator[Change]:
        value = node.value if isinstance(node, ast.Constant) else ""
        if isinstance(value, bool):
            yield self._instead(node, str(not value))
        elif isinstance(value, int | float):
            yield self._instead(node, repr(value + 1))
        elif isinstance(value, str):
            start, end = self._span(node)
            changes = list(changed_sql(self._of_node(node)))
            yield from ((start + a, start + b, new) for a, b, new in changes)
            if isinstance(parent, ast.Tuple | ast.Set | ast.List):
                yield start, end, "*()"  # one fewer
            elif isinstance(node, ast.Constant) and WORDS.fullmatch(value) and not changes:
                yield start, end, '"mutant"'

    def _called(self, node: ast.Call) -> Iterator[Change]:
        called = self._of_node(node.func)
        if called in {"min", "max"}:
            yield self._instead(node.func, "max" if called == "min" else "min")
        if called == "suppress":
            yield self._instead(node, "suppress()")
        for keyword in node.keywords:
            start, end = self._span(keyword)
            comma = re.match(rb"\s*,", self._text[end:])
            yield start, end + (comma.end() if comma else 0), ""

    def _stated(self, node: ast.stmt, scope: str) -> Iterator[Change]:
        match node:
            case ast.Expr(value=ast.Call() | ast.Await()):
                if not self._of_node(node).startswith(UNTOUCHED_CALLS):
                    yield self._instead(node, "pass")
            case ast.Assign(targets=[ast.Attribute() | ast.Subscript(), *_]) | ast.AugAssign():
                if not scope.endswith("__init__"):
                    yield self._instead(node, "pass")
            case ast.Raise() | ast.Delete():
                yield self._instead(node, "pass")
            case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant):
                yield self._instead(value, "None")
            case ast.Break():
                yield self._instead(node, "continue")
            case ast.Continue():
                yield self._instead(node, "break")
            case _:
                pass

    # Places --------------------------------------------------------------------------------

    def _between(self, left: ast.expr, right: ast.expr, old: str, new: str) -> Iterator[Change]:
        start, end = self._span(left)[1], self._span(right)[0]
        found = re.search(old.encode(), self._text[start:end])
        if found:
            yield start + found.start(), start + found.end(), new

    def _instead(self, node: ast.AST, new: str) -> Change:
        return (*self._span(node), new)

    def _of_node(self, node: ast.AST) -> str:
        start, end = self._span(node)
        return self._text[start:end].decode()

    def _span(self, node: ast.AST) -> tuple[int, int]:
        assert isinstance(node, ast.expr | ast.stmt | ast.keyword), node
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        start = self._starts[node.lineno - 1] + node.col_offset
        return start, self._starts[node.end_lineno - 1] + node.end_col_offset


def _is_not(node: ast.UnaryOp) -> bool:
    return isinstance(node.op, ast.Not)


def _scope(node: ast.AST, parent: ast.AST, scope: str) -> str:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return node.name if scope == "module" else f"{scope}.{node.name}"
    if scope == "module" and isinstance(node, ast.Assign | ast.AnnAssign):
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        return target.id if isinstance(target, ast.Name) else scope
    return scope


def _flat(text: bytes) -> str:
    return " ".join(text.decode().split())
