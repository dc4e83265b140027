"""Servers that are made quickly: the SDK reads the signature of each prompt and template once.

It reads them for each server anew, which is most of what it costs to make one in a test.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from mcp.server.mcpserver.prompts import Prompt
from mcp.server.mcpserver.resources import ResourceTemplate


@contextmanager
def read_once() -> Iterator[None]:
    """Let them be read once while the context lasts; this patches the SDK's classes."""
    with ExitStack() as stack:
        for kind in (Prompt, ResourceTemplate):
            stack.enter_context(patch.object(kind, "from_function", _remembering(kind)))
        yield


def _remembering(kind: Any) -> Callable[..., Any]:  # noqa: ANN401 - a class with `from_function`
    read, known = kind.from_function, {}

    def once(function: Any, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - as the SDK has it
        key = (function, repr((args, options)))
        if key not in known:
            known[key] = read(function, *args, **options)
        return known[key]

    return once
