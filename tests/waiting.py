"""Waiting for what another process or a thread does, when nothing can be awaited."""

import anyio


async def a_moment() -> None:
    """Let others have the processor before looking again.

    A loop without a pause takes processor time from the very process that it waits for.
    """
    await anyio.sleep(0.005)
