"""A Windows that is pretended: Linux without what Windows lacks, and with what it refuses.

What is taken away or made to fail, for the program and for all libraries that it uses:

* `select.poll` and its kin, `PIPE_BUF`, `os.fork`, users and groups, most signals,
  `fcntl`, `resource` and other modules; the flags O_NOFOLLOW, O_DIRECTORY and O_NONBLOCK;
* folders as descriptors: `dir_fd`, and opening or scanning one;
* the event loop's signal handlers, readers and pipes;
* file modes: all but the read-only bit, which is obeyed whoever the user is;
* renaming, replacing or deleting a file that any process of the simulation holds open, and
  renaming onto a file;
* names that are reserved or end badly, and paths of 260 characters; names that differ in case alone
  are one name for whoever makes a file;
* the text encoding: cp1252 in files, cp437 on the console.

What stays as on Linux: paths, programs, `sys.platform`, and how a process is killed. Tests, pytest
and the machinery of the standard library see Linux: who asks is found out from the stack.
"""

import asyncio
import atexit
import builtins
import errno
import fcntl
import io
import os
import select
import shutil
import signal
import socket
import stat
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import PurePath
from types import FrameType, ModuleType
from typing import Any

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.dirname(os.path.dirname(HERE)) + os.sep
LIBRARY = sysconfig.get_path("stdlib") + os.sep
PACKAGES = tuple(f"{sysconfig.get_path(name)}{os.sep}" for name in ("purelib", "platlib"))
CONSOLE = "cp437"
FILES = "cp1252"

# Who asks ---------------------------------------------------------------------------------------

LINUX, WINDOWS, BETWEEN = "linux", "windows", "between"
FOR_TESTS = ("_pytest", "pytest", "xdist", "execnet", "pluggy", "hypothesis", "_hypothesis")
STANDS_FOR_ITS_TWIN = (
    "filelock/",
    "platformdirs/",
    "mcp/os/posix/",
    "mcp/server/stdio.py",
    "anyio/_core/_asyncio_selector_thread",
)
"""Parts of packages that have another part for Windows, which cannot run here."""
MACHINERY = ("asyncio/", "subprocess.py", "selectors.py", "multiprocessing/", "socket.py")

_sides: dict[str, str] = {}


def _side_of(file: str) -> str:
    """Return what the code in a file meets; BETWEEN if whoever called it decides."""
    found = _sides.get(file)
    if found is None:
        found = _sides[file] = _found_side(file)
    return found


def _found_side(file: str) -> str:
    for folder in PACKAGES:
        if file.startswith(folder):
            inside = file.removeprefix(folder)
            return LINUX if inside.startswith((*FOR_TESTS, *STANDS_FOR_ITS_TWIN)) else WINDOWS
    if file.startswith(LIBRARY):
        return LINUX if file.removeprefix(LIBRARY).startswith(MACHINERY) else BETWEEN
    if file.startswith((HERE, "<frozen")):
        return BETWEEN
    return LINUX if file.startswith(TESTS) else WINDOWS


def on_windows() -> bool:
    """Tell whether the nearest caller outside the standard library is on Windows."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - there is no other way to ask who calls
    while frame is not None:
        side = _side_of(frame.f_code.co_filename)
        if side != BETWEEN:
            return side == WINDOWS
        frame = frame.f_back
    return False


def _asks_itself() -> bool:
    """Tell whether whoever takes an attribute is on Windows; the standard library is not."""
    frame: FrameType | None = sys._getframe(2)  # noqa: SLF001 - as above
    while frame is not None and frame.f_code.co_filename.startswith((HERE, "<frozen")):
        frame = frame.f_back
    return frame is not None and _side_of(frame.f_code.co_filename) == WINDOWS


# What is not there ------------------------------------------------------------------------------


def _words(text: str) -> list[str]:
    return text.split()


NOT_IN_OS = _words("""
EX_OK F_LOCK O_ACCMODE O_ASYNC O_CLOEXEC O_DIRECT O_DIRECTORY O_DSYNC O_LARGEFILE O_NDELAY O_NOATIME
O_NOCTTY O_NOFOLLOW O_NONBLOCK O_PATH O_RSYNC O_SYNC O_TMPFILE WNOHANG chown chroot confstr ctermid
fchdir fchmod fchown fdatasync fork forkpty fpathconf fstatvfs fwalk getegid geteuid getgid
getgroups getloadavg getpgid getpgrp getpriority getresuid getsid getuid getxattr initgroups killpg
lchown lockf major memfd_create minor mkfifo mknod nice openpty pathconf pidfd_open pipe2
posix_fallocate posix_spawn pread preadv pwrite pwritev readv register_at_fork sched_getaffinity
sched_setaffinity sendfile setegid seteuid setgid setgroups setpgid setpriority setsid setuid
setxattr statvfs sync sysconf tcgetpgrp tcsetpgrp ttyname uname wait wait3 wait4 waitid writev
get_blocking set_blocking
""")
NOT_IN_SELECT = _words("poll epoll kqueue PIPE_BUF")
SIGNALS = _words("SIGABRT SIGFPE SIGILL SIGINT SIGSEGV SIGTERM")
NOT_IN_SIGNAL = _words("""
alarm getitimer pause pthread_kill pthread_sigmask setitimer siginterrupt sigpending sigtimedwait
sigwait sigwaitinfo
""")
NOT_IN_SOCKET = _words("SO_REUSEPORT send_fds recv_fds CMSG_LEN SCM_RIGHTS AF_NETLINK")
NO_MODULES = frozenset(_words("fcntl resource termios tty pty grp pwd syslog crypt nis"))
SIGBREAK = 21
"""Windows' own number; here that of a signal of terminals, which can be sent and handled."""


def _take_away(module: ModuleType, names: Sequence[str]) -> None:
    """Let attributes be missing, but not for tests and the standard library."""
    kept = {name: module.__dict__.pop(name) for name in names if name in module.__dict__}

    def missing(name: str) -> Any:
        if name in kept and not _asks_itself():
            return kept[name]
        raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")

    module.__dict__["__getattr__"] = missing


class _NoModule(MetaPathFinder):
    """Finds no module that Windows has not."""

    def find_spec(self, fullname: str, *_: object) -> ModuleSpec | None:
        if fullname in NO_MODULES and _asks_itself():
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)
        return None


def _take_away_all() -> None:
    _take_away(os, NOT_IN_OS)
    polls = [name for name in vars(select) if name.startswith(("POLL", "EPOLL", "KQ"))]
    _take_away(select, [*NOT_IN_SELECT, *polls])
    others = [name for name in vars(signal) if name.startswith("SIG") and name[3:].isalnum()]
    others = [name for name in others if name.isupper() and name not in SIGNALS]
    handlers = {"SIG_DFL", "SIG_IGN"}
    _take_away(signal, [*NOT_IN_SIGNAL, *(name for name in others if name not in handlers)])
    vars(signal).update(SIGBREAK=SIGBREAK, CTRL_C_EVENT=0, CTRL_BREAK_EVENT=1)
    _take_away(socket, NOT_IN_SOCKET)
    for name in NO_MODULES:
        sys.modules.pop(name, None)  # so that whoever imports it asks `_NoModule`
    sys.meta_path.insert(0, _NoModule())
    os.supports_dir_fd = set()
    os.supports_fd = {os.stat, os.truncate}
    os.supports_effective_ids = set()


# Names ------------------------------------------------------------------------------------------

NUMBERS = "123456789\u00b9\u00b2\u00b3"
DEVICES = {"con", "prn", "aux", "nul", "conin$", "conout$"} | {
    f"{name}{number}" for name in ("com", "lpt") for number in NUMBERS
}
LONGEST_PATH, LONGEST_FOLDER = 259, 247


def _check_new(path: Any, *, folder: bool = False) -> None:
    """Refuse what Windows takes for no name, for something else, or for too long."""
    text = os.fsdecode(path)
    if len(os.path.abspath(text)) > (LONGEST_FOLDER if folder else LONGEST_PATH):
        raise FileNotFoundError(errno.ENOENT, "The system cannot find the path specified", text)
    for part in PurePath(text).parts:
        name = part.strip(os.sep)
        stem = name.partition(".")[0].rstrip(" ").lower()
        is_relative = name in {"", ".", ".."}
        is_odd = any(ord(letter) < 32 or letter in '<>:"|?*\\' for letter in name)
        if not is_relative and (is_odd or stem in DEVICES or name.endswith((".", " "))):
            raise OSError(errno.EINVAL, "The file name syntax is incorrect", text)


def _check_case(path: Any) -> None:
    """Refuse a new name if there is one that is equal but for its case."""
    folder, name = os.path.split(os.fsdecode(path))
    try:
        names = real.listdir(folder or ".")
    except OSError:
        return
    if name not in names and name.casefold() in {each.casefold() for each in names}:
        raise FileExistsError(errno.EEXIST, "File exists", os.fsdecode(path))


# Open files -------------------------------------------------------------------------------------

REGISTER = "PRETENDED_WINDOWS"
"""The variable that names the folder in which each process of the simulation has a file."""
BUSY = "The process cannot access the file because it is being used by another process"


GATE = "gate"


class _State:
    folder = ""


def _enter() -> None:
    """Register this process, so that others see which files it holds open."""
    with real.open_file(f"{_State.folder}/{os.getpid()}", "w"):
        pass


@contextmanager
def _gate(*, alone: bool) -> Iterator[None]:
    """Let nobody open a file while it is found out whether one is open, and moved or deleted."""
    gate = real.open(f"{_State.folder}/{GATE}", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(gate, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield
    finally:
        os.close(gate)


def _open_files() -> Iterator[tuple[int, int]]:
    """Yield what is open in any process of the simulation, by device and inode."""
    for process in real.listdir(_State.folder):
        if process == GATE:
            continue
        try:
            numbers = real.listdir(f"/proc/{process}/fd")
        except OSError:  # it has ended
            continue
        for number in numbers:
            try:
                found = real.stat(f"/proc/{process}/fd/{number}")
            except OSError:
                continue
            yield found.st_dev, found.st_ino


def _check_closed(path: Any) -> None:
    """Refuse to move or delete a file that is open anywhere, or is read-only."""
    try:
        found = real.lstat(path)
    except OSError:
        return
    if stat.S_ISREG(found.st_mode) and (found.st_dev, found.st_ino) in _open_files():
        raise PermissionError(errno.EACCES, BUSY, os.fsdecode(path))


def _check_writable(path: Any) -> None:
    try:
        mode = real.stat(path).st_mode
    except OSError:
        return
    if stat.S_ISDIR(mode) or not mode & stat.S_IWUSR:
        raise PermissionError(errno.EACCES, "Permission denied", os.fsdecode(path))


# What works in another way ----------------------------------------------------------------------


class _Real:
    """The functions as they are, before any is replaced."""

    open = staticmethod(os.open)
    open_file = staticmethod(io.open)
    listdir = staticmethod(os.listdir)
    scandir = staticmethod(os.scandir)
    stat = staticmethod(os.stat)
    lstat = staticmethod(os.lstat)
    mkdir = staticmethod(os.mkdir)
    rename = staticmethod(os.rename)
    replace = staticmethod(os.replace)
    unlink = staticmethod(os.unlink)
    rmdir = staticmethod(os.rmdir)
    link = staticmethod(os.link)
    chmod = staticmethod(os.chmod)
    utime = staticmethod(os.utime)
    signal = staticmethod(signal.signal)


real = _Real()


def _no_descriptor(**given: int | None) -> None:
    for name, value in given.items():
        if value is not None:
            raise NotImplementedError(f"{name} unavailable on this platform")


def _plain(mode: int) -> int:
    """Return what is left of a mode: whether the file can be written."""
    return 0o666 if mode & stat.S_IWUSR else 0o444


def _open(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
    if not on_windows():
        with _gate(alone=False):
            return real.open(path, flags, mode, dir_fd=dir_fd)
    _no_descriptor(dir_fd=dir_fd)
    if os.path.isdir(path):
        raise PermissionError(errno.EACCES, "Permission denied", os.fsdecode(path))
    if flags & (os.O_WRONLY | os.O_RDWR | os.O_TRUNC):
        _check_writable(path)
    if flags & os.O_CREAT:
        _check_new(path)
        if flags & os.O_EXCL:
            _check_case(path)
    with _gate(alone=False):
        return real.open(path, flags, _plain(mode))


def _open_file(  # noqa: PLR0913, PLR0917 - as the original
    file: Any,
    mode: str = "r",
    buffering: int = -1,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
    closefd: bool = True,  # noqa: FBT001, FBT002
    opener: Callable[[str, int], int] | None = None,
) -> Any:
    if on_windows():
        if "b" not in mode and encoding in {None, "locale"}:
            encoding = FILES
        if not isinstance(file, int) and opener is None:
            if os.path.isdir(file):
                raise PermissionError(errno.EACCES, "Permission denied", os.fsdecode(file))
            if set(mode) & set("wax+"):
                _check_new(file)
                _check_writable(file)
    open_file: Callable[..., Any] = real.open_file
    with nullcontext() if isinstance(file, int) else _gate(alone=False):
        return open_file(file, mode, buffering, encoding, errors, newline, closefd, opener)


def _mkdir(path: Any, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
    if not on_windows():
        real.mkdir(path, mode, dir_fd=dir_fd)
        return
    _no_descriptor(dir_fd=dir_fd)
    _check_new(path, folder=True)
    _check_case(path)
    real.mkdir(path)


def _stat(path: Any, *, dir_fd: int | None = None, follow_symlinks: bool = True) -> os.stat_result:
    if dir_fd is not None and on_windows():
        _no_descriptor(dir_fd=dir_fd)
    return real.stat(path, dir_fd=dir_fd, follow_symlinks=follow_symlinks)


def _moving(move: Callable[..., None], *, onto: bool) -> Callable[..., None]:
    def moved(
        src: Any,
        dst: Any,
        *,
        src_dir_fd: int | None = None,
        dst_dir_fd: int | None = None,
    ) -> None:
        if not on_windows():
            move(src, dst, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)
            return
        _no_descriptor(src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)
        _check_new(dst)
        with _gate(alone=True):
            if not onto and os.path.lexists(dst):
                raise FileExistsError(errno.EEXIST, "File exists", os.fsdecode(dst))
            _check_closed(src)
            _check_closed(dst)
            if os.path.lexists(dst):
                _check_writable(dst)
            move(src, dst)

    return moved


def _unlink(path: Any, *, dir_fd: int | None = None) -> None:
    if not on_windows():
        real.unlink(path, dir_fd=dir_fd)
        return
    _no_descriptor(dir_fd=dir_fd)
    with _gate(alone=True):
        _check_closed(path)
        if not os.path.islink(path):
            _check_writable(path)
        real.unlink(path)


def _rmdir(path: Any, *, dir_fd: int | None = None) -> None:
    if on_windows():
        _no_descriptor(dir_fd=dir_fd)
    real.rmdir(path, dir_fd=dir_fd)


def _link(
    src: Any,
    dst: Any,
    *,
    src_dir_fd: int | None = None,
    dst_dir_fd: int | None = None,
    follow_symlinks: bool = True,
) -> None:
    if on_windows():
        _no_descriptor(src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)
        _check_new(dst)
        _check_case(dst)
    real.link(
        src, dst, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd, follow_symlinks=follow_symlinks
    )


def _chmod(
    path: Any, mode: int, *, dir_fd: int | None = None, follow_symlinks: bool = True
) -> None:
    if on_windows():
        _no_descriptor(dir_fd=dir_fd)
        if os.path.isdir(path):
            return
        mode = _plain(mode)
    real.chmod(path, mode, dir_fd=dir_fd, follow_symlinks=follow_symlinks)


def _listing(listed: Callable[[Any], Any]) -> Callable[..., Any]:
    def list_(path: Any = ".") -> Any:
        if isinstance(path, int) and on_windows():
            raise TypeError("path should be string, bytes, os.PathLike or None, not int")
        return listed(path)

    return list_


def _signal(number: int, handler: Any) -> Any:
    known = {*(getattr(signal, name) for name in SIGNALS), SIGBREAK}
    if number not in known and on_windows():
        raise ValueError("invalid signal value")
    return real.signal(number, handler)


def _replace_all() -> None:
    replaced = {
        "open": _open,
        "mkdir": _mkdir,
        "stat": _stat,
        "rename": _moving(real.rename, onto=False),
        "replace": _moving(real.replace, onto=True),
        "unlink": _unlink,
        "remove": _unlink,
        "rmdir": _rmdir,
        "link": _link,
        "chmod": _chmod,
        "listdir": _listing(real.listdir),
        "scandir": _listing(real.scandir),
    }
    for name, function in replaced.items():
        setattr(os, name, function)
    io.open = builtins.open = _open_file
    vars(signal)["signal"] = _signal


# The event loop, sockets and children -----------------------------------------------------------


def _refusing(method: Callable[..., Any]) -> Callable[..., Any]:
    def refused(*arguments: Any, **options: Any) -> Any:
        if _asks_itself():
            raise NotImplementedError
        return method(*arguments, **options)

    return refused


def _limit_loops() -> None:
    """Let the loop do no more than that of Windows, which has no readiness and no signals."""
    loop: Any = asyncio.SelectorEventLoop
    for name in (
        "add_signal_handler",
        "remove_signal_handler",
        "add_reader",
        "remove_reader",
        "add_writer",
        "remove_writer",
        "connect_read_pipe",
        "connect_write_pipe",
    ):
        setattr(loop, name, _refusing(getattr(loop, name)))


EXCLUSIVE = -5
"""The option by which a socket is alone on its address, as it always is on Linux."""


def _change_sockets() -> None:
    vars(socket)["SO_EXCLUSIVEADDRUSE"] = EXCLUSIVE
    plain = socket.socket.setsockopt

    def set_option(self: socket.socket, level: int, option: int, *value: Any) -> None:
        if (level, option) != (socket.SOL_SOCKET, EXCLUSIVE):
            plain(self, level, option, *value)

    socket.socket.setsockopt = set_option  # type: ignore[method-assign,assignment]


def _pass_on() -> None:
    """Let every process that this one starts be in the simulation, whatever its variables are."""
    begin_child = subprocess.Popen.__init__
    ours = {"PYTHONPATH": HERE, REGISTER: _State.folder}

    def started(self: Any, *arguments: Any, **options: Any) -> None:
        env = options.get("env")
        if env is not None:
            paths = [HERE, *filter(None, [env.get("PYTHONPATH")])]
            options["env"] = {**env, **ours, "PYTHONPATH": os.pathsep.join(paths)}
        begin_child(self, *arguments, **options)

    subprocess.Popen.__init__ = started  # type: ignore[method-assign]


def _speak() -> None:
    """Print as a console does that knows few letters; pytest's own output is left as it is."""
    if not any("pytest" in part or "execnet" in part for part in sys.orig_argv):
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(encoding=CONSOLE)


def is_begun() -> bool:
    """Tell whether this process is in the simulation."""
    return bool(_State.folder)


def _tidy(beginner: int) -> None:
    if os.getpid() == beginner:
        shutil.rmtree(_State.folder, ignore_errors=True)


def begin() -> None:
    """Be on Windows from now on."""
    if REGISTER not in os.environ:
        atexit.register(_tidy, os.getpid())
    _State.folder = os.environ.get(REGISTER, "") or f"/tmp/pretended-windows-{os.getpid()}"  # noqa: S108
    os.environ[REGISTER] = _State.folder
    os.makedirs(_State.folder, exist_ok=True)
    _enter()
    os.register_at_fork(after_in_child=_enter)
    _take_away_all()
    _replace_all()
    _limit_loops()
    _change_sockets()
    _pass_on()
    _speak()
