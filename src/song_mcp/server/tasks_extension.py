"""The tasks extension: a paid call returns a handle at once, and the client polls the handle.

Only a client that declared the extension, in a protocol version that has it, sees any of this. A
handle is sent when the task is in the journal. Asking about it reads the journal alone, so it works
in every process and after any crash, and it never claims more than the journal says.

A tool that begins a paid task asks `wants_handle`. If so, it does not wait, and returns
`begun_result`: an ordinary result with the handle in its metadata, which is sent in its place.
Settling a doubt does not begin a task in this sense: its answer says what was found out and what
became of the money.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.extension import Extension, MethodBinding
from mcp.server.mcpserver import require_client_extension
from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import MCP_NAME_HEADER, decode_header_value
from mcp.types import (
    HEADER_MISMATCH,
    INTERNAL_ERROR,
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    RequestParams,
)

from song_mcp.errors import SongError, UnknownTaskError
from song_mcp.server.adapt import text_result
from song_mcp.server.delivery import ended_tasks, told_tasks
from song_mcp.server.results import as_json, task_answer, task_result, task_text
from song_mcp.songs import SERVICES, Task
from song_mcp.studio import Answer, Call, Handles, Phase, Standing, Studio

Ctx = ServerRequestContext[Any, Any]
Answering = Callable[[Ctx], AbstractAsyncContextManager[Call]]
"""Returns the call that is answered within, for a request. What its answer shows is set on it."""

IDENTIFIER = "io.modelcontextprotocol/tasks"
LISTEN = "subscriptions/listen"
ERAS = frozenset({"2026-07-28"})
"""The protocol versions that have the extension."""
POLL_MS = 5000
"""The time between two questions of a client, in milliseconds; its service is asked as often."""
FIRST_POLL_MS = 2000
"""The same for a task that is being submitted, which takes a short time."""
HANDLE_KEY = "song-mcp/handle"
"""The key in a result's metadata for the handle that is sent in its place."""
WRONG_NAME = f"The {MCP_NAME_HEADER} header must be the taskId of the request."
STATUSES: Mapping[Phase, str] = {"ended": "completed", "unfollowed": "cancelled"}
"""What the extension calls the phases that are not `working`; a failed task is `completed` too."""


class TaskParams(RequestParams):
    """What names a task."""

    task_id: str


class UpdateParams(TaskParams):
    """A client's answers to questions of a task; no task here asks any."""

    input_responses: dict[str, Any]


class TasksExtension(Extension):
    """Answers paid calls with handles, and questions about these handles.

    It is the last to see the result of a tool's call, so it tells what the answer shows. A handle
    never shows the end of a task.
    """

    identifier = IDENTIFIER

    def __init__(self, answering: Answering) -> None:
        self._answering = answering

    def methods(self) -> Sequence[MethodBinding]:
        """Serve tasks/get, tasks/update and tasks/cancel."""
        return (
            MethodBinding("tasks/get", TaskParams, self._get, ERAS),
            MethodBinding("tasks/update", UpdateParams, self._update, ERAS),
            MethodBinding("tasks/cancel", TaskParams, self._cancel, ERAS),
        )

    async def intercept_tool_call(
        self,
        params: CallToolRequestParams,  # noqa: ARG002 - the SDK's signature
        ctx: Ctx,
        call_next: CallNext,
    ) -> HandlerResult:
        """Return the handle if the call began a task and has one, else its result as it is."""
        async with self._answering(ctx) as call:
            result = await call_next(ctx)
            if not isinstance(result, CallToolResult):
                return result
            call.told = told_tasks(result.structured_content)
            handle: HandlerResult = (result.meta or {}).get(HANDLE_KEY)
            if handle is not None:
                return handle
            call.ended = ended_tasks(result.structured_content)
            return result

    async def _get(self, ctx: Ctx, params: TaskParams) -> HandlerResult:
        handles = _checked(ctx, params)
        with _protocol_errors():
            standing = await handles.standing(params.task_id)
        found = _fields(standing) | {"resultType": "complete"}
        if standing.phase != "ended":
            return found
        takes = (standing.task, *standing.others)
        is_error = all(each.status != "completed" for each in takes)
        async with self._answering(ctx) as call:
            answer = Answer(standing.task, others=standing.others)
            result = await task_answer(ctx, answer, is_error=is_error)
            call.told = told_tasks(result.structured_content)
            call.ended = ended_tasks(result.structured_content)
        return found | {"result": result.model_dump(mode="json", by_alias=True, exclude_none=True)}

    async def _update(self, ctx: Ctx, params: UpdateParams) -> HandlerResult:
        """Check that the task exists, and drop the answers: no task asks the client anything."""
        handles = _checked(ctx, params)
        with _protocol_errors():
            await handles.check(params.task_id)
        return {"resultType": "complete"}

    async def _cancel(self, ctx: Ctx, params: TaskParams) -> HandlerResult:
        handles = _checked(ctx, params)
        with _protocol_errors():
            await handles.unfollow(params.task_id)
        return {"resultType": "complete"}


# Calls that begin a task ------------------------------------------------------------------------


def wants_handle(ctx: Ctx) -> bool:
    """Return whether the client of this request declared that it takes handles."""
    capabilities = ctx.session.client_capabilities
    declared = (capabilities.extensions if capabilities else None) or {}
    return ctx.protocol_version in ERAS and IDENTIFIER in declared


def begun_result(studio: Studio, begun: Answer) -> CallToolResult:
    """Return the result of a call that began a task, for a client that takes handles.

    The client is sent the handle alone: the state of the task, and the note of this call.
    """
    standing = studio.handles.standing_of(begun.task)
    message = " ".join(filter(None, (standing.message, begun.note)))
    handle = _fields(replace(standing, message=message)) | {"resultType": "task"}
    result = task_result(begun)
    told = text_result(task_text(result), as_json(result))
    return told.model_copy(update={"meta": {HANDLE_KEY: handle}})


# Who may ask ------------------------------------------------------------------------------------


def _checked(ctx: Ctx, params: TaskParams) -> Handles:
    """Return the studio's handles; raises MCPError if the request must not ask about them."""
    if ctx.request is not None:
        name = decode_header_value(ctx.request.headers.get(MCP_NAME_HEADER))
        if name != params.task_id:
            raise MCPError(code=HEADER_MISMATCH, message=WRONG_NAME)
    require_client_extension(ctx, IDENTIFIER)
    handles: Handles = ctx.lifespan_context.handles
    return handles


@contextmanager
def _protocol_errors() -> Iterator[None]:
    """Turn our errors into those of the protocol."""
    try:
        yield
    except UnknownTaskError as error:
        raise MCPError(code=INVALID_PARAMS, message=str(error)) from None
    except SongError as error:
        raise MCPError(code=INTERNAL_ERROR, message=str(error)) from None


async def listening_declared(ctx: Ctx, call_next: CallNext) -> HandlerResult:
    """Refuse to let a client listen to tasks if it did not declare the extension.

    A client that did is let through. The acknowledgement tells it that there are no notices of
    tasks: it has to poll.
    """
    is_listening = ctx.method == LISTEN and ctx.protocol_version in ERAS
    wanted = (ctx.params or {}).get("notifications") if is_listening else None
    if isinstance(wanted, Mapping) and wanted.get("taskIds"):
        require_client_extension(ctx, IDENTIFIER)
    return await call_next(ctx)


# What the answers hold --------------------------------------------------------------------------


def _fields(standing: Standing) -> dict[str, Any]:
    """Return the fields that a handle and the answers about it have in common."""
    task = standing.task
    fields = {
        "taskId": task.local_id,
        "status": STATUSES.get(standing.phase, "working"),
        "createdAt": _time(task.created_at),
        "lastUpdatedAt": _time(_updated_at(task)),
        "ttlMs": None,
        "pollIntervalMs": FIRST_POLL_MS if _is_quick(task) else POLL_MS,
    }
    return fields | ({"statusMessage": standing.message} if standing.message else {})


def _is_quick(task: Task) -> bool:
    """Tell whether a task is being submitted, and its service answers before the song is made."""
    return task.status == "submitting" and not SERVICES[task.service].answers_with_audio


def _updated_at(task: Task) -> datetime:
    times = (task.created_at, task.looked_at, task.unfollowed_at)
    return max(when for when in times if when is not None)


def _time(when: datetime) -> str:
    stamp = when.astimezone(UTC).isoformat(timespec="milliseconds")
    return stamp.replace("+00:00", "Z")
