"""Whether a result ever reached its client: told by the line that was written, not by good faith.

Invariant: a result counts as delivered when the line that carries it was written and flushed, and
the client had not hung up. A call that was cancelled, or whose client had gone, delivers nothing,
so that the same request again finds the task instead of paying for another.
"""

import json
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from mcp.server.context import ServerRequestContext
from mcp.types import RequestId

Deliver = Callable[[Sequence[str]], None]
"""Is told the ids of the tasks whose end a client has."""

RESULT = re.compile(r'\{"jsonrpc":"2\.0","id":("(?:[^"\\]|\\.)*"|-?\d+),"result":')
"""The start of a line that carries a result; an error delivers nothing."""
LONGEST_LIST = 1000
"""How many results may wait to be written; those of cancelled calls never are."""


def ended_tasks(structured: Mapping[str, Any] | None) -> list[str]:
    """Give the ids of the tasks whose end this structured content holds."""
    if structured is None:
        return []
    is_list = "tasks" in structured
    tasks = structured["tasks"] if is_list else [structured]
    return [task["task_id"] for task in tasks if _holds_the_end(task, is_list=is_list)]


def _holds_the_end(task: Mapping[str, Any], *, is_list: bool) -> bool:
    """Whether this is the end of a task; a list does not hold the lyrics that were written."""
    is_left_out = is_list and task.get("kind") == "lyrics"
    return task.get("status") in {"completed", "failed"} and not is_left_out


class Expects(Protocol):
    """Who learns when an answer has reached its client: each way of serving has its own."""

    def expect(self, context: ServerRequestContext[Any, Any], task_ids: Sequence[str]) -> None:
        """Take note that the answer to this request will hold the end of these tasks."""


class Deliveries:
    """Matches results with the lines that carry them."""

    def __init__(self, deliver: Deliver) -> None:
        self._deliver = deliver
        self._waiting: OrderedDict[RequestId | None, Sequence[str]] = OrderedDict()

    def expect(self, context: ServerRequestContext[Any, Any], task_ids: Sequence[str]) -> None:
        """Take note that the answer to this request will hold the end of these tasks."""
        self._waiting[context.request_id] = task_ids  # 1 and "1" are two requests
        if len(self._waiting) > LONGEST_LIST:
            self._waiting.popitem(last=False)

    def wrote(self, line: str) -> None:
        """Take note that this line was written to the client, and flushed."""
        if not self._waiting:
            return
        found = RESULT.match(line)
        task_ids = self._waiting.pop(json.loads(found[1]), ()) if found else ()
        if task_ids:
            self._deliver(task_ids)
