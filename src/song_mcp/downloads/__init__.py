"""Downloads: audio and covers from hosts that a service named.

What it promises: it connects only to public addresses, and to the origins of base URLs that a
`Reach` names, which alone are sent the key that it has for them. Each of at most five redirects is
checked like the first address, and so is each request that is made again because the host refuses
programs or gives only pieces. What comes packed is unpacked, and never more of it passed on than
was allowed. Every failure is a LibraryError; it is a NotYetError if the next try may go otherwise.

What others use: `download`, and the `Reach` that says where it may go.
httpx is imported with the first download.
"""

from song_mcp.downloads.fetch import Reach, download

__all__ = ["Reach", "download"]
