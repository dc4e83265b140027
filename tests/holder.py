"""A client that takes handles: what it declares, and how it asks, cancels and waits for the end."""

from collections.abc import Sequence
from typing import Any, Literal

import anyio
from mcp import Client
from mcp.client.extension import ClaimContext, ClientExtension, ResultClaim
from mcp.client.session import ClientSession
from mcp.types import CallToolResult, Request, RequestParams, Result
from pydantic import ConfigDict

from tests.limits import HANGS_S
from tests.waiting import a_moment

Json = dict[str, Any]

IDENTIFIER = "io.modelcontextprotocol/tasks"


class Handle(Result):
    """The answer to a paid call."""

    result_type: Literal["task"]
    task_id: str
    status: str
    status_message: str | None = None
    created_at: str
    last_updated_at: str
    ttl_ms: int | None
    poll_interval_ms: int


class Answered(Result):
    """Any answer to a question about a handle."""

    model_config = ConfigDict(extra="allow")


class TaskParams(RequestParams):
    """Names a task; `input_responses` for tasks/update alone."""

    task_id: str
    input_responses: Json | None = None


class TaskRequest(Request[TaskParams, str]):
    """tasks/get, tasks/update or tasks/cancel."""

    name_param = "taskId"


class Holder(ClientExtension):
    """Declares the extension, and polls the handle of each call to its end by itself."""

    identifier = IDENTIFIER

    def claims(self) -> Sequence[ResultClaim[Handle]]:
        return (ResultClaim(result_type="task", model=Handle, resolve=self._end),)

    async def _end(self, handle: Handle, context: ClaimContext) -> CallToolResult:
        end = await end_of(context.session, handle.task_id)
        return CallToolResult.model_validate(end["result"])


async def begin(client: Client, tool: str, **arguments: Any) -> Handle:  # noqa: ANN401 - JSON
    """Call a tool whose task the client gets a handle of."""
    answer = await client.session.call_tool(tool, arguments, allow_claimed=True)
    assert isinstance(answer, Handle), answer
    return answer


async def ask(session: ClientSession, method: str, task_id: str, **more: Any) -> Json:  # noqa: ANN401
    """Send tasks/get, tasks/update or tasks/cancel; returns the result as it came."""
    params = TaskParams(task_id=task_id, **more)
    answer = await session.send_request(TaskRequest(method=method, params=params), Answered)
    return answer.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude={"meta"})


async def end_of(session: ClientSession, task_id: str) -> Json:
    """Poll until the task is not being worked on any more."""
    with anyio.fail_after(HANGS_S):
        while (found := await ask(session, "tasks/get", task_id))["status"] == "working":
            await a_moment()
    return found
