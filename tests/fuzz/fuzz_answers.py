"""Pass what a coverage-guided fuzzer invents to each adapter: any error but ours is a crash.

Not part of the tests, and atheris is no requirement of theirs. From the root of the repository:

    .venv/bin/python -m pip install atheris
    PYTHONPATH=src:. .venv/bin/python tests/fuzz/fuzz_answers.py --corpus build/corpus \
        build/corpus -max_total_time=180 -timeout=20

The first byte of an input chooses the service, the call and the HTTP status, the rest is the body;
`--corpus FOLDER` first fills the folder with every documented answer. A crash is written to a file
`crash-...`, which is then the input to run again by its name alone.
"""

import asyncio
import json
import sys
from collections import Counter
from importlib import import_module
from pathlib import Path
from tempfile import mkdtemp

atheris = import_module("atheris")
with atheris.instrument_imports(include=["song_mcp"]):
    from song_mcp.songs import SERVICES as ROWS
    from tests.faults.mutation import bodies
    from tests.faults.test_bodies import Upstream, read, ways_of

SERVICES = tuple(ROWS)
STATUSES = (200, 200, 400, 403, 404, 429, 500, 301)
UPSTREAMS = {service: Upstream() for service in SERVICES}
FOLDER = Path(mkdtemp())
WAYS = {service: ways_of(service, UPSTREAMS[service], FOLDER) for service in SERVICES}
LOOP = asyncio.new_event_loop()


def try_one(data: bytes) -> None:
    """Read one invented reply; raises an error if one is not ours, or if a secret gets out."""
    if not data:
        return
    choice, body = data[0], data[1:]
    service = SERVICES[choice & 3]
    upstream = UPSTREAMS[service]
    upstream.status, upstream.body = STATUSES[choice >> 2 & 7], body
    LOOP.run_until_complete(read(WAYS[service], body, Counter[str](), which=choice >> 5))


def fill(folder: Path) -> None:
    """Write every documented answer as the beginning of a corpus, once for each call."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, service in enumerate(SERVICES):
        for number, body in enumerate(bodies(service)):
            for call in range(4):
                content = bytes([call << 5 | index]) + json.dumps(body).encode()
                (folder / f"{service}-{number}-{call}").write_bytes(content)


if __name__ == "__main__":
    arguments = sys.argv[:]
    if "--corpus" in arguments:
        at = arguments.index("--corpus")
        fill(Path(arguments[at + 1]))
        del arguments[at : at + 2]
    atheris.Setup(arguments, try_one)
    atheris.Fuzz()
