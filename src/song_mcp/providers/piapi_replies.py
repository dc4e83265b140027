"""PiAPI's JSON, as lenient models; only `providers.piapi` reads them.

An optional field of a wrong type counts as not known. Nothing here decides anything.
"""

from typing import Annotated, Any

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


class UsageReply(Lenient):
    """Points taken for a task (`docs/providers.md` 1.5)."""

    frozen: Amount = None
    consume: Amount = None


class MetaReply(Lenient):
    """Times and usage of a task."""

    created_at: When = None
    ended_at: When = None
    completed_at: When = None
    usage: Annotated[UsageReply, AsObject] = UsageReply()


class InputReply(Lenient):
    """What PiAPI repeats of the request."""

    continue_song_id: Text = ""
    lyrics: Verse = ""
    prompt: Verse = ""
    gpt_description_prompt: Verse = ""

    @property
    def asked(self) -> str:
        """The lyrics or the description, "" if neither is repeated."""
        return self.lyrics or self.prompt or self.gpt_description_prompt


class ErrorReply(Lenient):
    """Why a task failed (`docs/providers.md` 2.5)."""

    message: Message = ""
    raw_message: Message = ""
    detail: Message = ""


class TaskReply(Lenient):
    """A task as PiAPI describes it; its `config`, which may hold a webhook secret, is not read."""

    status: NeededWord
    model: Word = ""
    task_type: Word = ""
    input: Annotated[InputReply, AsObject] = InputReply()
    output: Any = None
    meta: Annotated[MetaReply, AsObject] = MetaReply()
    error: Any = None
    logs: Any = None
