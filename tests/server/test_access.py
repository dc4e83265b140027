"""Who may use the server over HTTP: the token, its file, and who is answered without it."""

import errno
import json
import logging
import os
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from song_mcp.compose import open_studio
from song_mcp.loopback import listen
from song_mcp.server.access import TokenError, kept_token
from song_mcp.server.app import build_server
from song_mcp.server.http import serve
from song_mcp.settings import Settings
from tests.eras import ERAS, LEGACY, MODERN
from tests.held_open import as_on_windows
from tests.house import environment
from tests.limits import HANGS_S
from tests.wire.web import request

pytestmark = pytest.mark.no_client

NOBODY = "http://127.0.0.1:1"
TOKEN = "the-right-token-of-this-test"


@asynccontextmanager
async def served(folder: Path, token: str | None) -> AsyncIterator[str]:
    """A server without a service behind it, in this process; yields the URL for clients."""
    settings = Settings(**environment(folder, NOBODY))  # type: ignore[arg-type]  # by variables
    server = build_server(lambda: open_studio(settings))
    urls: list[str] = []
    ready = anyio.Event()

    def on_ready(url: str) -> None:
        urls.append(url)
        ready.set()

    with listen("127.0.0.1", 0) as listener, anyio.fail_after(HANGS_S):
        async with anyio.create_task_group() as group:
            group.start_soon(serve, server, listener, on_ready, token)
            await ready.wait()
            yield urls[0]
            group.cancel_scope.cancel()


def asking(era: str, given: str | None) -> tuple[dict[str, str], dict[str, Any]]:
    """A call of a paid tool, with this header to prove who asks."""
    method, params = ("tools/call", {"name": "generate_song", "arguments": {"description": "x"}})
    headers, body = request(era, method, params)
    del headers["Authorization"]
    return headers | ({} if given is None else {"Authorization": given}), body


@pytest.mark.parametrize(
    "given",
    [
        None,
        "",
        "Bearer",
        TOKEN,
        f"Basic {TOKEN}",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN}x",
        "Bearer \xff\xfe",
    ],
)
async def test_whoever_has_not_the_token_is_refused_before_anything_is_read(
    tmp_path: Path, given: str | None
) -> None:
    async with served(tmp_path, TOKEN) as url, httpx.AsyncClient() as http:
        for era in ERAS:
            headers, body = asking(era, None)
            content = json.dumps(body).encode()
            pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
            pairs += [] if given is None else [(b"Authorization", given.encode("latin-1"))]
            answer = await http.post(url, content=content, headers=pairs)
            assert answer.status_code == 401
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")
            assert TOKEN not in answer.text
        for method in ("GET", "DELETE", "OPTIONS"):
            assert (await http.request(method, url)).status_code == 401
        assert (await http.get(url.replace("/mcp", "/health"))).status_code == 200
        assert (await http.get(url.replace("/mcp", "/other"))).status_code == 404


async def test_a_client_with_the_token_is_answered_and_no_log_holds_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(1)
    for name in ("uvicorn.error", "uvicorn.access", "mcp", "starlette", "song_mcp"):
        caplog.set_level(1, logger=name)
    async with served(tmp_path, TOKEN) as url, httpx.AsyncClient() as http:
        for kind in ("Bearer", "bearer", "BEARER "):
            headers, body = request(MODERN, "tools/list", {})
            headers["Authorization"] = f"{kind} {TOKEN}"
            answer = await http.post(url, json=body, headers=headers)
            assert answer.status_code == 200
        hello = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "x"}}
        headers, body = request(LEGACY, "initialize", hello)
        headers["Authorization"] = f"Bearer {TOKEN}"
        await http.post(url, json=body, headers=headers)
        await http.post(url, json=body, headers=headers | {"Authorization": f"Bearer {TOKEN}x"})
    logged = "\n".join(logging.Formatter().format(record) for record in caplog.records)
    assert logged
    assert TOKEN not in logged


async def test_without_a_token_everyone_is_answered(tmp_path: Path) -> None:
    async with served(tmp_path, None) as url, httpx.AsyncClient() as http:
        headers, body = request(MODERN, "tools/list", {})
        del headers["Authorization"]
        assert (await http.post(url, json=body, headers=headers)).status_code == 200


# Its file ------------------------------------------------------------------------------------


def test_the_token_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    file = tmp_path / "parent" / "home" / "http-token"
    before = os.umask(0)
    try:
        token = kept_token(file)
    finally:
        os.umask(before)
    assert len(token) >= 40
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert {stat.S_IMODE(each.stat().st_mode) for each in file.parents[:2]} == {0o700}
    assert kept_token(file) == token
    assert kept_token(tmp_path / "other") != token
    assert [each.name for each in file.parent.iterdir()] == ["http-token"]


async def test_processes_that_start_together_agree_on_one_token(tmp_path: Path) -> None:
    file, found = tmp_path / "http-token", set()

    async def start() -> None:
        found.add(await anyio.to_thread.run_sync(kept_token, file))

    async with anyio.create_task_group() as group:
        for _ in range(8):
            group.start_soon(start)
    assert len(found) == 1


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602, 0o777])
def test_a_token_that_others_can_read_or_write_is_refused(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "http-token"
    kept_token(file)
    file.chmod(mode)
    with pytest.raises(TokenError, match="Delete that file"):
        kept_token(file)


@pytest.mark.parametrize(
    "content", [b"", b"short\n", b"two words that are long enough\n", b"\xff" * 40]
)
def test_a_file_that_holds_no_token_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "http-token"
    kept_token(file)
    file.write_bytes(content)
    with pytest.raises(TokenError, match="holds no token"):
        kept_token(file)


def test_a_home_that_cannot_keep_a_token_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("in the way", encoding="utf-8")
    with pytest.raises(TokenError, match=r"cannot keep its token in .*home/http-token: "):
        kept_token(tmp_path / "home" / "http-token")


def test_where_files_have_no_owners_the_token_is_kept_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rights of its folder keep others out there, and modes say nothing."""
    as_on_windows(monkeypatch)
    file = tmp_path / "home" / "http-token"
    token = kept_token(file)
    file.chmod(0o666)
    assert kept_token(file) == token


def test_without_hard_links_the_token_is_made_once_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    file = tmp_path / "home" / "http-token"
    assert kept_token(file) == kept_token(file)
    assert [each.name for each in file.parent.iterdir()] == ["http-token"]
