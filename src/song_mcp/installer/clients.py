"""The clients that are known here: where each keeps its servers, and in which shape.

`docs/clients.md` has the source of each row, and the day on which it was read.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from song_mcp.installer.entry import NAME, STARTS_WITHIN_S, Entry
from song_mcp.installer.machine import Machine, System

Format = Literal["json", "toml", "yaml"]
"""The syntax of a file. "json" may have comments and trailing commas, where it has them already."""
EVERYWHERE: tuple[System, ...] = ("windows", "macos", "linux")


@dataclass(frozen=True)
class Place:
    """A folder in which a client keeps its file, on some systems.

    `folder` names folders of the machine in braces and may hold stars. If the environment has the
    `variable`, its value is the folder, or the file itself if `variable_is_file`. The first of the
    `names` that exists is the file, or the first if none does. `sign` is what shows that the client
    is there, the folder itself if it is "".
    """

    folder: str
    names: tuple[str, ...]
    systems: tuple[System, ...] = EVERYWHERE
    sign: str = ""
    variable: str = ""
    variable_is_file: bool = False


@dataclass(frozen=True)
class Shape:
    """How an entry is written: under which path of keys, and with which names.

    If `is_list`, the entries are a list of which each names itself. If `is_joined`, program and
    arguments are one list. `constant` is what each entry of this client has beside the rest, and
    `default` what it has if nothing else stands there.
    """

    path: tuple[str, ...]
    command: str = "command"
    args: str = "args"
    env: str = "env"
    constant: Mapping[str, Any] = field(default_factory=dict)
    default: Mapping[str, Any] = field(default_factory=dict)
    is_list: bool = False
    is_joined: bool = False

    def written(self, entry: Entry, before: Mapping[str, Any]) -> dict[str, Any]:
        """Return the entry as the client has it; what else was in it `before` is kept."""
        program = {self.command: entry.command, self.args: list(entry.args)}
        if self.is_joined:
            program = {self.command: [entry.command, *entry.args]}
        named = {"name": before.get("name", NAME)} if self.is_list else {}
        env = {self.env: dict(entry.env)} if entry.env or self.env in before else {}
        ours = {**named, **self.constant, **program, **env}
        ours |= {key: before.get(key, value) for key, value in self.default.items()}
        return {**ours, **{key: value for key, value in before.items() if key not in ours}}

    def read(self, value: object) -> Entry | None:
        """Return what is written there; None if it starts no program."""
        if not isinstance(value, Mapping):
            return None
        command, args, env = (value.get(each) for each in (self.command, self.args, self.env))
        if self.is_joined and _texts(command):
            command, *args = command  # type: ignore[misc]  # a list of texts
        if not isinstance(command, str) or not command:
            return None
        variables = env.items() if isinstance(env, Mapping) else ()
        return Entry(
            command,
            tuple(args) if _texts(args) else (),  # type: ignore[arg-type]  # a list of texts
            {str(key): each for key, each in variables if isinstance(each, str)},
        )


@dataclass(frozen=True)
class Client:
    """A client: what people call it, its files, their format and the shape of an entry.

    `then` is what a person does for a running one to notice. `newer` are the
    shapes of other versions, each taken if its path is in the file. A new file begins with `blank`.
    `program` is the command that shows that it is there, "" if it has none. One that `keeps_state`
    writes its file while it runs, so its own command (`mcp add-json`) is used if it is found.
    """

    name: str
    label: str
    format: Format
    shape: Shape
    places: tuple[Place, ...]
    then: str
    newer: tuple[Shape, ...] = ()
    blank: str = ""
    program: str = ""
    keeps_state: bool = False

    def files(self, machine: Machine) -> Iterator[Path]:
        """Return its file in each place that is there, and the first of all if none is."""
        places = [each for each in self.places if machine.system in each.systems]
        found = [file for each in places for file in _found(each, machine)]
        yield from dict.fromkeys(found or [_default(places, machine)])

    def is_here(self, machine: Machine) -> bool:
        """Tell whether something on this machine shows that the client is in use."""
        places = [each for each in self.places if machine.system in each.systems]
        return any(True for each in places for _ in _found(each, machine)) or bool(
            self.program and machine.program(self.program)
        )


def _texts(value: object) -> bool:
    return (
        isinstance(value, Sequence)
        and not isinstance(value, str)
        and all(isinstance(each, str) for each in value)
    )


def _found(place: Place, machine: Machine) -> Iterator[Path]:
    """Return the file of a place in each folder that shows the client."""
    named = machine.environment.get(place.variable, "") if place.variable else ""
    if named and place.variable_is_file:
        yield Path(named)
        return
    for folder in [Path(named)] if named else _folders(place.folder, machine):
        sign = Path(place.sign.format(**machine.folders)) if place.sign else folder
        if named or sign.exists() or _file(folder, place.names).exists():
            yield _file(folder, place.names)


def _folders(template: str, machine: Machine) -> Iterator[Path]:
    folder = template.format(**machine.folders)
    if "*" not in folder:
        yield Path(folder)
        return
    before, _, pattern = template.partition("/")
    yield from sorted(Path(before.format(**machine.folders)).glob(pattern))


def _file(folder: Path, names: tuple[str, ...]) -> Path:
    files = [folder / name for name in names]
    return next((file for file in files if file.exists()), files[0])


def _default(places: list[Place], machine: Machine) -> Path:
    place = next(each for each in places if "*" not in each.folder)
    return Path(place.folder.format(**machine.folders), place.names[0])


SERVERS = Shape(("mcpServers",))
WITH_TYPE = Shape(("mcpServers",), constant={"type": "stdio"})
CLINE = ("cline_mcp_settings.json",)
RESTART = "If {label} is running, quit it and start it again."
NEW_SESSION = "Sessions of {label} that are open notice nothing: start a new one."
RELOADS = "A running {label} sees the change by itself; its list of MCP servers shows song-mcp."

CLIENTS: Mapping[str, Client] = {
    each.name: each
    for each in (
        Client(
            "claude-desktop",
            "Claude Desktop",
            "json",
            SERVERS,
            (
                Place("{roaming}/Claude", ("claude_desktop_config.json",), ("windows",)),
                Place("{local}/Claude-Data/claude*", ("claude_desktop_config.json",), ("windows",)),
                Place(
                    "{local}/Packages/Claude_*/LocalCache/Roaming/Claude",
                    ("claude_desktop_config.json",),
                    ("windows",),
                ),
                Place("{apps}/Claude", ("claude_desktop_config.json",), ("macos", "linux")),
            ),
            "If {label} is running, quit it, also in the tray or menu bar, and start it again: it "
            "reads the file at its start, and may write it at its end.",
        ),
        Client(
            "claude-code",
            "Claude Code",
            "json",
            WITH_TYPE,
            (
                Place(
                    "{home}", (".claude.json",), sign="{home}/.claude", variable="CLAUDE_CONFIG_DIR"
                ),
            ),
            NEW_SESSION,
            program="claude",
            keeps_state=True,
        ),
        Client(
            "cursor",
            "Cursor",
            "json",
            SERVERS,
            (Place("{home}/.cursor", ("mcp.json",)),),
            RESTART,
        ),
        Client(
            "vscode",
            "VS Code",
            "json",
            Shape(("servers",), constant={"type": "stdio"}),
            (
                Place("{apps}/Code/User", ("mcp.json",)),
                Place("{apps}/Code - Insiders/User", ("mcp.json",)),
            ),
            "A running {label} asks whether you trust song-mcp; MCP: List Servers starts it.",
        ),
        Client(
            "windsurf",
            "Windsurf (Devin Desktop)",
            "json",
            SERVERS,
            (
                Place("{home}/.codeium/windsurf", ("mcp_config.json",)),
                Place("{roaming}/devin", ("mcp_config.json",), ("windows",)),
                Place("{dot-config}/devin", ("mcp_config.json",), ("macos", "linux")),
            ),
            "In a running {label}, refresh the list of MCP servers.",
        ),
        Client(
            "zed",
            "Zed",
            "json",
            Shape(("context_servers",)),
            (
                Place("{roaming}/Zed", ("settings.json",), ("windows",)),
                Place("{dot-config}/zed", ("settings.json",), ("macos",)),
                Place("{config}/zed", ("settings.json",), ("linux",)),
                Place("{home}/.var/app/dev.zed.Zed/config/zed", ("settings.json",), ("linux",)),
            ),
            RELOADS,
        ),
        Client(
            "codex",
            "Codex",
            "toml",
            Shape(
                ("mcp_servers",),
                constant={"required": True},
                default={"startup_timeout_sec": STARTS_WITHIN_S},
            ),
            (Place("{home}/.codex", ("config.toml",), variable="CODEX_HOME"),),
            NEW_SESSION,
            program="codex",
        ),
        Client(
            "gemini-cli",
            "Gemini CLI",
            "json",
            SERVERS,
            (Place("{home}/.gemini", ("settings.json",)),),
            NEW_SESSION,
            program="gemini",
        ),
        Client(
            "opencode",
            "opencode",
            "json",
            Shape(
                ("mcp",),
                env="environment",
                constant={"type": "local", "enabled": True},
                is_joined=True,
            ),
            (
                Place(
                    "{config}/opencode",
                    ("opencode.json", "opencode.jsonc", "config.json"),
                    variable="OPENCODE_CONFIG_DIR",
                ),
            ),
            NEW_SESSION,
            newer=(
                Shape(
                    ("mcp", "servers"),
                    env="environment",
                    constant={"type": "local"},
                    is_joined=True,
                ),
            ),
            blank='{\n  "$schema": "https://opencode.ai/config.json"\n}\n',
            program="opencode",
        ),
        Client(
            "cline",
            "Cline",
            "json",
            Shape(("mcpServers",), constant={"disabled": False}),
            (
                Place(
                    "{apps}/Code/User/globalStorage/saoudrizwan.claude-dev/settings",
                    CLINE,
                    sign="{apps}/Code/User/globalStorage/saoudrizwan.claude-dev",
                ),
                Place(
                    "{home}/.cline/data/settings",
                    CLINE,
                    sign="{home}/.cline",
                    variable="CLINE_MCP_SETTINGS_PATH",
                    variable_is_file=True,
                ),
            ),
            RELOADS,
            program="cline",
        ),
        Client(
            "lm-studio",
            "LM Studio",
            "json",
            SERVERS,
            (
                Place("{home}/.lmstudio", ("mcp.json",)),
                Place("{home}/.cache/lm-studio", ("mcp.json",)),
            ),
            RELOADS,
        ),
        Client(
            "goose",
            "goose",
            "yaml",
            Shape(
                ("extensions",),
                command="cmd",
                env="envs",
                constant={"type": "stdio", "name": NAME, "enabled": True},
                default={"timeout": 300},
            ),
            (
                Place("{roaming}/Block/goose/config", ("config.yaml",), ("windows",)),
                Place("{config}/goose", ("config.yaml",), ("macos", "linux")),
            ),
            NEW_SESSION,
            program="goose",
        ),
        Client(
            "continue",
            "Continue",
            "yaml",
            Shape(("mcpServers",), constant={"type": "stdio"}, is_list=True),
            (Place("{home}/.continue", ("config.yaml",), variable="CONTINUE_GLOBAL_DIR"),),
            RELOADS,
            blank="name: Local Config\nversion: 1.0.0\nschema: v1\n",
        ),
        Client(
            "copilot-cli",
            "GitHub Copilot CLI",
            "json",
            Shape(("mcpServers",), constant={"type": "local", "tools": ["*"]}),
            (Place("{home}/.copilot", ("mcp-config.json",), variable="COPILOT_HOME"),),
            NEW_SESSION,
            program="copilot",
        ),
    )
}
"""Every client that is known here, by the name that is typed."""
