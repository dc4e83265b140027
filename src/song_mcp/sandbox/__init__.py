"""The sandbox: a stand-in for all services on loopback, for trying things without a key.

What it promises: it accepts and answers what the services do, for every request that song-mcp makes
(`docs/providers.md`), and its songs are real audio, synthesised from the words of the request. A
marker in a request's text plays a fault (`markers`). It costs nothing, and sends no requests.

What others use: `app` for the web application, and `serve` to run it. The packages that it needs
come with the extra `sandbox`.
"""

__all__ = ["app", "serve"]
