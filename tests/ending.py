"""Every test ends: a pytest plugin that limits each phase of a test, and keeps its teardown safe.

**The limit.** Set-up, call and teardown of a test may each take `--limit` seconds. After that the
stacks of all threads and tasks are shown, and the phase is interrupted: what awaits is cancelled,
and the failure is raised in what blocks in Python or in a system call. Then it has time to unwind,
in which contexts end their children. If it does not end, each step does more: it is interrupted
again, its children are killed, its coroutine is closed. If none of this helps, a C thread shows the
stacks once more and ends the process; pytest-xdist then reports the test as the one that crashed
its worker.

`pytest-timeout` cannot do this here. Its signal raises in whatever coroutine runs at that moment,
or out of the event loop, while anyio's runner task still holds the hanging test: the teardown of
every async fixture then waits for that task for ever. Its thread ends the process at once, without
any teardown, so that children stay behind.

**Tasks of their own.** anyio's plugin runs async fixtures and tests in one task. If a cancel scope
or a task group around a fixture's `yield` is cancelled while the test runs, that task ends, and no
async fixture is torn down any more: their children are never told to end, and closing the event
loop waits for whoever still reads from them. So here each async fixture and each async test gets a
task, and anyio's own only waits. What a fixture sets in a context variable is therefore not seen by
its tests.
"""

import asyncio
import faulthandler
import functools
import inspect
import io
import os
import signal
import sys
import threading
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator, Iterable
from contextlib import asynccontextmanager, suppress
from types import FrameType
from typing import Any

import pytest

from tests import children
from tests.limits import EXIT_S, LAST_STEP, STEP_S, TEST_S, WORKERS_EXIT_S

Task = asyncio.Task[Any]

AGAIN = 5
"""From this step on, a phase past its limit is interrupted again with every step."""
BY_FORCE = 8
"""From this step on its coroutine is closed, whatever it catches."""


class Limit:
    """The time that one phase of a test has."""

    def __init__(self, item: pytest.Item, phase: str) -> None:
        marker = item.get_closest_marker("limit")
        self.seconds = float(marker.args[0] if marker else item.config.getoption("--limit"))
        self.step_s = float(item.config.getoption("--limit-step"))
        self.tasks: set[Task] = set()
        """The tasks that this phase waits for; empty if none of them is ours."""
        self._item = item
        self._phase = phase
        self._steps = 0
        self._told: asyncio.Handle | None = None
        """What the event loop was told to call and has not called yet."""

    @property
    def is_over(self) -> bool:
        return self._steps > 0

    def start(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, self.seconds, self.step_s)
        last = self.seconds + LAST_STEP * self.step_s
        faulthandler.dump_traceback_later(last, exit=True, file=_ours.stderr)

    def stop(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        self._forget()
        faulthandler.cancel_dump_traceback_later()

    def fail(self) -> None:
        """Fail the test; raises pytest's own failure, which no `except Exception` takes."""
        pytest.fail(
            f"{self._phase} took longer than {self.seconds:g} s, see its stacks", pytrace=False
        )

    def press(self, _number: int, _frame: FrameType | None) -> None:
        """Take the next step: the handler of the alarm."""
        self._steps += 1
        if self._steps == 1:
            self._item.add_report_section(self._phase, "stacks", stacks())
            self._interrupt()
        elif self._blocks():
            self._forget()
            self.fail()
        elif self._steps >= AGAIN:
            children.kill_all()
            self._interrupt()

    def _interrupt(self) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.fail()
        else:
            self._told = loop.call_soon_threadsafe(self._cancel)

    def _blocks(self) -> bool:
        """Whether the task that the phase waits for blocks the event loop."""
        if self._told is None:
            return False
        now_running = asyncio.current_task()
        return now_running in self.tasks or (now_running is not None and self._steps >= AGAIN)

    def _forget(self) -> None:
        if self._told is not None:
            self._told.cancel()
            self._told = None

    def _cancel(self) -> None:
        """Cancel what the phase waits for; if no task of ours does, a loop that closes hangs."""
        self._told = None
        closing = not self.tasks and self._steps >= AGAIN
        for task in asyncio.all_tasks() if closing else self.tasks:
            if self._steps >= BY_FORCE:
                _close(task)
            task.cancel()


class _Ours:
    """What the plugin knows of the run of this process."""

    limit: Limit | None = None
    stderr: int = 2
    fixtures: set[Task]


_ours = _Ours()
_ours.fixtures = set()


def _close(task: Task) -> None:
    """End a coroutine whatever it catches; its task finds out when it is cancelled."""
    coroutine = task.get_coro()
    if isinstance(coroutine, Coroutine):
        with suppress(BaseException):
            coroutine.close()


# What a phase waits for ----------------------------------------------------------------------


def stacks() -> str:
    """Return the stacks of every thread of the process and every task of its event loop."""
    told = io.StringIO()
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    for ident, frame in sys._current_frames().items():  # noqa: SLF001 - as its documentation says
        told.write(f"Thread {names.get(ident, ident)}:\n")
        told.writelines(traceback.format_stack(frame))
    with suppress(RuntimeError):
        for task in asyncio.all_tasks():
            told.write(f"Task {task.get_name()}:\n")
            told.writelines(traceback.format_list(_lines(_awaiting(task.get_coro()))))
    return told.getvalue()


def _awaiting(coroutine: Any) -> Iterable[FrameType]:  # noqa: ANN401 - whatever can be awaited
    """The frames of a coroutine, down to what it waits for."""
    while coroutine is not None:
        for kind in ("cr", "gi", "ag"):
            if frame := getattr(coroutine, f"{kind}_frame", None):
                yield frame
                coroutine = getattr(coroutine, "gi_yieldfrom" if kind == "gi" else f"{kind}_await")
                break
        else:
            return


def _lines(frames: Iterable[FrameType]) -> traceback.StackSummary:
    return traceback.StackSummary.extract((frame, frame.f_lineno) for frame in frames)


# Tasks of their own --------------------------------------------------------------------------


async def _first_of(task: Task, *others: Awaitable[Any]) -> None:
    """Wait until one of these is done; `task` is what the limit interrupts."""
    limit = _ours.limit
    if limit is not None:
        limit.tasks.add(task)
    try:
        futures = {asyncio.ensure_future(each) for each in (task, *others)}
        await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
    except asyncio.CancelledError:  # as by Ctrl-C
        task.cancel()
        await asyncio.wait([task])
        raise
    finally:
        if limit is not None:
            limit.tasks.discard(task)


def _result_of(task: Task) -> Any:  # noqa: ANN401 - whatever it returned
    if task.cancelled():
        pytest.fail("was cancelled", pytrace=False)
    return task.result()


def apart(function: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Any]:
    """Let an async test, or a fixture that only returns, run in a task of its own."""

    @functools.wraps(function)
    async def alone(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        task = asyncio.create_task(function(*args, **kwargs), name=function.__name__)
        await _first_of(task, *_ours.fixtures)
        if not task.done():
            await _end_with_a_fixture(task)
        return _result_of(task)

    return alone


async def _end_with_a_fixture(task: Task) -> None:
    """Cancel a test if one of its fixtures has ended; raises what the fixture ended with."""
    task.cancel()
    await _first_of(task)
    for fixture in _ours.fixtures:
        if fixture.done():
            _result_of(fixture)
            pytest.fail(f"the fixture {fixture.get_name()} ended before the test", pytrace=False)


def lasting(function: Callable[..., AsyncIterator[Any]]) -> Callable[..., AsyncIterator[Any]]:
    """Let an async fixture run in a task of its own from its beginning to its end."""

    @functools.wraps(function)
    async def lived(**kwargs: Any) -> AsyncIterator[Any]:  # noqa: ANN401
        given: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        is_over = asyncio.Event()

        async def live() -> None:
            async with asynccontextmanager(function)(**kwargs) as value:
                given.set_result(value)
                await is_over.wait()

        task = asyncio.create_task(live(), name=function.__name__)
        await _first_of(task, given)
        if not given.done():
            _result_of(task)
        _ours.fixtures.add(task)
        yield given.result()
        _ours.fixtures.discard(task)
        is_over.set()
        await _first_of(task)
        _result_of(task)

    return lived


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any]) -> Generator[None, Any, Any]:
    """Run an async fixture in a task of its own, around anyio's own wrapper of it."""
    function: Any = fixturedef.func
    if inspect.isasyncgenfunction(function):
        fixturedef.func = lasting(function)  # type: ignore[misc]  # as anyio's plugin does
    elif inspect.iscoroutinefunction(function):
        fixturedef.func = apart(function)  # type: ignore[misc]  # the same
    try:
        return (yield)
    finally:
        fixturedef.func = function  # type: ignore[misc]  # the same


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, Any, Any]:
    """Run an async test in a task of its own; each example of Hypothesis has one."""
    function = pyfuncitem.obj
    examples = getattr(function, "hypothesis", None)
    if examples is not None and inspect.iscoroutinefunction(examples.inner_test):
        examples.inner_test = apart(examples.inner_test)
    elif inspect.iscoroutinefunction(function):
        pyfuncitem.obj = apart(function)
    try:
        return (yield)
    finally:
        pyfuncitem.obj = function


# The limit of each phase ---------------------------------------------------------------------


def _limited(item: pytest.Item, phase: str) -> Generator[None, Any, Any]:
    limit = _ours.limit = Limit(item, phase)
    try:
        limit.start()
        result = yield
    except (KeyboardInterrupt, pytest.exit.Exception):
        raise
    except BaseException:
        if limit.is_over:  # whatever came of the interruption
            limit.fail()
        raise
    finally:
        limit.stop()
        _ours.limit = None
    if limit.is_over:
        limit.fail()
    return result


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, Any, Any]:
    return (yield from _limited(item, "setup"))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    return (yield from _limited(item, "call"))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, Any, Any]:
    return (yield from _limited(item, "teardown"))


def _press(number: int, frame: FrameType | None) -> None:
    if _ours.limit is not None:
        _ours.limit.press(number, frame)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--limit", type=float, default=TEST_S, metavar="SECONDS", help="of each phase of a test"
    )
    parser.addoption(
        "--limit-step", type=float, default=STEP_S, metavar="SECONDS", help="between its steps"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "limit(seconds): what each phase of the test may take")
    signal.signal(signal.SIGALRM, _press)
    capture = config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        _ours.stderr = os.dup(2)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Limit the rest as well: a thread that never ends would hold up the interpreter's end.

    A worker waits for the others, whose tests may take long; the process that began it ends it.
    """
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    rest_s = WORKERS_EXIT_S if hasattr(config, "workerinput") else EXIT_S
    faulthandler.dump_traceback_later(rest_s, exit=True, file=_ours.stderr)
