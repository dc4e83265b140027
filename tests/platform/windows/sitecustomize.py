"""Makes this Python one on Windows, as far as that can be done on Linux: see `pretended`.

Python imports a module of this name at its start, before all others. So whatever is run with this
folder in PYTHONPATH meets a system without `poll`, `fork`, file modes and much else, and so does
every process that it starts.
"""

import pretended

pretended.begin()
