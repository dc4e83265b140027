"""Answers that say no: those that only come before anything is accepted, and those that may follow.

A service that gives one of the first has made nothing, so "not charged" is true. After one of the
others nobody knows, whatever its words are.
"""

import json
import zlib
from collections.abc import Sequence

Answer = tuple[int, bytes]


def _json(status: int, **fields: object) -> Answer:
    return status, json.dumps(fields, ensure_ascii=False).encode()


def _layer(status: int, code: object, message: str) -> Answer:
    return _json(status, code=code, message=message, data=None)


def _gate(status: int, message: str, code: str = "", kind: str = "new_api_error") -> Answer:
    return _json(status, error={"message": message, "type": kind, "code": code})


def _minimax(code: object, message: str) -> Answer:
    return _json(200, base_resp={"status_code": code, "status_msg": message})


GONE = "You don't have access to this model. Please switch to v6!"
NO_MONEY = {
    "task_id": "11111111-2222-4333-8444-555555555555",
    "model": "music-u",
    "status": "failed",
    "meta": {"usage": {"frozen": 500_000, "consume": 0}},
    "error": {
        "code": 10_000,
        "raw_message": "failed to freeze account point quota: account point quota not enough",
        "message": "failed to pre-process task runtime",
    },
}
REFUSALS: Sequence[Answer] = (
    _layer(413, "read_request_body_failed", "request body too large"),
    (413, b"<html><title>413 Request Entity Too Large</title></html>"),
    _layer(500, "build_request_failed", "unexpected end of JSON input"),
    _layer(500, "get_origin_task_failed", "bad connection"),
    _layer(500, "model_price_error", "no price"),
    _layer(503, "channel_no_available_key", "no enabled keys"),
    _json(422, detail=[{"loc": ["body", "prompt"], "msg": "field required"}]),
    _json(400, detail="Title is too long"),
    _gate(401, "该令牌额度已用尽 (request id: 1)"),
    _gate(403, "该令牌额度已用尽", "pre_consume_token_quota_failed"),
    _gate(401, "该令牌已过期 (request id: 1)"),
    _layer(403, "pre_consume_failed", "预扣费额度失败, 用户剩余额度: 0"),
    _layer(403, "fail_to_fetch_task", GONE),
    _layer(500, "fail_to_fetch_task", json.dumps({"detail": GONE})),
    _layer(410, 410, "The music-u model has been discontinued"),
    _layer(503, "model_offline", "模型已下线，请更换模型"),
    (403, b"<!DOCTYPE html><title>Attention Required! | Cloudflare</title>"),
    _json(403, cloudflare_error=True, error_code=1020, detail="no access"),
    _json(200, success=False, error={"code": "bad_request", "message": "not like this"}),
)
"""Answers before anything is accepted."""
REFUSALS_OF_PIAPI: Sequence[Answer] = (
    *(_json(status, code=500, message="no", data=NO_MONEY) for status in (200, 400, 500)),
    *REFUSALS,
)

DOUBTS: Sequence[Answer] = (
    _layer(500, "get_channel_failed", "可用渠道不存在（retry）"),
    _layer(500, "read_response_body_failed", "unexpected EOF"),
    _gate(500, "lost", "bad_response_status_code", "upstream_error"),
    _gate(500, "Panic detected, error: x", kind="new_api_panic"),
    _json(500, detail="upstream is gone"),
    _json(200, success=False, message="unexpected status code: 503"),
    _json(200, error_code=1002, error_msg='status code: 503, body: {"detail": "no"}'),
    _layer(200, "success", "success"),
    _layer(500, "do_request_failed", GONE),
    _layer(504, "upstream_timeout", "模型已下线"),
    (522, b"error code: 522"),
    (524, b"<!DOCTYPE html><title>524: A timeout occurred | Cloudflare</title>"),
    _json(520, cloudflare_error=True, error_code=520, detail="unknown error"),
    (404, b"<html><title>not here</title></html>"),
    (500, GONE.encode()),
)
"""Answers before or after a submission was accepted."""
DOUBTS_OF_MINIMAX: Sequence[Answer] = (
    *(_minimax(code, "?") for code in (1000, 1001, 1013, 1024, 9999, -1)),
    _minimax("1001", "timeout"),
    *(answer for answer in DOUBTS if b"success" not in answer[1]),
    _json(200, data={"audio": "", "status": 1}, base_resp={"status_code": 0, "status_msg": ""}),
)
REFUSALS_OF_MINIMAX: Sequence[Answer] = tuple(
    _minimax(code, said)
    for code, said in (
        (1002, "rate limit exceeded"),
        (1004, "login fail: check the key"),
        (1008, "insufficient balance"),
        (1026, "sensitive words in the input"),
        (2013, "invalid params, lyrics too long"),
        (2049, "invalid api key"),
    )
)
REFUSALS_OF_ACESTEP: Sequence[Answer] = tuple(
    _json(status, detail=said)
    for status, said in ((400, "bad"), (401, "key"), (415, "what is this"), (429, "queue is full"))
)


def chosen(answers: Sequence[Answer], text: str) -> Answer:
    """Return the same answer for each request with this text."""
    return answers[zlib.crc32(text.encode()) % len(answers)]
