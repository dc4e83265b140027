"""Redaction: keys and accounts that a reply echoes get into no text of ours.

A secret is removed by its name, wherever a text has that name, and by its value, wherever the reply
repeats it. Ids and links are never altered, for that would lose a paid task or a song: they pass as
they are, or are dropped whole if they hold the key or a webhook's secret. What only names the
account is removed from words, but may be part of an id or a link that a host made.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from song_mcp.songs import Clip, Lyrics, Report
from song_mcp.text import clean

SECRET_NAMES = frozenset({"secret", "webhooksecret", "apikey", "xapikey", "xwebhooksecret"})
ACCOUNT_NAMES = frozenset({"userid", "channelid"})
SHORTEST_IN_WORDS, SHORTEST_IN_SONGS = 4, 8
"""How long a value must be to be removed: shorter ones would garble errors and titles."""
PIECES_LIMIT = 100_000
"""How many values of one reply are read at most; one of 4 MiB with songs has some ten thousand."""
SECRETS_CAP, LONGEST_SECRET = 300, 1_000
"""How many secrets and accounts of one reply are looked for, and how long they may be.

An honest one of fifty tasks names some hundred. One with more, or longer ones, has no words that
are shown.
"""
ERROR_CAP, CODE_CAP = 20_000, 100
"""How much of an error is searched, which is four times of what is shown of it, and of a code."""
HIDDEN = "[hidden]"
NAMED = re.compile(
    r"(?P<name>\b(?:x[-_]?)?(?:user[-_]?id|channel[-_]?id|api[-_]?key|(?:webhook[-_]?)?secret)\b"
    r"\\*[\"']?\s*[:=]\s*)"
    r"(?:(?P<quote>\\*[\"'])(?P<quoted>(?:[^\"'\\]|\\+[^\"'\\])*)|(?P<bare>[^\s\"',;&}\]\\]+))",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Redaction:
    """What one reply must not pass on: `key` and `secrets` to anything, `accounts` to words.

    `redact` is the service's own, which knows keys and addresses; it is for errors alone. If the
    reply `is_flooded` with secrets, all its words and links are kept back.
    """

    key: str
    secrets: Sequence[str]
    accounts: Sequence[str]
    redact: Callable[[str], str]
    is_flooded: bool = False

    @classmethod
    def of(cls, body: object, key: str, redact: Callable[[str], str]) -> "Redaction":
        """Return the redaction of the reply `body`: the `key`, and the secrets that it echoes."""
        named = set(_named_in(body))
        if len(named) > SECRETS_CAP or any(len(value) > LONGEST_SECRET for _, value in named):
            return cls(key, (), (), redact, is_flooded=True)
        secrets = [value for name, value in named if name in SECRET_NAMES]
        accounts = {value for name, value in named if name in ACCOUNT_NAMES}
        long = {value for value in secrets if len(value) >= SHORTEST_IN_SONGS}
        return cls(key, _longest_first(long), _longest_first(accounts), redact)

    def error(self, text: str) -> str:
        """Return what a service said of an error without secrets, accounts and addresses."""
        if self.is_flooded:
            return ""
        text = text[:ERROR_CAP]
        accounts = [each for each in self.accounts if len(each) >= SHORTEST_IN_WORDS]
        values = [*self.secrets, *accounts]
        text = self.redact(_without(without_named(text), values))
        return _without(without_named(text), values)  # again: cleaning may have joined pieces

    def code(self, text: str) -> str:
        """Return the code of an error as `error` does; also that of a flooded reply, for money."""
        return self.redact(without_named(text[:CODE_CAP])) if self.is_flooded else self.error(text)

    def song_text(self, text: str) -> str:
        """Return a title, lyrics or another word of a song without secrets."""
        if self.is_flooded:
            return ""
        accounts = [each for each in self.accounts if len(each) >= SHORTEST_IN_SONGS]
        return _without(text, [*self._key(), *self.secrets, *accounts])

    def link(self, url: str) -> str:
        """Return the link, or "" if it holds a secret."""
        return "" if self.is_flooded or self.is_secret(url) else url

    def is_secret(self, text: str) -> bool:
        """Return whether an id or a link holds a secret; no proper one does.

        An id may be all that is left of a paid task, so one of a flooded reply is not secret.
        """
        return any(secret in text for secret in (*self._key(), *self.secrets))

    def _key(self) -> Sequence[str]:
        return [self.key] if len(self.key) >= SHORTEST_IN_SONGS else []

    def report(self, report: Report) -> Report:
        """Return the report without secrets, and without accounts in its words."""
        clips: dict[str, Clip] = {}
        for number, clip in enumerate(report.clips, start=1):
            is_bad = self.is_secret(clip.clip_id)
            clip_id = f"{report.task_id}-{number}" if is_bad else clip.clip_id
            clips[clip_id] = self._clip(replace(clip, clip_id=clip_id))
        return replace(
            report,
            provider_status=self.song_text(report.provider_status),
            model=self.song_text(report.model),
            clips=tuple(clips.values()),
            lyrics=report.lyrics and self._lyrics(report.lyrics),
            error=self.error(report.error),
            asked=self.song_text(report.asked),
        )

    def _lyrics(self, lyrics: Lyrics) -> Lyrics:
        title, text = self.song_text(lyrics.title), self.song_text(lyrics.text)
        return Lyrics(title, text, tuple(map(self._lyrics, lyrics.others)))

    def _clip(self, clip: Clip) -> Clip:
        has_lost_audio = bool(clip.audio_url) and not self.link(clip.audio_url)
        return replace(
            clip,
            status="failed" if has_lost_audio else clip.status,
            title=self.song_text(clip.title),
            service_title=self.song_text(clip.service_title),
            audio_url=self.link(clip.audio_url),
            image_url=self.link(clip.image_url),
            video_url=self.link(clip.video_url),
            tags=tuple(map(self.song_text, clip.tags)),
            lyrics=self.song_text(clip.lyrics),
            error=self.error(clip.error) or has_lost_audio * "The clip's link was not usable.",
            made_with=self.song_text(clip.made_with),
            wishes=replace(
                clip.wishes,
                negative_tags=self.song_text(clip.wishes.negative_tags),
                vocal_gender=self.song_text(clip.wishes.vocal_gender),
            ),
        )


def without_named(text: str) -> str:
    """Return `text` without the values of secrets and accounts that it names, also cut-off ones.

    JSON stays JSON: quoted values become empty, others 0.
    """
    values = {match["quoted"] or match["bare"] or "" for match in NAMED.finditer(text)}
    text = NAMED.sub(lambda match: match["name"] + (match["quote"] or "0"), text)
    return _without(text, _longest_first(each for each in values if len(each) >= SHORTEST_IN_WORDS))


def _named_in(body: object) -> Iterator[tuple[str, str]]:
    """Yield each text and number of the reply that has a name to be hidden, with that name."""
    waiting = [body]
    for _ in range(PIECES_LIMIT):
        if not waiting:
            return
        piece = waiting.pop()
        if isinstance(piece, list):
            waiting += piece
        elif isinstance(piece, dict):
            waiting += [item for item in piece.values() if isinstance(item, dict | list)]
            yield from _hidden_in(piece)


def _hidden_in(piece: dict[str, object]) -> Iterator[tuple[str, str]]:
    for key, value in piece.items():
        name = key.replace("_", "").replace("-", "").lower()
        is_value = isinstance(value, str | int) and not isinstance(value, bool)
        if name in SECRET_NAMES | ACCOUNT_NAMES and is_value:
            yield name, str(value).strip()


def _longest_first(values: Iterable[str]) -> Sequence[str]:
    return sorted(values, key=len, reverse=True)


def _without(text: str, values: Iterable[str]) -> str:
    rest = text
    for value in values:
        rest = rest.replace(value, HIDDEN)
    return text if rest == text else clean(rest)  # a joiner may have lost its neighbour
