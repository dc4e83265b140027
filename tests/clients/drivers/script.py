"""The model of every framework's run, and how a driver is told its work and tells what it saw.

A driver is a program in one of the client environments: it is started with a file that names the
server and the wish, and with the file in which it leaves a `Report`. It imports nothing of ours
but this module, which needs nothing but Python.
"""

import json
import re
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

Json = dict[str, Any]

MOST_CALLS = 40
TASK_ID = re.compile(r"""(?:\b|\\n)(?:song |task_id['"]?: ?['"])([\w-]+)""")


@dataclass(frozen=True)
class Work:
    """What a driver is to do: start this server, and let the model make this song."""

    command: str
    args: list[str]
    env: dict[str, str]
    wish: Json


@dataclass
class Call:
    """A tool call of the model, and what it read of the answer."""

    tool: str
    arguments: Json
    read: str = ""


@dataclass
class Report:
    """The tools as the framework offered them to its model, what the model called, and its end."""

    offered: list[Json] = field(default_factory=list)
    """As the model's service gets them: `name`, `description`, and `parameters`, a schema."""
    calls: list[Call] = field(default_factory=list)
    answer: str = ""


class Script:
    """A model that calls `generate_song`, does what it reads, and answers with the last of it."""

    def __init__(self, wish: Json) -> None:
        self.report = Report()
        self._wish = wish

    def next(self, read: str = "") -> Call | str:
        """Return what the model does after it has `read` the answer to its last call, if any."""
        calls = self.report.calls
        if not calls:
            calls.append(Call("generate_song", self._wish))
            return calls[-1]
        last = calls[-1]
        last.read = read
        if len(calls) > MOST_CALLS:
            return read
        if "try again" in read:
            calls.append(Call(last.tool, reworded(last.arguments)))
        elif "get_task" in read:
            found = TASK_ID.search(read)
            calls.append(Call("get_task", {"task_id": found[1] if found else "last"}))
        else:
            return read
        return calls[-1]

    def offer(self, tools: list[Json]) -> None:
        """Note what the framework offers, which is the same at each turn."""
        self.report.offered = tools


def reworded(arguments: Json) -> Json:
    """Return what a model sends when it is told to try again: the same in other words."""
    words = arguments.get("description")
    return arguments if words is None else {**arguments, "description": f"{words}, fast"}


def work() -> Work:
    """Return what this driver is to do."""
    return Work(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))


def tell(report: Report) -> None:
    """Leave the report where the test looks for it."""
    Path(sys.argv[2]).write_text(json.dumps(asdict(report)), encoding="utf-8")
