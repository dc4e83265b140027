"""What a run of the tests with `--canaries FOLDER` leaves in that folder, to be searched after it.

These are all log messages at DEBUG, of the tests and of the servers that they start; what clients
and children were answered and what was printed; and every file that a test wrote, as pytest's own
`--basetemp` is a folder in it. Without the option nothing here does anything.
"""

import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.faults.canaries import KEYS, Echoing, enriched

if TYPE_CHECKING:  # the workers of races do not need it
    import httpx
    from starlette.applications import Starlette

VARIABLE = "CANARIES_FOLDER"
"""Tells the processes that tests start; conftest sets it from the option."""
LOUDEST = 1
WITH_OUR_KEY = "with our key"
SERVER = """
import logging, os, sys
logging.basicConfig(level=1, filename=f"{folder}/log-{{os.getpid()}}.txt")
from song_mcp.cli import main
sys.exit(main(sys.argv[1:]))
"""


def folder() -> Path | None:
    """Return the folder of this run, or None if nothing is gathered."""
    name = os.environ.get(VARIABLE)
    return Path(name) if name else None


def gather(kind: str, words: str) -> None:
    """Record what came out, by its kind: results, stdout, printed."""
    into = folder()
    if into is not None:
        with (into / f"{kind}-{os.getpid()}.txt").open("ab") as file:
            file.write(words.encode("utf-8", "replace") + b"\n")


def server_arguments() -> Sequence[str]:
    """Return Python's arguments to run a song-mcp; it logs at DEBUG if logs are gathered."""
    into = folder()
    return ("-m", "song_mcp") if into is None else ("-c", SERVER.format(folder=into))


def echoed(app: "Starlette") -> "Starlette":
    """Let a stand-in for the services put canaries into all that a service could."""
    if folder() is not None:
        app.add_middleware(Echoing, fed=_count)
    return app


def _count(key: str) -> None:
    is_ours = any(ours in key for ours in KEYS)
    gather("fed", WITH_OUR_KEY if is_ours else "with another key or none")


def begin(into: Path) -> None:
    """Gather in this process and those that it starts."""
    into.mkdir(parents=True, exist_ok=True)
    os.environ[VARIABLE] = str(into.absolute())
    log_everything()
    _gather_results()
    _feed_transports()


def log_everything() -> None:
    """Let every logger of this process write all that it can."""
    into = folder()
    if into is not None:
        handler = logging.FileHandler(into / f"log-{os.getpid()}.txt", errors="replace")
        handler.setFormatter(logging.Formatter(logging.BASIC_FORMAT))
        logging.getLogger().addHandler(handler)
        logging.getLogger().setLevel(LOUDEST)


def _gather_results() -> None:
    """Record every result and error that the SDK's client gets; this patches the client's class."""
    from mcp.client.session import ClientSession

    send = ClientSession.send_request

    async def sent(self: ClientSession, *args: Any, **options: Any) -> Any:  # noqa: ANN401
        try:
            result = await send(self, *args, **options)
        except Exception as error:
            gather("results", repr(error))
            raise
        gather("results", repr(result))
        return result

    ClientSession.send_request = sent  # type: ignore[method-assign]  # the SDK's, and not ours


def _feed_transports() -> None:
    """Put canaries beside what services in memory reply; this patches httpx's class."""
    import httpx

    handle = httpx.MockTransport.handle_async_request

    async def handled(self: httpx.MockTransport, request: httpx.Request) -> httpx.Response:
        response = await handle(self, request)
        is_whole = isinstance(response.stream, httpx.ByteStream)
        return _fed(response) if is_whole else response

    httpx.MockTransport.handle_async_request = handled  # type: ignore[method-assign]  # as above


def _fed(response: "httpx.Response") -> "httpx.Response":
    """Return an answer in JSON with canaries, and any other as it is."""
    try:
        body = json.loads(response.content)
    except (ValueError, RecursionError):
        return response
    if not isinstance(body, dict) or "data" not in body:  # no answer of a service
        return response
    gather("fed", "in memory")
    headers = {name: value for name, value in response.headers.items() if name != "content-length"}
    content = json.dumps(enriched(body)).encode()
    return type(response)(response.status_code, headers=headers, content=content)
