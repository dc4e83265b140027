"""What a client offers while somebody types a clip, a task or a model.

Invariant: every value offered is accepted where it is offered, and can be read by a person: a title
goes before an id. Asks no service; an argument of another name has no values.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from mcp.types import Completion, CompletionArgument

from song_mcp.shelf import Shelf
from song_mcp.songs import MODELS

MOST = 100
"""How many values the protocol allows in one answer."""


async def complete(shelf: Shelf, argument: CompletionArgument) -> Completion:
    """Give the values for what has been typed of an argument, newest first; at most 100."""
    find = FINDERS.get(argument.name)
    values = await find(shelf, argument.value) if find else ()
    return Completion(values=list(values[:MOST]), total=len(values), has_more=len(values) > MOST)


async def _models(_: Shelf, begun: str) -> Sequence[str]:
    return [name for name in MODELS if begun.casefold() in name]


FINDERS: Mapping[str, Callable[[Shelf, str], Awaitable[Sequence[str]]]] = {
    "clip_id": Shelf.clip_names,
    "task_id": Shelf.task_ids,
    "model": _models,
}
"""By the argument's name, which means the same in every template and prompt."""
