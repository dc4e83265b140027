"""What only a real socket can show: the connection itself, and the server's start and end."""

import signal
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator

import anyio
import anyio.lowlevel
import httpx
import pytest
from starlette.applications import Starlette

from song_mcp.sandbox.app import Rules, build_app
from song_mcp.sandbox.serve import run, running
from tests.children import popen
from tests.limits import HANGS_S
from tests.sandbox.driving import Clock, completed, udio

PROGRAM = """
from song_mcp.sandbox.serve import run
run(port=0, on_ready=lambda url: print(url, flush=True))
print("ended", flush=True)
"""


@pytest.fixture
async def http(app: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    keys = {"x-api-key": "key", "authorization": "Bearer key"}
    async with (
        running(app) as base_url,
        httpx.AsyncClient(base_url=base_url, headers=keys) as client,
    ):
        yield client


async def test_a_song_is_made_and_heard_over_a_socket(
    http: httpx.AsyncClient, clock: Clock
) -> None:
    song = (await completed(http, clock, udio()))["output"]["songs"][0]
    response = await http.get(song["song_path"])
    assert response.headers["content-type"] == "audio/mpeg"
    assert httpx.URL(song["song_path"]).port == http.base_url.port


async def test_reset_closes_the_connection_without_an_answer(
    http: httpx.AsyncClient, app: Starlette
) -> None:
    with pytest.raises(httpx.ReadError):
        await http.post("/api/v1/task", json=udio("[[reset]]"))
    assert app.state.sandbox.count("piapi") == 1


async def test_truncated_json_ends_before_its_promised_length(
    http: httpx.AsyncClient, app: Starlette
) -> None:
    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete"):
        await http.post("/api/v1/task", json=udio("[[truncated-json]]"))
    assert app.state.sandbox.count("piapi") == 1


async def test_truncated_media_ends_before_its_promised_length(
    http: httpx.AsyncClient, clock: Clock
) -> None:
    song = (await completed(http, clock, udio("[[media-truncated]]")))["output"]["songs"][0]
    with pytest.raises(httpx.RemoteProtocolError):
        await http.get(song["song_path"])


async def test_timeout_accepts_and_then_keeps_silent(
    http: httpx.AsyncClient, app: Starlette
) -> None:
    with anyio.fail_after(HANGS_S), pytest.raises(httpx.ReadTimeout):
        await http.post("/api/v1/task", json=udio("[[timeout:600]]"), timeout=0.2)
    assert app.state.sandbox.count("piapi") == 1
    with anyio.fail_after(HANGS_S):
        while app.state.sandbox.held:
            await anyio.lowlevel.checkpoint()


async def test_a_held_answer_does_not_hold_up_the_end() -> None:
    app = build_app(rules=Rules(clip_seconds=0.1))
    with anyio.fail_after(HANGS_S):
        async with anyio.create_task_group() as group, running(app) as base_url:
            group.start_soon(_never_answered, base_url)
            while not app.state.sandbox.held:
                await anyio.lowlevel.checkpoint()


async def _never_answered(base_url: str) -> None:
    async with httpx.AsyncClient(base_url=base_url, headers={"x-api-key": "key"}) as http:
        with pytest.raises(httpx.TransportError):
            await http.post("/api/v1/task", json=udio("[[timeout:600]]"), timeout=HANGS_S)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "example.com", ""])  # noqa: S104
def test_any_host_but_loopback_is_refused(host: str) -> None:
    with pytest.raises(ValueError, match="loopback only"):
        run(host=host, on_ready=print)


async def test_localhost_means_the_loopback_address() -> None:
    async with running(host="localhost") as base_url:
        assert base_url.startswith("http://127.0.0.1:")


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
async def test_the_other_loopback_address_is_served_too() -> None:
    async with running(host="::1") as base_url, httpx.AsyncClient(base_url=base_url) as http:
        assert base_url.startswith("http://[::1]:")
        assert (await http.get("/")).status_code == 200


async def test_a_taken_port_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            async with running(port=port):
                raise NotImplementedError


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_makes_run_return_and_its_handlers_go(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    run(on_ready=lambda _: signal.raise_signal(number))
    assert signal.getsignal(number) is before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_process_ends_quietly_with_a_signal(number: signal.Signals) -> None:
    command = [sys.executable, "-W", "error", "-c", PROGRAM]
    with popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        base_url = process.stdout.readline().strip()
        assert httpx.get(f"{base_url}/nothing").status_code == 200
        process.send_signal(number)
        assert process.stdout.readline() == "ended\n"
        assert process.stderr.read() == ""
        assert process.wait(HANGS_S) == 0


def test_in_another_thread_the_server_leaves_signals_alone() -> None:
    before = signal.getsignal(signal.SIGINT)
    urls: list[str] = []

    def stop(base_url: str) -> None:
        urls.append(base_url)
        raise KeyboardInterrupt

    thread = threading.Thread(target=run, kwargs={"on_ready": stop})
    thread.start()
    thread.join(HANGS_S)
    assert not thread.is_alive()
    assert len(urls) == 1
    assert signal.getsignal(signal.SIGINT) is before
