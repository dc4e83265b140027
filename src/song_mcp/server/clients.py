"""What the client of a request can do: asked here, and nowhere else.

A client of an older era declares it once, in `initialize`; a modern one with each request. A name
is only a name: nothing here or elsewhere is decided by it.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from mcp.server.apps import APP_MIME_TYPE, EXTENSION_ID
from mcp.server.context import ServerRequestContext
from mcp.server.mcpserver import Context

from song_mcp.text import clean

AnyContext = Context[Any, Any] | ServerRequestContext[Any, Any]

LONGEST_NAME = 100
AROUND_PARAMETERS = re.compile(r"[\s\"]")


def request_of(context: AnyContext) -> ServerRequestContext[Any, Any]:
    """Return the request that a tool's or a handler's context is of."""
    return context.request_context if isinstance(context, Context) else context


def shows_pages(context: AnyContext) -> bool:
    """Return whether the client declares MCP Apps, with the media type of our page.

    Beyond what the SDK's `client_supports_apps` knows: some hosts declare it among `experimental`
    capabilities, as their SDK has no `extensions`; some write the media type with a blank or with
    quotes. A client that names no media type promises no page.
    """
    return any(map(_is_of_a_page, _media_types(context)))


def sends_progress_token(context: AnyContext) -> bool:
    """Return whether the client asked for progress of this request."""
    meta: Mapping[str, Any] = request_of(context).meta or {}
    return meta.get("progress_token") is not None


def name_of(context: AnyContext) -> str:
    """Return what the client calls itself, "" if it does not say; at most 100 characters."""
    params = request_of(context).session.client_params
    return clean(params.client_info.name, limit=LONGEST_NAME, lines=False) if params else ""


def _media_types(context: AnyContext) -> Iterator[str]:
    capabilities = request_of(context).session.client_capabilities
    if capabilities is None:
        return
    for declared in (capabilities.extensions, capabilities.experimental):
        named = (declared or {}).get(EXTENSION_ID, {}).get("mimeTypes")
        listed = named if isinstance(named, list) else [named]
        yield from (each for each in listed if isinstance(each, str))


def _is_of_a_page(media_type: str) -> bool:
    return AROUND_PARAMETERS.sub("", media_type).casefold() == APP_MIME_TYPE
