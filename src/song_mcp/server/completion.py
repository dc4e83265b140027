"""What a client offers while somebody types a clip, a task or a model.

Invariant: every value offered is accepted where it is offered, and can be read by a person: a title
goes before an id. Asks no service; an argument of another name has no values.
"""

from collections.abc import Sequence

from mcp.types import Completion, CompletionArgument

from song_mcp.songs import MODELS
from song_mcp.studio.catalog import Catalog

MOST = 100
"""How many values the protocol allows in one answer."""
FINDERS = {"clip_id": Catalog.clip_names, "task_id": Catalog.task_ids}
"""By the argument's name, which means the same in every template and prompt."""


async def complete(catalog: Catalog, argument: CompletionArgument) -> Completion:
    """Give the values for what has been typed of an argument, newest first; at most 100."""
    values: Sequence[str] = ()
    total = 0
    if argument.name == "model":
        values = [name for name in MODELS if argument.value.casefold() in name]
        total = len(values)
    elif find := FINDERS.get(argument.name):
        offer = await find(catalog, argument.value, MOST)
        values, total = offer.values, offer.total
    return Completion(values=list(values), total=total, has_more=total > len(values))
