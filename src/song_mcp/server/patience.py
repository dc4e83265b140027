"""How long a call waits: decided here, from what is known of the client that made it.

Many clients cut a call off after 5 or 10 s and tell the model that it timed out; the model then
says the same in other words, and pays again. Few say beforehand how long they wait. A client that
asks for progress can wait. Any other gets the answer to a paid call within `PAID_S`, and to a free
look within `LOOK_S`. If answers reach it after that long, its looks may take longer.

A client that gave a call up is not made to wait so long again:

* if it named a time-out (`notifications/cancelled` has a reason), what it waits at most is known.
  No later call reaches that, not even one with a longer `wait_seconds`: its answer would be lost,
  and that is never what was meant.
* if it cancelled for another reason or none, or hung up, a person may have stopped it. So only
  waits that nobody asked for become shorter, unless the next call ends after the same time: no
  person is that regular.
* older Python clients say nothing and drop the late answer, which cannot be seen. But their next
  call then comes while the last is unanswered, and a client that waits asks nothing meanwhile. If
  it asks the same, that is a time-out.
"""

import math
import re
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from mcp.server.context import ServerRequestContext
from mcp.server.mcpserver import Context
from mcp.server.streamable_http import MCP_SESSION_ID_HEADER
from mcp.shared.dispatcher import coerce_request_id
from mcp.shared.jsonrpc_dispatcher import cancelled_request_id_from_params
from mcp.types import RequestId

from song_mcp.server.clients import sends_progress_token, shows_pages
from song_mcp.songs import ALIKE, Task, likeness
from song_mcp.studio import Call, Studio, current_call

Ctx = ServerRequestContext[Any, Any]
Kind = Literal["song", "lyrics", "look"]
"""What a call does: pay for a song or for lyrics (or join a task that was paid), or look."""

PAID_S = 3.2
"""How long, in seconds, a paid call takes if its client may not wait; with the way there and back
it is answered within 3.5 s."""
LOOK_S = 4.0
"""The same for any other call. Known clients wait 5 s at least."""
LONGER_S = 12.0
"""How long a look takes once an answer reached its client after `LOOK_S`. After one that took so
long, a look takes what is set. Three times as long each time: a client that drops the answer
without a word is then still unanswered when its model asks again."""
PLAYER_S = 4.0
"""How long a paid call takes, in seconds, if the player follows the task: the first look at it is
made 2 s after the submission, and takes a moment."""
LATE_S = 1.5
"""An answer that is written so much later, in seconds, than it had to be may come after its client
has given the call up without a word."""
LEAST_CUT_S = 2.0
"""A cut after less, in seconds, tells nothing of the client: this process was held up."""
CLIENTS = 1024
"""How many clients are remembered; there are no more sessions (`server.http`)."""
REMEMBERED = 20
"""How many calls of a client are remembered."""
WORDS = ("description", "topic", "lyrics", "title")
"""The arguments that say what is wanted."""
CANCELLED = "notifications/cancelled"
WITHOUT_SESSIONS = frozenset({"2026-07-28"})
"""The protocol versions that have no sessions over HTTP."""
TIMED_OUT = re.compile(r"tim(?:ed?|ing)[\s_-]*out|deadline|-32001\b", re.IGNORECASE)
"""A reason that names a time-out. The SDKs write: "McpError: MCP error -32001: Request timed out"
and "Maximum total timeout exceeded" (TypeScript 1), "SdkError: Request timed out" (2),
"TimeoutError: ..." (`AbortSignal.timeout`), "timed out after 5.0s" (Python 2), "request timeout"
(Rust), "context deadline exceeded" (Go). Python 1 sends nothing, and Python 2 "caller cancelled"
also if the caller has a time-out of its own."""


@dataclass
class Client:
    """What is known of how long a client waits, in seconds; it lasts as long as its connection."""

    reached_s: float = 0.0
    """After how long, at most, an answer has reached it."""
    cap_s: float = math.inf
    """What no call may take, as the client cut one off after a little more."""
    guess_s: float = math.inf
    """What no call may take that nobody asked to wait, as the client may have cut one off."""
    is_silent: bool = False
    """Whether it asks the same before it is answered: that it asks for progress tells nothing."""
    last_cut_s: float = 0.0
    """After how long it gave a call up last, without naming a time-out."""
    last_cut_at_s: float = -math.inf
    """When that was."""
    calls: OrderedDict[RequestId, "Turn"] = field(default_factory=OrderedDict)
    """The last calls, answered or not: a client may give one up as its answer is on the way."""

    def look_s(self, usual_s: float) -> float:
        """Return how long a look takes that nobody asked to wait."""
        if self.reached_s < LOOK_S:
            return min(LOOK_S, usual_s)
        return usual_s if self.reached_s >= LONGER_S else min(LONGER_S, usual_s)

    def timed_out(self, after_s: float) -> None:
        """Learn that the client waits no longer than that."""
        if after_s >= LEAST_CUT_S:
            self.cap_s = min(self.cap_s, _below(after_s))

    def gave_up(self, turn: "Turn", now_s: float) -> None:
        """Learn that the client, or a person, waited no longer for this call.

        A person may stop several calls at once.
        """
        after_s = now_s - turn.arrived_s
        if after_s < LEAST_CUT_S:
            return
        is_next = turn.arrived_s >= self.last_cut_at_s
        if is_next and math.isclose(after_s, self.last_cut_s, rel_tol=0.05, abs_tol=0.25):
            self.timed_out(after_s)
        self.last_cut_s, self.last_cut_at_s = after_s, now_s
        self.guess_s = min(self.guess_s, max(LOOK_S, _below(after_s)))

    def asks_again(self, turn: "Turn") -> list["Turn"]:
        """Learn from a call that comes while earlier ones are unanswered; return those given up.

        A model asks nothing while it waits, and calls that it makes at once come at once. In a host
        with pages, the page asks as well. Several chats, or helpers of one assistant, may pay at a
        time for different wishes, but hardly for one, and hardly look at one task.
        """
        late = [] if turn.has_page else [each for each in self.calls.values() if each.is_late(turn)]
        again = [each for each in late if turn.repeats(each, in_any_words=self.is_silent)]
        if again and (self.is_silent or turn.subject[1]):
            self.cap_s = min(self.cap_s, LOOK_S)
        if again:
            self.is_silent = True
        if self.is_silent or any(not each.has_token for each in late):
            self.guess_s = min(self.guess_s, LOOK_S)
        return again

    def remember(self, request_id: RequestId, turn: "Turn") -> None:
        """Remember the newest call."""
        self.calls[request_id] = turn
        self.calls.move_to_end(request_id)
        while len(self.calls) > REMEMBERED:
            self.calls.popitem(last=False)


def _below(seconds: float) -> float:
    """Return what can be waited if a client waits so long: less the way, and its own slowness."""
    return seconds - max(1.0, seconds / 10)


@dataclass(eq=False, kw_only=True)
class Turn(Call):
    """A call of a client: since when it waits, and what its client declared."""

    client: Client
    arrived_s: float
    has_token: bool = False
    has_page: bool = False
    subject: tuple[str, str] = ("", "")
    """The tool, and the task that it is about if it names one."""
    wish: Mapping[str, str] = field(default_factory=dict)
    """What it says that it wants, if it pays."""
    is_unanswered: bool = True
    is_given_up: bool = False

    def is_late(self, later: "Turn") -> bool:
        """Tell whether this one should have been answered before a later one came."""
        is_waited_for = self.is_unanswered and not self.is_given_up
        return is_waited_for and later.arrived_s - self.arrived_s > LOOK_S

    def repeats(self, earlier: "Turn", *, in_any_words: bool) -> bool:
        """Tell whether this one asks for what an earlier one asked for."""
        if self.subject != earlier.subject:
            return False
        return in_any_words or likeness(self.wish, earlier.wish) >= ALIKE


@dataclass(frozen=True)
class Patience:
    """How long a call waits, in seconds, and the client that gets its progress, if it asked."""

    seconds: float
    ctx: Context[Any]
    describe: Callable[[Task], str]

    async def tell(self, elapsed_s: float, task: Task) -> None:
        """Send progress: the seconds so far, without a total, which nobody knows."""
        await self.ctx.report_progress(round(elapsed_s, 1), None, self.describe(task))


def patience(
    ctx: Context[Studio], kind: Kind, wait_seconds: float | None, describe: Callable[[Task], str]
) -> Patience:
    """Return how long the call being answered waits, and let it take no longer than it may."""
    studio, turn = ctx.request_context.lifespan_context, current_call()
    now_s, usual_s = studio.clock.monotonic(), studio.default_wait_s
    if not isinstance(turn, Turn):
        turn = Turn(client=Client(), arrived_s=now_s, has_token=sends_progress_token(ctx))
    waits_s, takes_s = limits(turn, kind, wait_seconds, usual_s)
    turn.ends_at_s = turn.arrived_s + takes_s
    return Patience(max(0.0, min(waits_s, turn.ends_at_s - now_s)), ctx, describe)


def limits(
    turn: Turn, kind: Kind, wait_seconds: float | None, usual_s: float
) -> tuple[float, float]:
    """Return how long a call waits for its task, and how long it takes at most, in seconds.

    The two differ because a call that does not wait still gives a service a moment to answer.
    """
    client = turn.client
    can_wait = turn.has_token and not client.is_silent
    least_s = LOOK_S if kind == "look" else PAID_S
    if wait_seconds is not None:
        waits_s = wait_seconds
    elif can_wait:
        waits_s = min(usual_s, PLAYER_S) if turn.has_page and kind == "song" else usual_s
    elif kind == "look":
        waits_s = min(client.look_s(usual_s), client.guess_s)
    else:
        waits_s = min(PAID_S, usual_s)
    takes_s = math.inf if can_wait else max(waits_s, least_s)
    return min(waits_s, client.cap_s), min(takes_s, client.cap_s)


class Clients:
    """The clients of a server, by their connections, and what each of their calls told of them.

    Over stdio there is one. Over HTTP an older client has a session; of one without, nothing is
    known after its request, since what it calls itself is not who it is.
    """

    def __init__(self, lose: Callable[[Call], None]) -> None:
        """Start with none; `lose` takes each call that a client gave up without saying so."""
        self._lose = lose
        self._clients: OrderedDict[str, Client] = OrderedDict()

    def of(self, ctx: Ctx) -> Client:
        """Return what is known of the client of a request or a notification."""
        key = ""
        if ctx.request is not None:
            key = ctx.request.headers.get(MCP_SESSION_ID_HEADER) or ""
            if not key or ctx.protocol_version in WITHOUT_SESSIONS:
                return Client()
        client = self._clients.setdefault(key, Client())
        self._clients.move_to_end(key)
        if len(self._clients) > CLIENTS:
            self._clients.popitem(last=False)
        return client

    def begin(self, ctx: Ctx, now_s: float) -> Turn:
        """Return the call that a request is, which has just arrived."""
        client = self.of(ctx)
        turn = Turn(
            client=client,
            arrived_s=now_s,
            has_token=sends_progress_token(ctx),
            has_page=shows_pages(ctx),
            subject=_subject(ctx.params or {}),
            wish=_wish(ctx.params or {}),
        )
        for earlier in client.asks_again(turn):
            earlier.is_given_up = True
            self._lose(earlier)
        _, takes_s = limits(turn, "song", 0.0, 0.0)  # until the call says what it is
        turn.ends_at_s = now_s + takes_s
        return turn

    @contextmanager
    def under_way(self, ctx: Ctx, turn: Turn) -> Iterator[None]:
        """Remember this call, which has no answer until then."""
        turn.client.remember(coerce_request_id(ctx.request_id or 0), turn)
        try:
            yield
        finally:
            turn.is_unanswered = False

    def cancelled(self, ctx: Ctx, now_s: float) -> None:
        """Learn from a notification that a client cancelled one of its calls."""
        params = ctx.params or {}
        request_id, client = cancelled_request_id_from_params(params), self.of(ctx)
        turn = None if request_id is None else client.calls.get(coerce_request_id(request_id))
        if turn is None:
            return
        if TIMED_OUT.search(str(params.get("reason", ""))):
            client.timed_out(now_s - turn.arrived_s)
        elif not turn.is_given_up:
            client.gave_up(turn, now_s)
        turn.is_given_up = True


def delivered(call: Call, now_s: float) -> None:
    """Learn that a client has the answer to a call."""
    if isinstance(call, Turn):
        call.client.reached_s = max(call.client.reached_s, now_s - call.arrived_s)


def is_late(call: Call, now_s: float) -> bool:
    """Tell whether the client may have given up this call before its answer was written."""
    return now_s >= call.ends_at_s + LATE_S


def lost(call: Call, now_s: float) -> None:
    """Learn that the answer to a call does not reach its client, which may have hung up."""
    if isinstance(call, Turn) and call.is_unanswered and not call.is_given_up:
        call.is_given_up = True
        call.client.gave_up(call, now_s)


def _subject(params: Mapping[str, Any]) -> tuple[str, str]:
    return str(params.get("name")), str(_arguments(params).get("task_id") or "")


def _wish(params: Mapping[str, Any]) -> Mapping[str, str]:
    """Return the words of a call, before it is known whether they are arguments of its tool."""
    given = {name: _arguments(params).get(name) for name in WORDS}
    return {name: words for name, words in given.items() if isinstance(words, str)}


def _arguments(params: Mapping[str, Any]) -> Mapping[str, Any]:
    arguments = params.get("arguments")
    return arguments if isinstance(arguments, Mapping) else {}
