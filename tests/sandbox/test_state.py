import json

import httpx

from song_mcp.sandbox.app import Sandbox, build_app
from tests.sandbox.driving import create, submit, suno, udio


async def test_accepted_submissions_are_counted_by_service_and_body(
    http: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    await create(http, udio("one"))
    await create(http, udio("one"))
    await create(http, udio("two"))
    await submit(http, suno())
    await http.post("/api/v1/task", json=udio("one", lyrics_type="wrong"))
    assert sandbox.count("piapi") == 3
    assert sandbox.count("piapi", udio("one")) == 2
    assert sandbox.count("gptge", suno()) == 1
    assert [item.service for item in sandbox.accepted] == ["piapi", "piapi", "piapi", "gptge"]
    assert sandbox.accepted[2].body == udio("two")


async def test_requests_are_remembered_without_their_keys(
    http: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    await create(http, udio())
    await http.get("/suno/nothing")
    await http.get("/media/nothing.mp3")
    await http.get("/api/nothing")
    first = sandbox.requests[0]
    assert (first.method, first.path) == ("POST", "/api/v1/task")
    assert json.loads(first.body) == udio()
    assert first.headers["x-api-key"] == first.headers["authorization"] == "[redacted]"
    assert first.headers["content-type"] == "application/json"
    assert [item.service for item in sandbox.requests] == ["piapi", "gptge", "media", "piapi"]


async def test_two_sandboxes_share_nothing(http: httpx.AsyncClient) -> None:
    await create(http, udio())
    assert build_app().state.sandbox.count("piapi") == 0
