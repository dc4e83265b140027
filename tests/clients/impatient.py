"""One wish through clients that cut each call: after a time-out the model says it in other words.

Services take a submission slowly, and a song takes as long as real ones. The model calls
`generate_song` in up to three wordings until a call is answered, then `get_task` until it reads
where the file is. What counts is what was paid, and that the song arrives. Run by `make clients`,
which prints how many calls and tokens that took; all clients run at the same time.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from song_mcp.sandbox.app import build_app
from song_mcp.sandbox.serve import running
from song_mcp.sandbox.state import Rules
from tests.faults.scale import report
from tests.house import environment
from tests.voice import beep
from tests.wire.child import Child, started

Json = dict[str, Any]

ACCEPT_S = 6.0
"""How long a service takes to answer a submission."""
SONG_S = 60.0
CLIP_S = 180.0
LIMIT_S = 420.0
MOST_CALLS = 60
WORDINGS = (
    "a slow waltz for two fiddles and a cello, warm, about the first snow",
    "slow waltz about the first snow, warm, two fiddles and a cello",
    "a warm, slow waltz: two fiddles and a cello, about the first snow in town",
)
TIMED_OUT = "The tool call timed out. Please try again."
TASK_ID = re.compile(r"\b(?:local-[0-9a-f]+|[0-9a-f]{8}-[0-9a-f-]{27})\b")


@dataclass(frozen=True)
class Habits:
    """How a client calls: what it cuts, and what the server is told of that."""

    patience_s: float
    wants_progress: bool
    """Whether it sends a progress token."""
    says_so: bool = True
    """Whether it cancels the call that it has cut."""


CLIENTS = {
    "3 s": Habits(3, wants_progress=False),
    "5 s": Habits(5, wants_progress=False),
    "5 s, silent": Habits(5, wants_progress=False, says_so=False),
    "10 s": Habits(10, wants_progress=False),
    "10 s, with progress": Habits(10, wants_progress=True),
    "10 s, silent, with progress": Habits(10, wants_progress=True, says_so=False),
    "60 s": Habits(60, wants_progress=True),
}
"""As they are by default: 5 s in openai-agents, google-adk and autogen-ext, 10 s in agno, 60 s in
the TypeScript SDK. Those on the first Python SDK do not cancel what they cut. No client is known
that cuts after 3 s, or that asks for progress and then cuts without a word."""


@dataclass
class Talk:
    """What the model says through one client, and what it reads."""

    habits: Habits
    child: Child
    calls: int = 0
    cut: int = 0
    bytes: int = 0

    async def call(self, tool: str, **arguments: str) -> str:
        """Call a tool; returns what the model reads."""
        self.calls += 1
        read = await self._answer({"name": tool, "arguments": arguments})
        self.cut += read == TIMED_OUT
        self.bytes += sum(len(text.encode()) for text in (tool, str(arguments), read))
        return read

    async def _answer(self, params: Json) -> str:
        if self.habits.wants_progress:
            params |= {"_meta": {"progressToken": self.calls}}
        request = await self.child.request("tools/call", params)
        with anyio.move_on_after(self.habits.patience_s):
            answer = await self.child.answer(request)
            return "\n".join(block["text"] for block in answer["result"]["content"])
        if self.habits.says_so:
            reason = f"timed out after {self.habits.patience_s}s"
            cancelled = {"requestId": request, "reason": reason}
            await self.child.send({"method": "notifications/cancelled", "params": cancelled})
        return TIMED_OUT


@dataclass
class Outcome:
    """What came of a wish, and what it took."""

    paid: int = 0
    is_delivered: bool = False
    calls: int = 0
    cut: int = 0
    tokens: int = 0


@dataclass
class Outcomes:
    """The outcome of each client, by its name."""

    of: dict[str, Outcome] = field(default_factory=dict)

    async def run(self, name: str, folder: Path) -> None:
        """Let the model of one client make its song, with a service and a server of its own."""
        rules = Rules(clip_seconds=CLIP_S)
        app = build_app(SONG_S, rules=rules, press=beep)
        app.add_middleware(Slowly)
        library = folder / "library"
        async with running(app) as base_url:
            variables = environment(folder, base_url)
            del variables["SONG_MCP_WAIT_SECONDS"]
            async with started(folder, variables) as child:
                await child.hello()
                talk = Talk(CLIENTS[name], child)
                is_delivered = await delivered(talk, library)
                await child.hang_up()
                assert await child.ended() == 0
                assert child.stderr() == ""
        self.of[name] = Outcome(
            len(app.state.sandbox.accepted), is_delivered, talk.calls, talk.cut, talk.bytes // 4
        )


class Slowly:
    """An ASGI app around a service's, which answers what is submitted after a while."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def slowly(message: Message) -> None:
            if scope["method"] == "POST" and message["type"] == "http.response.start":
                await anyio.sleep(ACCEPT_S)
            await send(message)

        await self._app(scope, receive, slowly)


async def delivered(talk: Talk, library: Path) -> bool:
    """Make the song as a model would; returns whether it has read where a file is."""
    read = TIMED_OUT
    for words in WORDINGS:
        if read == TIMED_OUT:
            read = await talk.call("generate_song", description=words)
    task_id = "last"
    while not (found := names_a_file(read, library)) and talk.calls < MOST_CALLS:
        named = TASK_ID.search(read)
        task_id = named[0] if named else task_id
        read = await talk.call("get_task", task_id=task_id)
    return found


def names_a_file(read: str, library: Path) -> bool:
    return any(str(file) in read for file in library.glob("*.mp3"))


@pytest.fixture(scope="module")
async def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    """The outcome of each client; they run side by side, since all they do is wait."""
    outcomes = Outcomes()
    async with anyio.create_task_group() as group:
        for number, name in enumerate(CLIENTS):
            folder = tmp_path_factory.mktemp(f"impatient-{number}")
            group.start_soon(outcomes.run, name, folder)
    for name, one in outcomes.of.items():
        report(
            f"one wish, {name}: {one.paid} paid, {one.calls} calls, {one.cut} cut, "
            f"{one.tokens} tokens{'' if one.is_delivered else ', never delivered'}"
        )
    return outcomes


@pytest.mark.limit(LIMIT_S)
@pytest.mark.xdist_group("impatient")
@pytest.mark.parametrize("name", CLIENTS)
async def test_one_wish_in_three_wordings_is_paid_once_and_arrives(
    outcomes: Outcomes, name: str
) -> None:
    outcome = outcomes.of[name]
    assert outcome.paid == 1
    assert outcome.is_delivered
