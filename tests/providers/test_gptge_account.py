"""What gateways of gpt.ge's family tell of a key, and every way in which they do not."""

from collections.abc import Mapping
from typing import Any

import anyio
import httpx
import pytest

from song_mcp.providers import gptge_account
from song_mcp.providers.base import Account
from song_mcp.providers.gptge import Gptge
from song_mcp.providers.http import ServiceHttp
from song_mcp.songs import SERVICES
from tests.faults.canaries import GPTGE_KEY
from tests.limits import HANGS_S

SUBSCRIPTION = {
    "object": "billing_subscription",
    "has_payment_method": True,
    "soft_limit_usd": 12.5,
    "hard_limit_usd": 12.5,
    "system_hard_limit_usd": 12.5,
    "access_until": 0,
}
USAGE = {"object": "list", "total_usage": 431.2}
KEY_DATA = {
    "object": "token_usage",
    "name": "mcp",
    "total_granted": 6_250_000,
    "total_used": 2_156_000,
    "total_available": 4_094_000,
    "unlimited_quota": False,
    "model_limits": {},
    "model_limits_enabled": False,
    "expires_at": 0,
}
OF_KEY = {"code": True, "message": "ok", "data": KEY_DATA}
PAGE = httpx.Response(200, html="<!doctype html><html></html>")
IN_200 = httpx.Response(200, json={"error": {"message": "no", "type": "upstream_error"}})
FLAG = httpx.Response(401, json={"success": False, "message": "no"})
FLAG_200 = httpx.Response(200, json={"success": False, "message": "no"})
MISSING = httpx.Response(404, json={"error": {"message": "Invalid URL", "type": "x"}})
FAILURES = {"page": PAGE, "in 200": IN_200, "flag": FLAG, "flag in 200": FLAG_200, "404": MISSING}


def listed(*names: object) -> dict[str, Any]:
    return {"object": "list", "data": [{"id": name, "object": "model"} for name in names]}


def gateway(answers: Mapping[str, object], asked: list[httpx.Request] | None = None) -> Gptge:
    """A gateway that answers paths with JSON, a response or an error; others with a page."""

    def handler(request: httpx.Request) -> httpx.Response:
        if asked is not None:
            asked.append(request)
        answer = answers.get(request.url.path, PAGE)
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, httpx.Response) else httpx.Response(200, json=answer)

    return Gptge(GPTGE_KEY, "https://api.gpt.ge", httpx.MockTransport(handler))


def told(**answers: object) -> dict[str, object]:
    paths = {
        "subscription": gptge_account.SUBSCRIPTION,
        "usage": gptge_account.USAGE,
        "of_key": gptge_account.OF_KEY,
        "models": gptge_account.MODELS,
    }
    return {paths[name]: answer for name, answer in answers.items()}


# What is left ----------------------------------------------------------------------------------


async def test_what_is_left_is_the_limit_less_what_was_used() -> None:
    asked: list[httpx.Request] = []
    found = await gateway(told(subscription=SUBSCRIPTION, usage=USAGE), asked).account()
    assert found is not None
    assert found.balance_units == pytest.approx(8.188)
    assert (found.balance_usd, found.is_unlimited) == (None, False)
    assert {request.method for request in asked} == {"GET"}
    assert {request.url.host for request in asked} == {"api.gpt.ge"}
    assert gptge_account.OF_KEY not in {request.url.path for request in asked}


@pytest.mark.parametrize("limit", [100_000_000, "100000000", 2e8], ids=["number", "text", "more"])
async def test_a_key_without_a_limit_is_told_as_one(limit: object) -> None:
    plan = SUBSCRIPTION | {"hard_limit_usd": limit}
    found = await gateway(told(subscription=plan, usage=USAGE)).account()
    assert found == Account(is_unlimited=True)


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
@pytest.mark.parametrize("what", ["subscription", "usage"])
async def test_the_keys_own_usage_is_asked_where_the_sites_figures_fail(
    what: str, failure: httpx.Response
) -> None:
    answers: dict[str, object] = {"subscription": SUBSCRIPTION, "usage": USAGE, "of_key": OF_KEY}
    found = await gateway(told(**(answers | {what: failure}))).account()
    assert found == Account(balance_units=8.188)


async def test_a_key_that_says_itself_that_it_has_no_limit_is_told_as_one() -> None:
    data = OF_KEY | {"data": KEY_DATA | {"unlimited_quota": True, "total_available": 0}}
    assert await gateway(told(of_key=data)).account() == Account(is_unlimited=True)


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
async def test_where_nothing_is_told_nothing_is_said(failure: httpx.Response) -> None:
    answers = dict.fromkeys(("subscription", "usage", "of_key", "models"), failure)
    assert await gateway(told(**answers)).account() is None


@pytest.mark.parametrize(
    "error", [httpx.ConnectError("refused"), httpx.ReadError("reset"), httpx.ReadTimeout("late")]
)
async def test_a_gateway_that_cannot_be_reached_tells_nothing(error: Exception) -> None:
    answers = dict.fromkeys(("subscription", "usage", "of_key", "models"), error)
    assert await gateway(told(**answers)).account() is None


@pytest.mark.parametrize(
    ("plan", "usage"),
    [
        ({}, USAGE),
        ({"hard_limit_usd": None}, USAGE),
        ({"hard_limit_usd": "much"}, USAGE),
        ({"hard_limit_usd": -1}, USAGE),
        ({"hard_limit_usd": [12]}, USAGE),
        ([], USAGE),
        (SUBSCRIPTION, {}),
        (SUBSCRIPTION, {"total_usage": -5}),
        (SUBSCRIPTION, {"total_usage": {}}),
        (SUBSCRIPTION, "x"),
    ],
)
async def test_figures_that_cannot_be_right_are_none(plan: object, usage: object) -> None:
    assert await gateway(told(subscription=plan, usage=usage)).account() is None


@pytest.mark.parametrize("data", [None, [], {}, {"total_available": "x"}, "text"])
async def test_a_keys_usage_that_cannot_be_read_is_none(data: object) -> None:
    assert await gateway(told(of_key={"code": True, "data": data})).account() is None


async def test_a_gateway_that_never_answers_is_not_waited_for() -> None:
    async def hang(_: httpx.Request) -> httpx.Response:
        await anyio.sleep_forever()
        raise AssertionError

    http = ServiceHttp(SERVICES["gptge"], "https://x.example", {}, [], httpx.MockTransport(hang))
    with anyio.fail_after(HANGS_S):
        assert await gptge_account.account(http, deadline_s=0.01) is None


# What the key may use ----------------------------------------------------------------------------

NO_SONGS = "Among the models of this key gpt.ge lists no suno_music, so it may refuse songs."
NO_LYRICS = "Among the models of this key gpt.ge lists no suno_lyrics, so it may refuse lyrics."


@pytest.mark.parametrize(
    ("names", "remark", "models"),
    [
        (["gpt-5", "suno_music", "suno_lyrics"], "", None),
        (["gpt-5"], NO_SONGS, None),
        (["gpt-5", "suno_lyrics"], NO_SONGS, None),
        (["suno_music"], NO_LYRICS, None),
        (["suno-v6", "chirp-goose", "chirp-v9"], "", ("suno-v6", "suno-v6-mini", "chirp-v9")),
        (["suno"], "", None),
        ([None, 7, {}], NO_SONGS, None),
        ([], "", None),
    ],
)
async def test_what_the_key_may_use_is_told_as_far_as_it_is_listed(
    names: list[object], remark: str, models: tuple[str, ...] | None
) -> None:
    found = await gateway(told(models=listed(*names))).account() or Account()
    assert (found.remark, found.models) == (remark, models)


@pytest.mark.parametrize("body", [{"data": "x"}, {"data": {}}, [], {"data": [7]}, {}])
async def test_a_list_of_another_form_says_nothing(body: object) -> None:
    assert await gateway(told(models=body)).account() is None
