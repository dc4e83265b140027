"""Machines of every system below a test's folder, and where each client keeps its file on them."""

import stat
from pathlib import Path

from song_mcp import system as here
from song_mcp.installer import Machine
from song_mcp.installer.machine import System

SYSTEMS: tuple[System, ...] = ("windows", "macos", "linux")
CLINE = "Code/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json"
APPS = ("AppData/Roaming", "Library/Application Support", ".config")


def in_apps(path: str) -> tuple[str, str, str]:
    windows, macos, linux = APPS
    return (f"{windows}/{path}", f"{macos}/{path}", f"{linux}/{path}")


def everywhere(path: str) -> tuple[str, str, str]:
    return (path, path, path)


FILES: dict[str, tuple[str, str, str]] = {
    "claude-desktop": in_apps("Claude/claude_desktop_config.json"),
    "claude-code": everywhere(".claude.json"),
    "cursor": everywhere(".cursor/mcp.json"),
    "vscode": in_apps("Code/User/mcp.json"),
    "windsurf": everywhere(".codeium/windsurf/mcp_config.json"),
    "zed": ("AppData/Roaming/Zed/settings.json", *(".config/zed/settings.json",) * 2),
    "codex": everywhere(".codex/config.toml"),
    "gemini-cli": everywhere(".gemini/settings.json"),
    "opencode": everywhere(".config/opencode/opencode.json"),
    "cline": in_apps(CLINE),
    "lm-studio": everywhere(".lmstudio/mcp.json"),
    "goose": (
        "AppData/Roaming/Block/goose/config/config.yaml",
        *(".config/goose/config.yaml",) * 2,
    ),
    "continue": everywhere(".continue/config.yaml"),
    "copilot-cli": everywhere(".copilot/mcp-config.json"),
}
"""The file of each client below the user's home: on Windows, macOS and Linux."""


def machine(home: Path, system: System = "linux", **environment: str) -> Machine:
    return Machine(system, home, {"PATH": ""} | environment, home / "own")


def is_of_mode(path: Path, mode: int) -> bool:
    """Tell whether a file has this mode, where modes keep others out."""
    return not here.HAS_OWNERS or stat.S_IMODE(path.stat().st_mode) == mode
