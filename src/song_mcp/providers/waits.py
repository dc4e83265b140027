"""How long a host asks to wait, read from the headers of its answer.

For services and hosts of media alike. Nothing here imports httpx.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

RETRY_AFTER_CAP_S = 120.0
NUMBER = re.compile(r"[0-9]{1,15}(?:\.[0-9]{0,9})?")
SECONDS = re.compile(rf"({NUMBER.pattern}) ?sec(?:ond)?s?", re.IGNORECASE)
"""A number of seconds that says so."""
UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
PIECE = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|[smhd])")
DURATION = re.compile(rf"(?:{PIECE.pattern}){{1,5}}")
"""How long something lasts, as in "1m30s", "250ms" or "7.5s"."""
RESET_HEADER = re.compile(r"x-rate-?limit-reset|ratelimit-reset|[a-z]+-ratelimit-[a-z-]*reset")
"""The headers that tell when a limit is lifted (`docs/providers.md` 4.9)."""
UNIX_TIMES_FROM, MILLISECONDS_FROM = 1e9, 1e11
"""A number from here on is a Unix time, and from there on one in milliseconds."""


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return how long to wait, in seconds, at most 120; a date is compared with the reply's own.

    `Retry-After` wins over what tells when a limit is lifted; of several limits the longest counts.
    """
    now = http_date(headers.get("date", "")) or datetime.now(UTC)
    asked_s = [
        _milliseconds(headers.get("retry-after-ms", "")),
        _wait_s(headers.get("retry-after", ""), now),
    ]
    resets_s = [_wait_s(value, now) for name, value in headers.items() if RESET_HEADER.match(name)]
    told_s = [each for each in asked_s if each is not None][:1]
    waits_s = told_s or [each for each in resets_s if each is not None]
    return min(max(0.0, *waits_s), RETRY_AFTER_CAP_S) if waits_s else None


def _milliseconds(value: str) -> float | None:
    return float(value) / 1000 if NUMBER.fullmatch(value.strip()) else None


def _wait_s(value: str, now: datetime) -> float | None:
    """Return the seconds that a header tells: a number, a Unix time, a duration or a date."""
    value = SECONDS.sub(r"\1", value.strip())
    if NUMBER.fullmatch(value):
        return _from_now_s(float(value), now)
    if DURATION.fullmatch(value):
        return sum(float(number) * UNITS_S[unit] for number, unit in PIECE.findall(value))
    until = http_date(value) or _iso_date(value)
    return None if until is None else (until - now).total_seconds()


def _from_now_s(number: float, now: datetime) -> float:
    """Return a number of seconds as it is; a Unix time is also told in milliseconds."""
    if number < UNIX_TIMES_FROM:
        return number
    return (number / 1000 if number > MILLISECONDS_FROM else number) - now.timestamp()


def _iso_date(value: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def http_date(value: str) -> datetime | None:
    """Return the time that a header tells as HTTP does, None if it is none."""
    try:
        moment = parsedate_to_datetime(value)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        return None
