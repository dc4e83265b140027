"""A new service is one adapter and one row: shown on a copy of the package, from outside."""

import difflib
import json
import shutil
import sqlite3
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client, StdioServerParameters
from mcp.types import CallToolResult, TextContent

from tests import children, recordings

PACKAGE = Path(__file__).parent.parent / "src" / "song_mcp"
ADAPTER = Path(__file__).parent / "toy" / "toy.py"
ROW = (
    '        Service(name="toy", label="Toybox", music="toy tunes", key_variable="TOY_API_KEY", '
    'base_url_variable="TOY_BASE_URL", base_url="https://toy.example", shop="at the toy shop", '
    'adapter="song_mcp.providers.toy:Toy", models=(Model("toy-1", "toy", "tin", 500),), '
    'models_called="toy-1"),\n'
)
END_OF_THE_TABLE = '    )\n}\n"""Every service: one more is a row here'
KEY = "toy-key-0001"
WISH = "a march for tin soldiers"
DEADLINE_S = 120


class ToyService(BaseHTTPRequestHandler):
    """The toy itself: one song for each request, ready at once; all but the audio needs its key."""

    wishes: list[str]

    def do_POST(self) -> None:
        wish = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["wish"]
        self.wishes.append(wish)
        self._say({"song": f"toy-{len(self.wishes)}"})

    def do_GET(self) -> None:
        if self.path == "/march.mp3":
            self._send(recordings.mp3(), "audio/mpeg")
        elif self.path == "/purse":
            self._say({"left": 4.2})
        else:
            audio = f"http://{self.headers['Host']}/march.mp3"
            self._say({"song": self.path.rpartition("/")[2], "audio": audio})

    def _say(self, said: dict[str, object]) -> None:
        if self.headers["X-Toy-Key"] == KEY:
            self._send(json.dumps(said).encode(), "application/json")
        else:
            self.send_error(401)

    def _send(self, content: bytes, mime_type: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", mime_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def toy() -> Iterator[tuple[str, list[str]]]:
    """The toy on loopback: its base URL, and the requests that were paid."""
    wishes: list[str] = []
    handler = type("Handler", (ToyService,), {"wishes": wishes})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", wishes
        finally:
            server.shutdown()
            serving.join()


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the package with the toy in it."""
    copy = tmp_path / "src" / "song_mcp"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
    shutil.copy(ADAPTER, copy / "providers" / "toy.py")
    table = copy / "songs" / "models.py"
    text = table.read_text(encoding="utf-8")
    assert text.count(END_OF_THE_TABLE) == 1
    table.write_text(text.replace(END_OF_THE_TABLE, ROW + END_OF_THE_TABLE), encoding="utf-8")
    return copy


def variables(package: Path, **more: str) -> dict[str, str]:
    home = package.parent.parent
    return {
        "PYTHONPATH": str(package.parent),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": str(home),
        "SONG_MCP_HOME": str(home / "home"),
        "SONG_MCP_LIBRARY": str(home / "library"),
        **more,
    }


@asynccontextmanager
async def connected(package: Path, **more: str) -> AsyncIterator[Client]:
    """A client of a server that runs from the copy."""
    server = StdioServerParameters(
        command=sys.executable, args=["-m", "song_mcp"], env=variables(package, **more)
    )
    with anyio.fail_after(DEADLINE_S):
        async with Client(server) as client:
            yield client


def text_of(result: CallToolResult) -> str:
    return "\n".join(block.text for block in result.content if isinstance(block, TextContent))


def texts(folder: Path) -> dict[str, str]:
    """Every Python file below a folder, by its place in it."""
    return {
        str(file.relative_to(folder)): file.read_text(encoding="utf-8")
        for file in folder.rglob("*.py")
        if "node_modules" not in file.parts
    }


def test_the_toy_is_one_new_file_and_one_new_line(package: Path) -> None:
    before, after = texts(PACKAGE), texts(package)
    assert after.keys() - before.keys() == {"providers/toy.py"}
    assert before.keys() <= after.keys()
    changed = [name for name in before if before[name] != after[name]]
    assert changed == ["songs/models.py"]
    lines = difflib.ndiff(
        before["songs/models.py"].splitlines(keepends=True),
        after["songs/models.py"].splitlines(keepends=True),
    )
    assert [line for line in lines if line[0] in "+-"] == ["+ " + ROW]


def test_a_child_imports_the_copy(package: Path) -> None:
    ran = children.run(
        [sys.executable, "-c", "import song_mcp; print(song_mcp.__file__)"],
        env=variables(package),
        capture_output=True,
        text=True,
    )
    assert Path(ran.stdout.strip()).parent == package


async def test_the_toys_song_is_made_followed_and_saved(
    package: Path, toy: tuple[str, list[str]]
) -> None:
    base_url, wishes = toy
    async with connected(package, TOY_API_KEY=KEY, TOY_BASE_URL=base_url) as client:
        song = await made(client, description=WISH, model="toy-1")
        account = await client.call_tool("check_account", {})
        listed = (await client.call_tool("list_songs", {"query": "toy-1"})).structured_content
        guides = {name: await guide(client, name) for name in ("styles", "lyrics")}
        schemas = {tool.name: tool.input_schema for tool in (await client.list_tools()).tools}
    assert wishes == [WISH]
    offered = schemas["generate_song"]["properties"]["model"]["description"]
    assert "toy-1 at Toybox" in offered
    limits = [line for text in guides.values() for line in text.splitlines() if "| toy-1 |" in line]
    assert len(limits) == 2
    assert all("Toybox" in line and "500" in line for line in limits)
    assert listed is not None
    assert [task["task_id"] for task in listed["tasks"]] == [song["task_id"]]
    assert journalled(package) == [("toy", "toy-1", song["task_id"], "completed")]
    assert (song["status"], song["service"], song["model"]) == ("completed", "toy", "toy-1")
    [clip] = song["clips"]
    saved = Path(clip["file"])
    assert saved.parent == package.parent.parent / "library"
    assert saved.read_bytes().endswith(recordings.mp3())
    assert "Toybox: $4.20 left." in text_of(account)
    assert "Default model: toy-1" in text_of(account)


async def test_without_a_key_the_toys_variable_is_named(package: Path) -> None:
    async with connected(package, PIAPI_API_KEY="another") as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        refused = await client.call_tool("generate_song", {"description": WISH, "model": "toy-1"})
    assert (
        "toy-1 at Toybox"
        in tools["generate_song"].input_schema["properties"]["model"]["description"]
    )
    assert refused.is_error
    assert text_of(refused).startswith("Toybox has no key: set TOY_API_KEY")


async def test_a_setting_of_the_toy_that_is_wrong_is_named(package: Path) -> None:
    status, said = await children.output_of(
        [sys.executable, "-m", "song_mcp"],
        env=variables(package, TOY_BASE_URL="http://toy.example"),
    )
    assert status == 0  # it serves, so that a client can be told too
    assert b"TOY_BASE_URL: must be an https address" in said


async def guide(client: Client, name: str) -> str:
    """The text of a guide."""
    read = await client.read_resource(f"song://guide/{name}")
    return "".join(content.text for content in read.contents if hasattr(content, "text"))


def journalled(package: Path) -> list[tuple[str, ...]]:
    """What the journal's file says of each task."""
    file = package.parent.parent / "home" / "journal.sqlite3"
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db:
        return db.execute("SELECT service, model, task_id, status FROM tasks").fetchall()


async def made(client: Client, **arguments: str) -> dict[str, Any]:
    """Make a song and return it when its clip is saved."""
    result = await client.call_tool("generate_song", arguments)
    while True:
        assert not result.is_error, text_of(result)
        assert result.structured_content is not None
        song = dict(result.structured_content)
        if song["status"] == "completed" and all(clip.get("file") for clip in song["clips"]):
            return song
        result = await client.call_tool("get_task", {"task_id": song["task_id"]})
