"""The services: one protocol for all of them, and an adapter for each.

What it promises: a `Provider` translates a request before anything is sent. It makes exactly one
POST that costs money, and repeats this POST only if no byte of it can have left. Whatever a service
replies, a caller gets a `Report`, an `Account`, or one of the errors of `song_mcp.errors`, without
keys, addresses and accounts in any text.

What others use: the protocol and the types in it, listed below; `transport`, through which
downloads connect as well; and `waits`, which reads how long a host asks to wait. An adapter is
imported by its name in `songs.SERVICES`, if there is a key for it: a new service is a module here
and a row there.
"""

from song_mcp.providers.base import (
    Accepted,
    Account,
    Attaching,
    Batching,
    History,
    Likeness,
    Past,
    Provider,
    Remembering,
    Submission,
)

__all__ = [
    "Accepted",
    "Account",
    "Attaching",
    "Batching",
    "History",
    "Likeness",
    "Past",
    "Provider",
    "Remembering",
    "Submission",
    "transport",
    "waits",
]
