"""A machine that sleeps: the server is stopped in the middle of a POST, and of a wait."""

import signal
from pathlib import Path

import anyio
import pytest

from song_mcp.sandbox.app import build_app
from song_mcp.sandbox.serve import running
from tests.harvest import echoed
from tests.house import QUICK, environment
from tests.limits import HANGS_S
from tests.voice import beep
from tests.waiting import a_moment
from tests.wire.child import started

pytestmark = pytest.mark.one_era("a stopped process speaks no protocol")


async def test_a_server_stopped_in_a_post_and_in_a_wait_pays_once_and_delivers(
    tmp_path: Path,
) -> None:
    app = build_app(0.2, rules=QUICK, press=beep)
    sandbox = app.state.sandbox
    with anyio.fail_after(HANGS_S):
        async with (
            running(echoed(app)) as base_url,
            started(tmp_path, environment(tmp_path, base_url)) as child,
        ):
            await child.hello()
            words = {"description": "waltz [[timeout:0.3]]", "wait_seconds": 30}
            call = {"name": "generate_song", "arguments": words}
            asked = await child.request("tools/call", call)
            while not sandbox.accepted:
                await a_moment()
            child.process.send_signal(signal.SIGSTOP)
            while not sandbox.held:  # its answer is being held back, and then leaves
                await a_moment()
            while sandbox.held:
                await a_moment()
            child.process.send_signal(signal.SIGCONT)
            while not any(each.path.startswith("/api/v1/task/") for each in sandbox.requests):
                await a_moment()
            child.process.send_signal(signal.SIGSTOP)
            await a_moment()
            child.process.send_signal(signal.SIGCONT)
            result = (await child.answer(asked))["result"]["structuredContent"]
            assert (result["status"], result["charged"]) == ("completed", "yes")
            assert all(clip["file"] for clip in result["clips"])
            assert len(sandbox.accepted) == 1
            await child.hang_up()
            assert await child.ended() == 0
