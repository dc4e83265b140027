"""The MCP side: what a client is offered, and how it is served.

Nothing else imports the SDK, but for the demo, which is a client.

What it promises: stdout and HTTP carry the protocol alone, in both of its eras; what a client sees
of a failure is a sentence of ours; a tool decides nothing about money or services; and the end of a
task counts as delivered when a client has it, and not before.

What others use: `app` for the server (`build_server`, `SongServer`), which opens nothing until it
is served, and `stdio` or `http` to serve it (`serve` in each). They are modules because a start
loads what it serves over, and no more.
"""

__all__ = ["app", "http", "stdio"]
