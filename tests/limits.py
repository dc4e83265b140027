"""How long tests wait for what should happen: bounds against hanging, on the slowest of machines.

No test asserts how fast anything is, so none of these figures says how long a thing takes.
"""

HANGS_S = 90.0
"""A wait inside a test; what has not happened by then will never happen."""
TEST_S = 120.0
"""Each phase of a test (set-up, call, teardown); `--limit` and the marker `limit` change it."""
STEP_S = 5.0
"""The time between two steps against a test past its limit; `tests.ending` says which."""
LAST_STEP = 20
"""With this step the whole run is ended, as the test cannot be."""
PATIENCE_S = 10.0
"""What a child may take for each step of ending it; `tests.children` says which."""
EXIT_S = 60.0
WORKERS_EXIT_S = 2400.0
"""What the interpreter may take to end when all tests are done."""
