"""Changes the money path one place at a time, and sees whether a test fails: `make mutants`.

Each mutant is tried in a copy of the tree: first with the quick tests of its module, and if these
pass with the slower ones. One that no test tells from the code has survived; it must be killed by a
new test, or stand in `survivors.toml` with the reason why it need not be. Anything else fails.

Why a tool of our own. What decides about money here is mostly SQL; mutmut and cosmic-ray change the
syntax of Python, and to them a statement is a string. Many tests start children with an environment
of their own: mutmut tells which mutant is meant by an environment variable, which these do not get,
so they would run the code as it is. cosmic-ray has one test command for all modules and starts it
anew for each mutant, which takes longer than the tests of most modules; here a fork of a process
that has imported what is not ours runs just those.
"""

import argparse
import hashlib
import os
import signal
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Literal, TypeVar

from tests.mutants.mutate import Mutant, mutants_of
from tests.mutants.tree import ROOT, Tree

PACKAGE = ROOT / "src" / "song_mcp"
SURVIVORS = Path(__file__).with_name("survivors.toml")

STORE = "tests/journal/test_store.py"
WRITES = "tests/journal/test_writes.py"
CLAIMS = "tests/journal/test_claims.py"
CUT_OFF = "tests/journal/test_cut_off.py"
SALVAGE = "tests/journal/test_salvage.py"
ONE_POST = "tests/studio/test_one_post.py"
SUBMITTER = "tests/studio/test_submitter.py"
RECONCILE = "tests/studio/test_reconcile.py"
BALANCE = "tests/studio/test_balance.py"
SAVER = "tests/studio/test_saver.py"
AFTER_THE_END = "tests/studio/test_after_the_end.py"
BETTER = "tests/journal/test_after_the_end.py"
RECOVERY = "tests/studio/test_recovery.py"
POLLER = "tests/studio/test_poller.py"
VERDICT = "tests/providers/test_verdict.py"
SETTLER = "tests/studio/test_settler.py"
HISTORY = "tests/studio/test_history.py"
PAST = "tests/providers/test_piapi_history.py"
PIAPI = "tests/providers/test_piapi.py"
UPLOAD = "tests/providers/test_piapi_upload.py"
GPTGE = "tests/providers/test_gptge.py"
MINIMAX = "tests/providers/test_minimax.py"
ACESTEP = "tests/providers/test_acestep.py"
INTAKE = "tests/studio/test_intake.py"
ACCEPTED = "tests/providers/test_accepted.py"
REFUSALS = "tests/faults/test_refusals.py"
SHAPES = "tests/providers/test_shapes.py"
PROXY = "tests/providers/test_proxy.py"
EXAMPLES = "tests/providers/test_examples.py"
ECHOES = "tests/studio/test_echoes.py"
STUDIO = (
    "tests/server/test_promises.py",
    "tests/server/test_cut_off.py",
    "tests/server/test_another_take.py",
    "tests/server/test_takes.py",
    "tests/server/test_minimax.py",
    "tests/server/test_settled_doubts.py",
)
"""The use cases as a client sees them, on the real adapters."""
EVERY = {"studio": ("tests/studio", "tests/journal"), "providers": ("tests/providers",)}
EVERY["journal"] = EVERY["studio"]
"""All tests of a package, which try what no quicker one has told from the code."""

TESTS: Mapping[str, tuple[Sequence[str], ...]] = {
    "studio/submitter.py": ((ONE_POST,), (SUBMITTER,), STUDIO),
    "studio/reconcile.py": ((RECONCILE, BALANCE), (SETTLER,), STUDIO),
    "studio/settler.py": ((SETTLER,),),
    "studio/history.py": ((HISTORY,), (SETTLER,)),
    "studio/intake.py": ((INTAKE,), (SAVER,)),
    "studio/calls.py": (("tests/studio/test_takes.py",), (ONE_POST,), STUDIO),
    "studio/saver.py": ((SAVER,), (AFTER_THE_END,), STUDIO),
    "studio/caretaker.py": ((AFTER_THE_END, SAVER),),
    "studio/recovery.py": ((RECOVERY,), STUDIO),
    "studio/poller.py": ((POLLER,), (AFTER_THE_END,), STUDIO),
    "journal/store.py": (
        (WRITES, CUT_OFF, CLAIMS, STORE),
        (
            "tests/journal/test_lookup.py",
            "tests/journal/test_changes.py",
            ONE_POST,
            RECONCILE,
            BALANCE,
            SETTLER,
        ),
        (*STUDIO, "tests/server/test_completion.py", "tests/server/test_paging.py"),
    ),
    "journal/balance.py": ((BALANCE,), (RECONCILE,)),
    "journal/merging.py": ((BETTER,),),
    "journal/transitions.py": ((WRITES, "tests/journal/test_transitions.py"),),
    "journal/writes.py": (
        (WRITES, "tests/journal/test_transitions.py", CUT_OFF, CLAIMS, STORE),
        (ONE_POST, RECONCILE, SETTLER),
        STUDIO,
    ),
    "journal/claims.py": (
        (BETTER, CUT_OFF, CLAIMS, WRITES, STORE),
        (SALVAGE, ONE_POST),
        (SETTLER,),
    ),
    "journal/rows.py": ((WRITES, CLAIMS, STORE), (ONE_POST, RECONCILE), STUDIO),
    "journal/liveness.py": (("tests/journal/test_liveness.py",), (RECOVERY, ONE_POST)),
    "providers/verdict.py": ((VERDICT,), (PIAPI, GPTGE, EXAMPLES, REFUSALS, ECHOES)),
    "providers/accepted.py": ((ACCEPTED,), (PIAPI, GPTGE, EXAMPLES)),
    "providers/echoes.py": (("tests/providers/test_echoes.py",), (ECHOES, VERDICT)),
    "providers/piapi_history.py": ((PAST,), (EXAMPLES,)),
    "providers/piapi.py": ((PIAPI, PAST, UPLOAD), (EXAMPLES, ACCEPTED, VERDICT, PROXY)),
    "providers/piapi_reports.py": ((PIAPI,), (EXAMPLES, ACCEPTED)),
    "providers/piapi_upload.py": ((UPLOAD,),),
    "providers/gptge.py": ((GPTGE, SHAPES), (EXAMPLES, ACCEPTED, VERDICT, PROXY)),
    "providers/gptge_replies.py": ((GPTGE, SHAPES), (EXAMPLES,)),
    "providers/minimax.py": ((MINIMAX,), (EXAMPLES, VERDICT)),
    "providers/minimax_replies.py": ((MINIMAX,), (EXAMPLES, VERDICT)),
    "providers/hex_audio.py": (("tests/providers/test_hex_audio.py",), (MINIMAX,)),
    "providers/acestep.py": ((ACESTEP,), (EXAMPLES, VERDICT)),
    "inbox.py": (("tests/test_inbox.py",), (INTAKE, MINIMAX)),
}
"""What is mutated, and the tests that cover it: one group after the other, the quickest first."""

LIMIT_S, TIMES = 30.0, 10.0
"""A mutant may take so long, and so many times what its tests take without one."""
GOAL_PERCENT = 95.0

T = TypeVar("T")
R = TypeVar("R")
Fate = Literal["killed", "timed out", "survived"]


@dataclass(frozen=True)
class Options:
    """What to try: `count` of all mutants (0: all) by the lot of `seed`, or those at `only`."""

    count: int
    seed: int
    only: str
    workers: int


def main() -> int:
    """Try mutants, print what became of them, and return 0 if no unexpected one survived."""
    options = _options()
    everything = [mutant for path in TESTS for mutant in mutants_of(PACKAGE, path)]
    reasons = _reasons()
    chosen = _chosen(everything, options)
    if not chosen:
        raise SystemExit(f"no mutant is at {options.only}")
    print(f"{len(chosen)} of {len(everything)} mutants, seed {options.seed}", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))  # so that the copies are removed
    began = time.monotonic()
    with _trees(options.workers) as trees:
        limits = _limits(trees, {mutant.path for mutant in chosen})
        fates = dict(zip(chosen, _in_turn(trees, chosen, limits), strict=True))
    print(f"\n{_table(fates)}\n\n{time.monotonic() - began:.0f} s")
    return _verdict(fates, reasons, {mutant.key for mutant in everything})


def _options() -> Options:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=420, help="how many; 0 tries all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", metavar="PATH[:LINE]", help="all mutants of a place")
    parser.add_argument("--workers", type=int, default=2)
    return Options(**vars(parser.parse_args()))


def _chosen(everything: Sequence[Mutant], options: Options) -> list[Mutant]:
    path, _, line = options.only.partition(":")
    if path:
        here = [mutant for mutant in everything if mutant.path == path]
        return [mutant for mutant in here if not line or mutant.line == int(line)]
    drawn = sorted(everything, key=lambda mutant: _lot(mutant, options.seed))
    chosen = set(drawn[: options.count or None])
    return [mutant for mutant in everything if mutant in chosen]


def _lot(mutant: Mutant, seed: int) -> bytes:
    """Return a number by which mutants are drawn; a change elsewhere in the code leaves it."""
    return hashlib.sha256(repr((seed, mutant.key)).encode()).digest()


def _reasons() -> Mapping[tuple[str, str, str, str], str]:
    """Return the survivors that are argued, by the key of the mutant."""
    listed = tomllib.loads(SURVIVORS.read_text(encoding="utf-8")).get("survivor", [])
    return {(one["path"], one["in"], one["before"], one["after"]): one["why"] for one in listed}


# Trying ------------------------------------------------------------------------------------


@contextmanager
def _trees(count: int) -> Iterator[Sequence[Tree]]:
    with tempfile.TemporaryDirectory(prefix="song-mcp-mutants-") as folder, ExitStack() as stack:
        yield [stack.enter_context(Tree(Path(folder) / f"{number}")) for number in range(count)]


def groups_of(path: str) -> Sequence[Sequence[str]]:
    """Return the tests that may kill a mutant of this file, the quickest first."""
    package = path.partition("/")[0]
    every = EVERY.get(package)
    return [*TESTS[path], every] if every else TESTS[path]


def _limits(trees: Sequence[Tree], paths: set[str]) -> Mapping[Sequence[str], float]:
    """Run each group of tests once without a mutant; return the seconds that each may take."""
    groups = list(dict.fromkeys(group for path in paths for group in groups_of(path)))

    def took_s(tree: Tree, group: Sequence[str]) -> float:
        began = time.monotonic()
        if tree.run(group, 600.0) != "passed":
            raise SystemExit(f"{' '.join(group)} fail without any mutant:\n{tree.log()}")
        return time.monotonic() - began

    for tree in trees[1:]:  # so that each has its bytecode
        tree.run(groups[0], 600.0)
    took = _each(trees, groups, took_s)
    return {group: LIMIT_S + TIMES * s for group, s in zip(groups, took, strict=True)}


def _in_turn(
    trees: Sequence[Tree], mutants: Sequence[Mutant], limits: Mapping[Sequence[str], float]
) -> list[Fate]:
    def fate(tree: Tree, mutant: Mutant) -> Fate:
        found = _fate(tree, mutant, limits)
        if found == "survived":
            print(f"survived: {mutant}", flush=True)
        return found

    return _each(trees, mutants, fate)


def _fate(tree: Tree, mutant: Mutant, limits: Mapping[Sequence[str], float]) -> Fate:
    """Write the mutant, run its tests, and write back what was there."""
    original = tree.read(mutant.path)
    tree.write(mutant.path, mutant.text)
    try:
        for group in groups_of(mutant.path):
            outcome = tree.run(group, limits[group])
            if outcome != "passed":
                return "killed" if outcome == "failed" else "timed out"
        return "survived"
    finally:
        tree.write(mutant.path, original)


def _each(  # one tree does one thing at a time
    trees: Sequence[Tree], things: Sequence[T], work: Callable[[Tree, T], R]
) -> list[R]:
    free: SimpleQueue[Tree] = SimpleQueue()
    for tree in trees:
        free.put(tree)

    def with_a_tree(thing: T) -> R:
        tree = free.get()
        try:
            return work(tree, thing)
        finally:
            free.put(tree)

    pool = ThreadPoolExecutor(len(trees))
    try:
        return list(pool.map(with_a_tree, things))
    finally:  # after Ctrl-C, only what is under way is waited for
        pool.shutdown(cancel_futures=True)


# Telling -----------------------------------------------------------------------------------


def _table(fates: Mapping[Mutant, Fate]) -> str:
    """Return what became of the mutants of each module, as the table of CONTRIBUTING.md."""
    counts = Counter((mutant.path, fate) for mutant, fate in fates.items())
    paths = [path for path in TESTS if any(mutant.path == path for mutant in fates)]
    lines = ["| module | mutants | killed | timed out | survived |", "|---|---|---|---|---|"]
    for path in paths:
        killed, late, alive = (counts[path, fate] for fate in ("killed", "timed out", "survived"))
        lines.append(f"| `{path}` | {killed + late + alive} | {killed} | {late} | {alive} |")
    totals = Counter(fates.values())
    killed, late, alive = totals["killed"], totals["timed out"], totals["survived"]
    return "\n".join([*lines, f"| all | {len(fates)} | {killed} | {late} | {alive} |"])


def _verdict(
    fates: Mapping[Mutant, Fate],
    reasons: Mapping[tuple[str, str, str, str], str],
    possible: set[tuple[str, str, str, str]],
) -> int:
    alive = [mutant for mutant, fate in fates.items() if fate == "survived"]
    unexpected = [mutant for mutant in alive if mutant.key not in reasons]
    stale = [key for key in reasons if key not in possible]
    percent = 100.0 * (len(fates) - len(alive)) / max(1, len(fates))
    print(f"{percent:.1f} % killed; {len(alive) - len(unexpected)} survivors are argued")
    for mutant in unexpected:
        print(f"\nUnexpected: {mutant}")
    for key in stale:
        print(f"\nIn survivors.toml, but no mutant any more: {key}")
    is_sample = len(fates) >= 100  # of a few, one is many percent
    return int(bool(unexpected or stale) or (is_sample and percent < GOAL_PERCENT))


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main())
