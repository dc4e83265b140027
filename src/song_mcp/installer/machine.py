"""The machine as the installer sees it: its system, its user's folders and its environment.

It is a value, so that the paths of every system can be told on any of them.
"""

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

System = Literal["windows", "macos", "linux"]


@dataclass(frozen=True)
class Machine:
    """A user's machine. `own` is the folder in which song-mcp keeps what it is told."""

    system: System
    home: Path
    environment: Mapping[str, str]
    own: Path

    @classmethod
    def here(cls) -> Self:
        """Return the machine that this runs on.

        Raises RuntimeError if the user's home folder is not known.
        """
        from platformdirs import user_config_path

        own = user_config_path("song-mcp", appauthor=False)
        return cls(_system(), Path.home(), os.environ, own)

    @property
    def folders(self) -> Mapping[str, Path]:
        """The folders that the table of clients names in braces."""
        library = self.home / "Library" / "Application Support"
        config = self._folder("XDG_CONFIG_HOME", self.home / ".config")
        roaming = self._folder("APPDATA", self.home / "AppData" / "Roaming")
        return {
            "home": self.home,
            "dot-config": self.home / ".config",
            "config": config,
            "local": self._folder("LOCALAPPDATA", self.home / "AppData" / "Local"),
            "roaming": roaming,
            "apps": {"windows": roaming, "macos": library, "linux": config}[self.system],
        }

    def program(self, name: str) -> str | None:
        """Return the path of a program, None if the environment's PATH has none of that name."""
        return shutil.which(name, path=self.environment.get("PATH", ""))

    def _folder(self, variable: str, default: Path) -> Path:
        """Return the folder that a variable names; one that is not absolute counts as not set."""
        named = Path(self.environment.get(variable, ""))
        return named if named.is_absolute() else default


def _system() -> System:
    names: dict[str, System] = {"win32": "windows", "darwin": "macos"}
    return names.get(sys.platform, "linux")
