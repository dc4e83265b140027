"""The tasks extension: a paid call is answered with a handle at once, and the handle is asked.

Invariant: only a client that declared the extension, on a protocol that has it, sees any of this. A
handle is given when the task is in the journal; asking it reads the journal alone, so it works in
every process and after any crash; and it never claims more than the journal knows.

A tool that begins a paid task asks `wants_handle`. If so, it does not wait, and returns
`begun_result`: an ordinary result with the handle in its metadata, which is sent in its place.
Settling a doubt begins no task in this sense: what was found out and what became of the money
belong together.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
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
from song_mcp.server.results import as_json, task_answer, task_result, task_text
from song_mcp.songs import Task
from song_mcp.studio import Answer, Handles, Phase, Standing, Studio

Ctx = ServerRequestContext[Any, Any]
HandOver = Callable[[CallToolResult, Ctx], None]
"""Is given each result that a client is sent, and the request that it answers."""

IDENTIFIER = "io.modelcontextprotocol/tasks"
LISTEN = "subscriptions/listen"
ERAS = frozenset({"2026-07-28"})
"""The protocol versions that have the extension."""
POLL_MS = 5000
"""How often a handle is worth asking, in milliseconds: so often its service is asked."""
FIRST_POLL_MS = 2000
"""The same for a task that is being submitted: what becomes of that shows soon."""
HANDLE = "song-mcp/handle"
"""The key in a result's metadata under which the handle stands that is sent in its place."""
WRONG_NAME = f"The {MCP_NAME_HEADER} header must be the taskId of the request."
STATUSES: Mapping[Phase, str] = {"ended": "completed", "unfollowed": "cancelled"}
"""What the extension calls the phases that are not `working`; a bad end is `completed` too."""


class TaskParams(RequestParams):
    """What names a task."""

    task_id: str


class UpdateParams(TaskParams):
    """What a client answers to questions of a task; no task here asks any."""

    input_responses: dict[str, Any]


class TasksExtension(Extension):
    """Answers paid calls with handles, and those who ask them.

    It is the last to see what a tool's call is answered with, so it tells `hand_over` of each
    result that is sent. A handle holds the end of no task, so of a handle nobody is told.
    """

    identifier = IDENTIFIER

    def __init__(self, hand_over: HandOver) -> None:
        self._hand_over = hand_over

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
        """Answer a call that began a task with its handle, and every other one as ever."""
        result = await call_next(ctx)
        if not isinstance(result, CallToolResult):
            return result
        handle: HandlerResult = (result.meta or {}).get(HANDLE)
        if handle is not None:
            return handle
        self._hand_over(result, ctx)
        return result

    async def _get(self, ctx: Ctx, params: TaskParams) -> HandlerResult:
        handles = _checked(ctx, params)
        with _protocol_errors():
            standing = await handles.standing(params.task_id)
        found = _fields(standing) | {"resultType": "complete"}
        if standing.phase != "ended":
            return found
        is_error = standing.task.status != "completed"
        result = await task_answer(ctx.lifespan_context, Answer(standing.task), is_error=is_error)
        self._hand_over(result, ctx)
        return found | {"result": result.model_dump(mode="json", by_alias=True, exclude_none=True)}

    async def _update(self, ctx: Ctx, params: UpdateParams) -> HandlerResult:
        """Take note of answers to nothing: no task of ours asks the client anything."""
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
    """Return the result of a call that began a task for a client that takes handles.

    The client is sent the handle alone: how the task stands, and what the person should know
    about this very call.
    """
    standing = studio.handles.standing_of(begun.task)
    message = " ".join(filter(None, (standing.message, begun.note)))
    handle = _fields(replace(standing, message=message)) | {"resultType": "task"}
    result = task_result(begun)
    told = text_result(task_text(result), as_json(result))
    return told.model_copy(update={"meta": {HANDLE: handle}})


# Who may ask ------------------------------------------------------------------------------------


def _checked(ctx: Ctx, params: TaskParams) -> Handles:
    """Return what answers a handle's holder; raises MCPError if the request is not right."""
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
    """Refuse to let a client listen to tasks that did not declare the extension.

    One that did is let through, and told by the acknowledgement that no notices of tasks are sent:
    a handle is asked.
    """
    is_listening = ctx.method == LISTEN and ctx.protocol_version in ERAS
    wanted = (ctx.params or {}).get("notifications") if is_listening else None
    if isinstance(wanted, Mapping) and wanted.get("taskIds"):
        require_client_extension(ctx, IDENTIFIER)
    return await call_next(ctx)


# What is answered -------------------------------------------------------------------------------


def _fields(standing: Standing) -> dict[str, Any]:
    """Return the fields that a handle and its answers have in common."""
    task = standing.task
    fields = {
        "taskId": task.local_id,
        "status": STATUSES.get(standing.phase, "working"),
        "createdAt": _time(task.created_at),
        "lastUpdatedAt": _time(_updated_at(task)),
        "ttlMs": None,
        "pollIntervalMs": FIRST_POLL_MS if task.status == "submitting" else POLL_MS,
    }
    return fields | ({"statusMessage": standing.message} if standing.message else {})


def _updated_at(task: Task) -> datetime:
    times = (task.created_at, task.looked_at, task.unfollowed_at)
    return max(when for when in times if when is not None)


def _time(when: datetime) -> str:
    stamp = when.astimezone(UTC).isoformat(timespec="milliseconds")
    return stamp.replace("+00:00", "Z")
