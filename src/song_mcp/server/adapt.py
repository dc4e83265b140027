"""What stands between MCP and song-mcp: flat schemas, and our errors.

Whatever a client sends, the answer is a result or an error in a sentence of ours: no SDK prefix, no
pydantic dump, no traceback.
"""

import logging
from collections.abc import Mapping
from typing import Any

from mcp.types import CallToolResult, TextContent
from pydantic import ValidationError

from song_mcp.server.arguments import FREE

logger = logging.getLogger(__name__)

INTERNAL = (
    "Internal error in song-mcp; its log says how. Paid tasks are safe in the journal: "
    "call list_songs before retrying."
)


def text_result(
    text: str, structured: Mapping[str, Any] | None = None, *, is_error: bool = False
) -> CallToolResult:
    """Return a tool's result: a short text, and the same facts as structured content."""
    content = [TextContent(type="text", text=text)]
    return CallToolResult(
        content=list(content),
        structured_content=dict(structured) if structured is not None else None,
        is_error=is_error,
    )


def error_result(text: str) -> CallToolResult:
    """Return an error result with `text` alone."""
    return text_result(text, is_error=True)


# Errors ---------------------------------------------------------------------------------------


def validation_text(error: ValidationError) -> str:
    """Say which arguments are wrong and why, without their values and without links."""
    problems = [
        f"{item['loc'][0] if item['loc'] else 'arguments'}: {item['msg']}"
        for item in error.errors()
    ]
    return f"{'; '.join(problems)}. Nothing was sent or paid."


# Schemas --------------------------------------------------------------------------------------


def flat_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema without references, automatic titles, and null or empty defaults.

    Several clients cannot read `$ref`. A choice with null says nothing, as any key may be left out.
    """
    definitions = schema.get("$defs", {})
    own = {key: value for key, value in schema.items() if key != "$defs"}
    return dict(_flattened(own, definitions))


def published_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a tool's input schema as clients get it, who hand it on to models of many services.

    It is flat and open: google-genai cannot convert `additionalProperties: false`, and an unknown
    argument is refused when the tool is called. What may be left out is `nullable`, as smolagents
    requires every other argument. What services refuse is left out: defaults (OpenAI's strict mode)
    and empty choices (Gemini). So are bounds to which the server fits a number, in which a client
    that checks would refuse what the server takes; the words have them.
    """
    flat = flat_schema(schema)
    required = flat.get("required", ())
    properties = {
        name: _published(name, value) | ({} if name in required else {"nullable": True})
        for name, value in flat.get("properties", {}).items()
    }
    return {**flat, "properties": properties}


def _published(name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    left_out = {"default", *(("minimum", "maximum") if name in FREE else ())}
    shown = {key: value for key, value in schema.items() if key not in left_out}
    return shown | ({"enum": list(filter(None, shown["enum"]))} if "enum" in shown else {})


def _flattened(node: Any, definitions: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON in, JSON out
    if isinstance(node, list):
        return [_flattened(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    node = _resolved(_without_null(node), definitions)
    return {
        key: _flattened_value(key, value, definitions)
        for key, value in node.items()
        if not (key == "title" and isinstance(value, str))
        and not (key == "default" and value in (None, ""))
    }


def _flattened_value(key: str, value: Any, definitions: Mapping[str, Any]) -> Any:  # noqa: ANN401
    if key == "properties":
        return {name: _flattened(item, definitions) for name, item in value.items()}
    return _flattened(value, definitions)


def _resolved(node: dict[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    name = str(node.get("$ref", "")).removeprefix("#/$defs/")
    if name not in definitions:
        return node
    return dict(definitions[name]) | {key: value for key, value in node.items() if key != "$ref"}


def _without_null(node: dict[str, Any]) -> dict[str, Any]:
    choices = [item for item in node.get("anyOf", []) if item != {"type": "null"}]
    if len(choices) != 1:
        return node
    rest = {key: value for key, value in node.items() if key != "anyOf"}
    return dict(choices[0]) | rest
