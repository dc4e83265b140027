"""The services: one protocol for all of them, and an adapter for each.

What it promises: a `Provider` translates a request before anything is sent, makes exactly one
POST that costs money for it, and repeats that one only if no byte of it can have left. Whatever a
service answers, a caller gets a `Report`, an `Account`, or one of the errors of `song_mcp.errors`,
without keys, addresses and accounts in any text.

What others use: the protocol and what passes through it, below; and `transport`, through which
downloads connect as well. The adapters are imported by the names in `songs.SERVICES`, when there
is a key for them: a new service is a module here and a row there.
"""

from song_mcp.providers.base import Accepted, Account, Batching, Provider, Submission

__all__ = ["Accepted", "Account", "Batching", "Provider", "Submission", "transport"]
