"""`python -m song_mcp` runs `song-mcp`."""

import sys

from song_mcp.cli import main

if __name__ == "__main__":
    sys.exit(main())
