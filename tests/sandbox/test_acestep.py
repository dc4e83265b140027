"""ACE-Step's side of the sandbox: what its server answers (docs/providers.md 10)."""

import json

import httpx
import pytest
from starlette.applications import Starlette

from song_mcp.sandbox.app import Rules, Sandbox, build_app
from tests.sandbox.driving import Clock, Json, differences, example, heard

WALTZ: Json = {"prompt": "slow waltz", "lyrics": "[Verse]\nTrams at noon", "batch_size": 1}
WHOLE_S = 100.0


async def released(http: httpx.AsyncClient, body: Json) -> str:
    response = await http.post("/release_task", json=body)
    assert response.status_code == 200, response.text
    return str(response.json()["data"]["task_id"])


async def looked(http: httpx.AsyncClient, *task_ids: str) -> list[Json]:
    """The tasks as shown, each with its result unpacked."""
    response = await http.post("/query_result", json={"task_id_list": task_ids})
    assert response.status_code == 200, response.text
    shown = response.json()["data"]
    return [each | {"result": json.loads(each["result"])} for each in shown]


async def ended(http: httpx.AsyncClient, clock: Clock, body: Json) -> Json:
    task_id = await released(http, body)
    clock.advance(WHOLE_S)
    [shown] = await looked(http, task_id)
    return shown


async def test_answers_have_the_documented_form(http: httpx.AsyncClient, clock: Clock) -> None:
    response = await http.post("/release_task", json=WALTZ | {"batch_size": 2})
    assert differences(response.json(), example("acestep/answers/queued")) == []
    task_id = response.json()["data"]["task_id"]
    for name, passed_s in (("waiting", 0.0), ("running", 20.0), ("completed", WHOLE_S)):
        clock.advance(passed_s)
        documented = example(f"acestep/answers/{name}")["data"][0]
        documented.pop("progress_text", None)
        documented["result"] = json.loads(documented["result"])
        for each in documented["result"]:
            each |= {"progress": 0.5, "stage": "any"}
        [shown] = await looked(http, task_id)
        assert differences(shown, documented) == []
        assert shown["status"] == documented["status"]


async def test_the_queue_tells_the_position_and_then_is_full(clock: Clock) -> None:
    app = build_app(WHOLE_S, rules=Rules(queue_size=2, clip_seconds=1.0), clock=clock)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://a") as http:
        answers = [await http.post("/release_task", json=WALTZ) for _ in range(3)]
        assert [each.status_code for each in answers] == [200, 200, 429]
        assert [each.json()["data"]["queue_position"] for each in answers[:2]] == [1, 2]
        assert answers[2].json() == {"detail": "Server busy: queue is full"}
        clock.advance(50)
        assert (await http.post("/release_task", json=WALTZ)).status_code == 200


async def test_the_audio_is_as_long_as_asked_for(http: httpx.AsyncClient, clock: Clock) -> None:
    shown = await ended(http, clock, WALTZ | {"audio_duration": 10.0, "batch_size": 2})
    first, second = shown["result"]
    assert first["metas"]["duration"] == 10
    audio = [(await http.get(take["file"])).content for take in (first, second)]
    assert heard(audio[0]).length == pytest.approx(10.0, abs=0.1)
    assert audio[0] != audio[1]


async def test_up_to_eight_takes_have_a_seed_each(http: httpx.AsyncClient, clock: Clock) -> None:
    body = WALTZ | {"batch_size": 8, "use_random_seed": False, "seed": 5}
    shown = await ended(http, clock, body)
    assert len({take["file"] for take in shown["result"]}) == 8
    assert {take["seed_value"] for take in shown["result"]} == {"5,6,7,8,9,10,11,12"}


async def test_a_description_has_lyrics_written_and_an_instrumental_none(
    http: httpx.AsyncClient, clock: Clock
) -> None:
    written = await ended(http, clock, {"sample_query": "trams at noon"})
    assert [bool(take["lyrics"].strip()) for take in written["result"]] == [True, True]
    silent = await ended(http, clock, WALTZ | {"lyrics": "[Instrumental]"})
    assert silent["result"][0]["lyrics"] == "[Instrumental]"


async def test_a_form_is_read_with_its_file(
    http: httpx.AsyncClient, clock: Clock, sandbox: Sandbox
) -> None:
    fields = {"task_type": "cover", "prompt": "big band", "batch_size": "1", "thinking": "true"}
    files = {"src_audio": ("source.mp3", b"ID3 the song")}
    response = await http.post("/release_task", data=fields, files=files)
    assert response.status_code == 200, response.text
    [accepted] = sandbox.accepted
    assert accepted.body["src_audio"] == {"file": "source.mp3", "size": 12}
    assert (accepted.body["batch_size"], accepted.body["thinking"]) == (1, True)
    clock.advance(WHOLE_S)
    [shown] = await looked(http, response.json()["data"]["task_id"])
    assert shown["status"] == 1


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (WALTZ | {"batch_size": 9}, "batch_size must be at most 8"),
        (WALTZ | {"audio_duration": 601}, "audio_duration must be 10 to 600"),
        (WALTZ | {"task_type": "edit"}, "task_type is not valid"),
        (WALTZ | {"task_type": "cover"}, "cover requires src_audio"),
        (WALTZ | {"prompt": 7}, "prompt is not valid"),
        (WALTZ | {"prompt": "[[nonsense]]"}, "unknown sandbox marker 'nonsense'"),
    ],
)
async def test_what_is_wrong_is_refused(
    http: httpx.AsyncClient, sandbox: Sandbox, body: Json, detail: str
) -> None:
    response = await http.post("/release_task", json=body)
    assert (response.status_code, response.json()) == (400, {"detail": detail})
    assert not sandbox.accepted


async def test_another_type_of_content_is_refused(http: httpx.AsyncClient) -> None:
    response = await http.post("/release_task", content=b"x", headers={"content-type": "text/html"})
    assert response.status_code == 415
    broken = await http.post(
        "/release_task", content=b"{", headers={"content-type": "application/json"}
    )
    assert (broken.status_code, broken.json()) == (400, {"detail": "Invalid JSON payload"})


async def test_a_task_that_is_not_there_seems_to_run(http: httpx.AsyncClient) -> None:
    [shown] = await looked(http, "44444444-0000-4000-8000-000000000001")
    assert (shown["status"], shown["result"]) == (0, [])


async def test_a_key_is_wanted_for_all_but_the_health(clock: Clock) -> None:
    app: Starlette = build_app(WHOLE_S, rules=Rules(home_key="right"), clock=clock)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://a") as http:
        for method, path in (("POST", "/release_task"), ("POST", "/query_result")):
            for given, detail in (("", "Missing Authorization header"), ("no", "Invalid API key")):
                headers = {"authorization": f"Bearer {given}"} if given else {}
                answer = await http.request(method, path, json={}, headers=headers)
                assert (answer.status_code, answer.json()) == (401, {"detail": detail})
        assert (await http.get("/v1/audio?path=/srv/api_audio/a.mp3")).status_code == 401
        assert (await http.get("/health")).json()["data"]["status"] == "ok"


async def test_a_file_outside_the_folder_is_denied(http: httpx.AsyncClient) -> None:
    assert (await http.get("/v1/audio?path=/etc/passwd")).status_code == 403
    assert (await http.get("/v1/audio?path=/srv/api_audio/none.mp3")).status_code == 404


@pytest.mark.parametrize(
    ("marker", "status"), [("429-queue-full", 429), ("500-detail", 500), ("html-502", 502)]
)
async def test_a_marker_refuses_before_anything_is_accepted(
    http: httpx.AsyncClient, sandbox: Sandbox, marker: str, status: int
) -> None:
    response = await http.post("/release_task", json=WALTZ | {"prompt": f"x [[{marker}]]"})
    assert response.status_code == status
    assert not sandbox.accepted
    await http.post("/release_task", json=WALTZ | {"prompt": f"x [[{marker}:accepted]]"})
    assert len(sandbox.accepted) == 1


async def test_a_failure_has_a_reason_or_none(http: httpx.AsyncClient, clock: Clock) -> None:
    failed = await ended(http, clock, WALTZ | {"prompt": "x [[failure]]"})
    silent = await ended(http, clock, WALTZ | {"prompt": "x [[fail-empty-reason]]"})
    assert (failed["status"], failed["result"][0]["error"]) == (2, "CUDA out of memory")
    assert silent["status"] == 2
    assert "error" not in silent["result"][0]


async def test_a_restarted_server_forgets_its_tasks(http: httpx.AsyncClient, clock: Clock) -> None:
    task_id = await released(http, WALTZ | {"prompt": "x [[forgotten]]"})
    [[before], [after]] = [await looked(http, task_id) for _ in range(2)]
    assert before["result"] != []
    assert (after["status"], after["result"]) == (0, [])


async def test_a_take_may_have_no_file(http: httpx.AsyncClient, clock: Clock) -> None:
    body = WALTZ | {"batch_size": 2, "prompt": "x [[partial]]"}
    assert [bool(each["file"]) for each in (await ended(http, clock, body))["result"]] == [
        True,
        False,
    ]
    none = await ended(http, clock, WALTZ | {"prompt": "x [[empty-songs-completed]]"})
    assert (none["status"], none["result"][0]["file"]) == (1, "")
