"""PiAPI's JSON, as lenient models; only `providers.piapi` reads them.

An optional field of a wrong type counts as not known. Nothing here decides anything.
"""

from typing import Annotated, Any

from pydantic import BeforeValidator, model_validator
from pydantic.alias_generators import to_camel

from song_mcp.providers.replies import (
    Amount,
    AsObject,
    Lenient,
    Message,
    NeededWord,
    Number,
    Text,
    Verse,
    When,
    Word,
    to_seconds,
)

POINTS_PER_USD = 10_000_000


class WalletReply(Lenient):
    """The points left (`docs/providers.md` 2.8)."""

    point_remain: Number = None


class AccountReply(Lenient):
    """The account behind the key (`docs/providers.md` 2.8)."""

    plan: Word = ""
    equivalent_in_usd: Number = None
    wallet: Annotated[WalletReply, AsObject] = WalletReply()
    max_concurrent_task_count: Amount = None

    @property
    def balance_usd(self) -> float | None:
        """The balance that counts, in US dollars, else the points that are left."""
        points = self.wallet.point_remain
        if self.equivalent_in_usd is not None or points is None:
            return self.equivalent_in_usd
        return points / POINTS_PER_USD


class AnyCase(Lenient):
    """A part of a task, whose names relays also send as `camelCase` (`docs/providers.md` 2.4)."""

    @model_validator(mode="before")
    @classmethod
    def _renamed(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        others = {name: to_camel(name) for name in cls.model_fields if name not in value}
        return value | {name: value[key] for name, key in others.items() if key in value}


class UsageReply(AnyCase):
    """Points taken for a task (`docs/providers.md` 1.5)."""

    frozen: Amount = None
    consume: Amount = None


class MetaReply(AnyCase):
    """Times and usage of a task."""

    created_at: When = None
    ended_at: When = None
    completed_at: When = None
    usage: Annotated[UsageReply, AsObject] = UsageReply()


class InputReply(AnyCase):
    """What PiAPI repeats of the request."""

    continue_song_id: Text = ""
    lyrics: Verse = ""
    prompt: Verse = ""
    gpt_description_prompt: Verse = ""
    style_prompt: Verse = ""
    duration: Annotated[float | None, BeforeValidator(to_seconds)] = None


class ErrorReply(AnyCase):
    """Why a task failed (`docs/providers.md` 2.5)."""

    message: Message = ""
    raw_message: Message = ""
    detail: Message = ""


class TaskReply(AnyCase):
    """A task as PiAPI describes it; its `config`, which may hold a webhook secret, is not read."""

    status: NeededWord
    model: Word = ""
    task_type: Word = ""
    input: Annotated[InputReply, AsObject] = InputReply()
    output: Any = None
    meta: Annotated[MetaReply, AsObject] = MetaReply()
    error: Any = None
    logs: Any = None
