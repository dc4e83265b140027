"""Downloads: audio and covers from hosts that a service named, without a key.

What it promises: it connects only to public addresses, and to the origins on this machine that a
`Reach` names. Each of at most three redirects is checked like the first address. What arrives is
passed on as it is, never unpacked, and never more of it than was allowed. Every failure is a
LibraryError.

What others use: `download`, and the `Reach` that says where it may go.
httpx is imported with the first download.
"""

from song_mcp.downloads.fetch import Reach, download

__all__ = ["Reach", "download"]
