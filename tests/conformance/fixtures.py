"""The tools, resources and prompts that the conformance suite asks for by name.

They do what the suite expects and have nothing to do with songs. Registered on the real server,
they make the suite test our arguments, errors, schemas and transport.
"""

import base64
import json
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.prompts.base import UserMessage
from mcp.shared.exceptions import MCPError
from mcp.types import (
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    AudioContent,
    CallToolResult,
    CreateMessageRequest,
    CreateMessageRequestParams,
    CreateMessageResult,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    EmbeddedResource,
    ImageContent,
    InputRequest,
    InputRequiredResult,
    ListRootsRequest,
    ListRootsResult,
    SamplingMessage,
    TextContent,
    TextResourceContents,
)
from pydantic import BaseModel, Field

from song_mcp.server.tools import TaskToolResult, generate_song

Ctx = Context[Any, Any]
Asked = str | InputRequiredResult
Json = dict[str, Any]

PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5E"
    "rkJggg=="
)
SILENCE = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAA="


# Content -------------------------------------------------------------------------------------


def test_simple_text() -> str:
    """Returns a text."""
    return "This is a simple text response for testing."


def test_image_content() -> list[ImageContent]:
    """Returns an image."""
    return [_image()]


def test_audio_content() -> list[AudioContent]:
    """Returns a sound."""
    return [AudioContent(type="audio", data=SILENCE, mime_type="audio/wav")]


def test_embedded_resource() -> list[EmbeddedResource]:
    """Returns a resource within the result."""
    return [_embedded("test://embedded-resource", "This is an embedded resource content.")]


def test_multiple_content_types() -> list[TextContent | ImageContent | EmbeddedResource]:
    """Returns a text, an image and a resource."""
    return [
        TextContent(type="text", text="Multiple content types test:"),
        _image(),
        EmbeddedResource(
            type="resource",
            resource=TextResourceContents(
                uri="test://mixed-content-resource",
                mime_type="application/json",
                text='{"test": "data", "value": 123}',
            ),
        ),
    ]


def test_error_handling() -> str:
    """Fails."""
    raise ToolError("This tool intentionally returns an error for testing")


def _image() -> ImageContent:
    return ImageContent(type="image", data=PIXEL, mime_type="image/png")


def _embedded(uri: str, text: str) -> EmbeddedResource:
    contents = TextResourceContents(uri=uri, mime_type="text/plain", text=text)
    return EmbeddedResource(type="resource", resource=contents)


# Notices and questions while a tool runs -----------------------------------------------------


async def test_tool_with_progress(ctx: Ctx) -> str:
    """Tells of its progress three times."""
    for done in (0, 50, 100):
        await ctx.report_progress(done, 100, f"Completed step {done} of 100")
    return "done"


async def test_sampling(prompt: str, ctx: Ctx) -> str:
    """Has the client's model answer a prompt."""
    answer = await ctx.session.create_message(
        messages=[SamplingMessage(role="user", content=_text(prompt))],
        max_tokens=100,
        related_request_id=ctx.request_id,
    )
    return f"LLM response: {answer.content.text if answer.content.type == 'text' else ''}"


class Response(BaseModel):
    """What the user is asked for."""

    response: str = Field(description="User's response")


async def test_elicitation(message: str, ctx: Ctx) -> str:
    """Asks the user for a word."""
    return await _elicited(ctx, message, Response)


class Defaults(BaseModel):
    """One field of each primitive type, each with a default."""

    name: str = Field(default="John Doe", description="User name")
    age: int = Field(default=30, description="User age")
    score: float = Field(default=95.5, description="User score")
    status: str = Field(
        default="active",
        description="User status",
        json_schema_extra={"enum": ["active", "inactive", "pending"]},
    )
    verified: bool = Field(default=True, description="Verification status")


async def test_elicitation_sep1034_defaults(ctx: Ctx) -> str:
    """Asks the user for values that have defaults."""
    return await _elicited(ctx, "Please provide user information", Defaults)


class Choices(BaseModel):
    """All ways of describing a choice."""

    untitledSingle: str = Field(  # noqa: N815 - the suite's name, as those below
        description="Simple enum without titles",
        json_schema_extra={"enum": ["active", "inactive", "pending"]},
    )
    titledSingle: str = Field(  # noqa: N815
        description="Enum with titled options",
        json_schema_extra={
            "oneOf": [
                {"const": "low", "title": "Low Priority"},
                {"const": "medium", "title": "Medium Priority"},
                {"const": "high", "title": "High Priority"},
            ]
        },
    )
    untitledMulti: list[str] = Field(  # noqa: N815
        description="Multi-select without titles",
        json_schema_extra={"items": {"type": "string", "enum": ["read", "write", "execute"]}},
    )
    titledMulti: list[str] = Field(  # noqa: N815
        description="Multi-select with titled options",
        json_schema_extra={
            "items": {
                "anyOf": [
                    {"const": "feature", "title": "New Feature"},
                    {"const": "bug", "title": "Bug Fix"},
                    {"const": "docs", "title": "Documentation"},
                ]
            }
        },
    )
    legacyEnum: str = Field(  # noqa: N815
        description="Legacy enum with enumNames",
        json_schema_extra={
            "enum": ["small", "medium", "large"],
            "enumNames": ["Small Size", "Medium Size", "Large Size"],
        },
    )


async def test_elicitation_sep1330_enums(ctx: Ctx) -> str:
    """Asks the user to choose, in all these ways."""
    return await _elicited(ctx, "Please select values", Choices)


async def _elicited(ctx: Ctx, message: str, schema: type[BaseModel]) -> str:
    result = await ctx.elicit(message=message, schema=schema)
    content = result.data.model_dump_json() if result.action == "accept" else "{}"
    return f"Elicitation: action={result.action}, content={content}"


async def test_missing_capability(ctx: Ctx) -> str:
    """Needs a client that can sample."""
    known = ctx.client_capabilities
    if known is None or known.sampling is None:
        raise MCPError(
            code=MISSING_REQUIRED_CLIENT_CAPABILITY,
            message="This tool requires the client 'sampling' capability",
            data={"requiredCapabilities": {"sampling": {}}},
        )
    return "sampling"


def test_x_mcp_header(
    region: Annotated[
        str,
        Field(
            description="Mirrored into the Mcp-Param-Region header",
            json_schema_extra={"x-mcp-header": "Region"},
        ),
    ] = "<none>",  # noqa: PT028 - a tool, not a test
) -> str:
    """Has an argument that a header repeats."""
    return f"region={region}"


# What a result asks for ----------------------------------------------------------------------


async def test_input_required_result_elicitation(ctx: Ctx) -> Asked:
    """Asks for a name."""
    answers = ctx.input_responses or {}
    if "user_name" in answers:
        return f"Hello, {_field(answers['user_name'], 'name')}!"
    return _need(user_name=_ask("name"))


async def test_input_required_result_sampling(ctx: Ctx) -> Asked:
    """Asks the client's model."""
    answer = (ctx.input_responses or {}).get("capital_question")
    if answer is None:
        question = _sample("What is the capital of France?")
        return _need(capital_question=question)
    content = answer.content if isinstance(answer, CreateMessageResult) else None
    return f"Model said: {content.text if isinstance(content, TextContent) else '?'}"


async def test_input_required_result_list_roots(ctx: Ctx) -> Asked:
    """Asks for the client's roots."""
    answer = (ctx.input_responses or {}).get("client_roots")
    if answer is None:
        return _need(client_roots=ListRootsRequest())
    return (
        f"Client exposed {len(answer.roots) if isinstance(answer, ListRootsResult) else 0} roots."
    )


async def test_input_required_result_request_state(ctx: Ctx) -> Asked:
    """Asks, and wants its state back."""
    if "confirm" in (ctx.input_responses or {}) and ctx.request_state == "nonce":
        return "state-ok: confirmation received"
    return _need("nonce", confirm=_ask("ok"))


async def test_input_required_result_multiple_inputs(ctx: Ctx) -> Asked:
    """Asks for three things at once."""
    if {"user_name", "greeting", "client_roots"} <= (ctx.input_responses or {}).keys():
        return "All inputs received."
    return _need(
        "multiple-inputs",
        user_name=_ask("name"),
        greeting=_sample("Generate a greeting"),
        client_roots=ListRootsRequest(),
    )


async def test_input_required_result_multi_round(ctx: Ctx) -> Asked:
    """Asks twice, one after the other."""
    state: Json = json.loads(ctx.request_state) if ctx.request_state else {"round": 0}
    answers = ctx.input_responses or {}
    if state["round"] == 1 and "step1" in answers:
        state = {"round": 2, "name": _field(answers["step1"], "name")}
        return _need(json.dumps(state), step2=_ask("color"))
    if state["round"] == 2 and "step2" in answers:
        return f"{state['name']} likes {_field(answers['step2'], 'color')}."
    return _need(json.dumps({"round": 1}), step1=_ask("name"))


async def test_input_required_result_tampered_state(ctx: Ctx) -> Asked:
    """Asks, and does not accept a state that it never sent."""
    if ctx.request_state is None:
        return _need("round-1", confirm=_ask("ok"))
    return f"state-ok: {ctx.request_state}"


async def test_input_required_result_capabilities(ctx: Ctx) -> InputRequiredResult:
    """Asks only for what the client says it can do."""
    known = ctx.client_capabilities
    requests: dict[str, InputRequest] = {}
    if known is None or known.sampling is not None:
        requests["sample"] = _sample("Say hello")
    if known is None or known.elicitation is not None:
        requests["ask"] = _ask("name")
    return _need("capability-gated", **requests)


def _need(state: str | None = None, /, **requests: InputRequest) -> InputRequiredResult:
    return InputRequiredResult(input_requests=requests, request_state=state)


def _text(text: str) -> TextContent:
    return TextContent(type="text", text=text)


def _ask(field: str) -> ElicitRequest:
    kind = "boolean" if field == "ok" else "string"
    schema = {"type": "object", "properties": {field: {"type": kind}}, "required": [field]}
    return ElicitRequest(
        params=ElicitRequestFormParams(message=f"What is your {field}?", requested_schema=schema)
    )


def _sample(prompt: str) -> CreateMessageRequest:
    messages = [SamplingMessage(role="user", content=_text(prompt))]
    return CreateMessageRequest(
        params=CreateMessageRequestParams(messages=messages, max_tokens=100)
    )


def _field(answer: object, name: str) -> str:
    content = answer.content if isinstance(answer, ElicitResult) else None
    return str((content or {}).get(name, "?"))


LONG_S = 10
"""A song that is to take so many seconds or more is never done."""

# What becomes a task -------------------------------------------------------------------------


def greet(name: str) -> str:
    """Greets; never becomes a task."""
    return f"Hello, {name}!"


async def slow_compute(ctx: Ctx, seconds: int = 0, label: str = "") -> TaskToolResult:
    """Makes a song, which is never done if it is to take long."""
    return await _song(ctx, "x" if seconds < LONG_S else "x [[slow:1000]]", title=label)


async def failing_job(ctx: Ctx) -> TaskToolResult:
    """Makes a song that fails."""
    return await _song(ctx, "x [[fail-10000-logs]]")


async def test_tool_with_task(ctx: Ctx) -> TaskToolResult | InputRequiredResult:
    """Asks for a name, and makes a song that is called so."""
    answer = (ctx.input_responses or {}).get("user_name")
    if answer is None:
        return _need("with-task", user_name=_ask("name"))
    return await _song(ctx, "called", title=_field(answer, "name"))


async def _song(ctx: Ctx, description: str, title: str = "") -> CallToolResult:
    return await generate_song(ctx, description=description, title=title, another_take=True)


TOOLS: tuple[Callable[..., Any], ...] = (
    greet,
    slow_compute,
    failing_job,
    test_tool_with_task,
    test_simple_text,
    test_image_content,
    test_audio_content,
    test_embedded_resource,
    test_multiple_content_types,
    test_error_handling,
    test_tool_with_progress,
    test_sampling,
    test_elicitation,
    test_elicitation_sep1034_defaults,
    test_elicitation_sep1330_enums,
    test_missing_capability,
    test_x_mcp_header,
    test_input_required_result_elicitation,
    test_input_required_result_sampling,
    test_input_required_result_list_roots,
    test_input_required_result_request_state,
    test_input_required_result_multiple_inputs,
    test_input_required_result_multi_round,
    test_input_required_result_tampered_state,
    test_input_required_result_capabilities,
)


# Resources -----------------------------------------------------------------------------------


def static_text() -> str:
    """A text."""
    return "This is the content of the static text resource."


def static_binary() -> bytes:
    """An image."""
    return base64.b64decode(PIXEL)


def template(id: str) -> str:  # noqa: A002 - the suite's name
    """A text for each id."""
    return json.dumps({"id": id, "templateTest": True, "data": f"Data for ID: {id}"})


RESOURCES: tuple[tuple[str, Callable[..., str | bytes], str], ...] = (
    ("test://static-text", static_text, "text/plain"),
    ("test://static-binary", static_binary, "image/png"),
    ("test://watched-resource", static_text, "text/plain"),
    ("test://template/{id}/data", template, "application/json"),
)
"""URI or URI template, function, MIME type."""


# Prompts -------------------------------------------------------------------------------------

Messages = list[UserMessage]


def test_simple_prompt() -> Messages:
    """A prompt without arguments."""
    return [_said("This is a simple prompt for testing.")]


def test_prompt_with_arguments(arg1: str, arg2: str) -> Messages:
    """A prompt with two arguments."""
    return [_said(f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'")]


def test_prompt_with_embedded_resource(resourceUri: str) -> Messages:  # noqa: N803 - the suite's name
    """A prompt that holds a resource."""
    embedded = _embedded(resourceUri, "Embedded resource content for testing.")
    return [UserMessage(role="user", content=embedded), _said("Please process the resource above.")]


def test_prompt_with_image() -> Messages:
    """A prompt that holds an image."""
    return [
        UserMessage(role="user", content=_image()),
        _said("Please analyze the image above."),
    ]


async def test_input_required_result_prompt(ctx: Ctx) -> Messages | InputRequiredResult:
    """A prompt that asks for something first."""
    answers = ctx.input_responses or {}
    if "user_context" not in answers:
        return _need(user_context=_ask("context"))
    return [_said(f"Use the following context: {_field(answers['user_context'], 'context')}")]


def _said(text: str) -> UserMessage:
    return UserMessage(role="user", content=_text(text))


Prompt = Callable[..., Messages] | Callable[..., Awaitable[Messages | InputRequiredResult]]
PROMPTS: tuple[Prompt, ...] = (
    test_simple_prompt,
    test_prompt_with_arguments,
    test_prompt_with_embedded_resource,
    test_prompt_with_image,
    test_input_required_result_prompt,
)
