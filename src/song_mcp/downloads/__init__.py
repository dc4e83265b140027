"""Downloads: audio and covers from hosts that a service named, without a key.

What it promises: only public addresses are connected to, and the origins of a `Reach`; each of at
most three redirects is checked like the first address; what arrives is passed on as it is, never
unpacked, and never more of it than was allowed. A caller gets LibraryError for all that can fail.

What others use: `download`, and the `Reach` that says where it may go.
httpx is imported with the first download.
"""

from song_mcp.downloads.fetch import Reach, download

__all__ = ["Reach", "download"]
