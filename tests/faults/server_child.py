"""A fork server for song-mcp servers: a process that has imported everything, and forks each.

Starting Python anew costs most of a second, and the fault tests start hundreds of servers. Each is
still a process of its own, with its own pid, stdin, stdout, stderr and signals. A guardian between
the fork server and a server waits for its end and reports the exit status.

A server may be told to die: with the arguments POINT NTH ARMED it ends itself by SIGKILL when it
reaches the failure point POINT for the NTH time since the file ARMED exists. And it may be told
that its clock is ahead, or fast.
"""

import gc
import json
import os
import runpy
import signal
import socket
import sys
import traceback
from contextlib import nullcontext
from datetime import datetime, timedelta
from importlib import import_module
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, NoReturn

import anyio

from song_mcp.cli import main
from song_mcp.clock import Clock
from song_mcp.compose import open_studio
from song_mcp.journal import failpoints
from song_mcp.journal.failpoints import Failpoint
from song_mcp.providers.transport import tls
from song_mcp.server import stdio
from song_mcp.server.app import build_server
from song_mcp.settings import Settings
from song_mcp.songs import SERVICES
from tests import offers
from tests.harvest import log_everything

LATER = ("anyio._backends._asyncio", "ctypes", "h11", "httpcore", "mutagen", "song_mcp.logs")
"""What a server loads on first use, beside the adapters of its services."""
LONGEST = 2**16
REAL = [0.0, 1.0]
"""How many seconds the real clock is ahead, and how fast it is."""


class AheadClock(Clock):
    """A clock that is ahead by so many seconds, and so many times as fast as the real one."""

    def __init__(self, ahead_s: float, speed: float) -> None:
        super().__init__(speed)
        self._ahead = timedelta(seconds=ahead_s)

    def now(self) -> datetime:
        return super().now() + self._ahead


def main_ahead(clock: Clock) -> int:
    """Serve as `main` does, but with this clock, and without minding signals."""
    settings = Settings.read()
    anyio.run(stdio.serve, build_server(lambda: open_studio(settings, clock)))
    return 0


class Death:
    """Waits at its point if it is armed."""

    def __init__(self, point: str, nth: str, armed: str) -> None:
        self._point = Failpoint(point)
        self._left = int(nth)
        self._armed = Path(armed)

    def reached(self, point: Failpoint) -> None:
        if point is not self._point or not self._armed.exists():
            return
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def serve(order: dict[str, Any], streams: list[int]) -> NoReturn:
    """Become the server that was ordered."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.closerange(3, LONGEST)
    os.chdir(order["folder"])
    os.umask(order.get("umask", 0o022))
    log_everything()
    os.environ.clear()
    os.environ.update(order["environment"])
    if order["arguments"]:
        failpoints.hook = Death(*order["arguments"]).reached
    status = 1
    try:
        clock = order["clock"]
        if module := order.get("module"):
            runpy.run_module(module, run_name="__main__")
            status = 0
        elif clock != REAL:
            status = main_ahead(AheadClock(*clock))
        else:
            status = main(order.get("command", []))
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def guard(order: dict[str, Any], streams: list[int], news: int) -> NoReturn:
    """Fork the server, report its pid, wait for it, and report how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if pid == 0:
        serve(order, streams)
    for stream in streams:
        os.close(stream)
    os.write(news, f"{pid}\n".encode())
    _, status = os.waitpid(pid, 0)
    os.write(news, f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def prepare() -> None:
    """Do once what each server would do again: load what is needed later, and read the tools."""
    for name in LATER:
        import_module(name)
    for service in SERVICES.values():
        resolve_name(service.adapter)
    tls()
    build_server(nullcontext)  # type: ignore[arg-type]  # it is never served
    gc.freeze()


def nurse(orders: socket.socket) -> None:
    """Take orders until nobody can send any: JSON, with stdin, stdout, stderr, a wire for news."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for guardians
    while True:
        message, streams, _, _ = socket.recv_fds(orders, LONGEST, 4)
        if not message:
            return
        if os.fork() == 0:
            orders.close()
            guard(json.loads(message), streams[:3], streams[3])
        for stream in streams:
            os.close(stream)


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as orders, offers.read_once():
        prepare()
        nurse(orders)
