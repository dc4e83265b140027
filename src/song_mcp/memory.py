"""How much freed memory the process keeps, where glibc decides that.

Songs and large answers are worked on in threads. glibc returns a large block to the system once it
is freed, but after the first one it takes ever larger blocks, up to 32 MiB, from a heap that it
keeps for each thread, of which there may be eight for each core. So a server that has nothing to
do would keep what all its threads ever had. Where another library allocates, nothing is done.
"""

import sys

M_MMAP_THRESHOLD = -3
LARGE_BYTES = 128 * 1024
"""From which size on a block is the system's own: glibc begins with this, and then raises it."""


def return_large_blocks() -> None:
    """Have each large block returned to the system when it is freed, from now on."""
    if sys.platform == "linux":
        import ctypes

        set_option = getattr(ctypes.CDLL(None), "mallopt", None)
        if set_option is not None:
            set_option(M_MMAP_THRESHOLD, LARGE_BYTES)
