"""YAML: an entry put into a document or taken out, as lines of their own.

ruamel.yaml tells where each value stands, and only our own lines are written: to write a document
anew would move comments away from what they are about.
"""

from collections.abc import Mapping, Sequence
from io import StringIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.nodes import CollectionNode, MappingNode, Node, ScalarNode, SequenceNode

BY_HAND = "it is written in a way that song-mcp does not edit"
STEP = 2


def put(text: str, key: str, name: str, value: Mapping[str, Any], *, is_list: bool) -> str:
    """Return the text with an entry below a key of the document; one that is there is replaced.

    In a list an entry is found by its `name`. Raises ValueError if the document is not one of
    lines, or has something else below the key.
    """
    root = _composed(text)
    entry: Any = [dict(value)] if is_list else {name: dict(value)}
    found = _below(root, key)
    if found is None:
        before = text if not text or text.endswith("\n") else f"{text}\n"
        return f"{before}{key}:\n{_lines(entry, STEP)}"
    label, below = found
    lines = text.splitlines(keepends=True)
    if _is_nothing(below):
        first = label.end_mark.line
        head = lines[first][: label.end_mark.column]
        if below.end_mark.line == first and below.end_mark.column > label.end_mark.column:
            lines[first] = f"{head}:{lines[first][below.end_mark.column :]}"
        return "".join(_inserted(lines, first + 1, _lines(entry, label.start_mark.column + STEP)))
    children = _children(below, is_list=is_list)
    if _is_flow(below) or not children:
        raise ValueError(BY_HAND)
    indent = children[0][1].start_mark.column - (STEP if is_list else 0)
    for child, start in children:
        if _name_of(child, start, is_list=is_list) == name:
            first, last = start.start_mark.line, _last_line(child)
            return "".join(lines[:first]) + _lines(entry, indent) + "".join(lines[last + 1 :])
    return "".join(_inserted(lines, _last_line(children[-1][0]) + 1, _lines(entry, indent)))


def without(text: str, key: str, name: str, *, is_list: bool) -> str:
    """Return the text without the entry; raises ValueError as `put` does."""
    found = _below(_composed(text), key)
    if found is None or _is_flow(found[1]):
        raise ValueError(BY_HAND)
    label, below = found
    lines = text.splitlines(keepends=True)
    children = _children(below, is_list=is_list)
    for child, start in children:
        if _name_of(child, start, is_list=is_list) == name:
            del lines[start.start_mark.line : _last_line(child) + 1]
            if len(children) == 1:
                line, at = label.end_mark.line, label.end_mark.column + 1
                nothing = "[]" if is_list else "{}"
                lines[line] = f"{lines[line][:at]} {nothing}{lines[line][at:]}"
    return "".join(lines)


def _composed(text: str) -> MappingNode | None:
    root = YAML(pure=True).compose(StringIO(text))
    if root is not None and (not isinstance(root, MappingNode) or root.flow_style):
        raise ValueError(BY_HAND)
    return root


def _below(root: MappingNode | None, key: str) -> tuple[Node, Node] | None:
    pairs = root.value if root is not None else []
    return next((pair for pair in pairs if pair[0].value == key), None)


def _is_flow(node: Node) -> bool:
    return isinstance(node, CollectionNode) and bool(node.flow_style)


def _is_nothing(node: Node) -> bool:
    if isinstance(node, ScalarNode):
        return node.value in {"", "~", "null"} and not node.style
    return not node.value


def _children(node: Node, *, is_list: bool) -> list[tuple[Node, Node]]:
    """Return each entry, and the node with which it begins."""
    if is_list and isinstance(node, SequenceNode):
        return [(each, each) for each in node.value]
    if not is_list and isinstance(node, MappingNode):
        return [(value, key) for key, value in node.value]
    raise ValueError(BY_HAND)


def _name_of(child: Node, start: Node, *, is_list: bool) -> str:
    if not is_list:
        return str(start.value)
    found = _below(child, "name") if isinstance(child, MappingNode) else None
    return str(found[1].value) if found else ""


def _last_line(node: Node) -> int:
    """Return the last line of what stands in a value, without the comments behind it."""
    if isinstance(node, ScalarNode) or _is_flow(node) or not node.value:
        mark = node.end_mark
        ends_before = mark.column == 0 and mark.line > node.start_mark.line
        return int(mark.line - ends_before)
    last = node.value[-1]
    return _last_line(last[1] if isinstance(last, tuple) else last)


def _inserted(lines: Sequence[str], at: int, block: str) -> list[str]:
    before = list(lines[:at])
    if before and not before[-1].endswith("\n"):
        before[-1] += "\n"
    return [*before, block, *lines[at:]]


def _lines(value: object, indent: int) -> str:
    yaml = YAML(pure=True)
    yaml.default_flow_style = False
    yaml.width = 2**16
    stream = StringIO()
    yaml.dump(value, stream)
    return "".join(f"{' ' * indent}{line}" for line in stream.getvalue().splitlines(keepends=True))
