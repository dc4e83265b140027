"""The MCP side: what a client is offered, and how it is served.

Nothing else imports the SDK, except the demo, which is a client.

What it promises: stdout and HTTP carry the protocol alone, in both of its eras. A client sees a
failure as a sentence of ours. A tool decides nothing about money or services. The end of a task
counts as delivered when a client has it, and not before.

What others use: `app` for the server (`build_server`, `SongServer`), which opens nothing until it
is served, and `stdio` or `http` to serve it (`serve` in each), with `access` for the token that
clients need over HTTP. They are modules, so that a start loads only what it serves over. The
commands for people without an assistant say what the tools do: `results` has their values and
words, and `delivery` tells of which tasks and ends an answer tells.
"""

__all__ = ["access", "app", "delivery", "http", "results", "stdio"]
