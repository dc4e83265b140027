"""What the server keeps of memory that it no longer needs."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from tests import children

MIB = 2**20
THREADS, LARGE = 8, 8 * MIB
USE_MUCH = f"""
import sys, threading
from pathlib import Path

def resident():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmRSS"))

def use():
    full.wait()
    for size in ({4 * LARGE}, {LARGE}):
        block = b"x" * size
        kept.append(block[:50_000])
        del block
    full.wait()

kept, full = [], threading.Barrier({THREADS} + 1)
threads = [threading.Thread(target=use) for _ in range({THREADS})]
for thread in threads:
    thread.start()
before = resident()
full.wait()
full.wait()
print(resident() - before, file=sys.__stdout__)
"""
"""Prints by how much the process has grown after its threads had much memory and freed it."""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="is about glibc")
def test_a_server_keeps_no_large_block_that_a_thread_had(tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path), "SONG_MCP_HOME": str(tmp_path), "PIAPI_API_KEY": "key-1"}
    ran = children.run(
        [sys.executable, "-c", f"from song_mcp.cli import main; main([])\n{USE_MUCH}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        env={"PATH": os.environ["PATH"]} | home,
    )
    assert int(ran.stdout.splitlines()[-1]) < 2 * LARGE
