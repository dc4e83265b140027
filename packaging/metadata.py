"""What the package index is told beyond pyproject.toml: a hook of hatchling, the build backend.

The repository's address is one constant, `repository` in pyproject.toml's `[tool.song-mcp]`. Who
publishes sets it. Until then nothing names an address: the long description has its links as plain
words, and there are no project URLs.
"""

import re
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hatchling.metadata.plugin.interface import MetadataHookInterface

NAME = "song-mcp"
_LINK = re.compile(r"(?P<picture>!?)\[(?P<words>[^\]]*)\]\((?![a-z]+:)(?P<to>[^)\s]+)\)")


class CustomMetadataHook(MetadataHookInterface):
    """Sets the long description and the project's URLs; hatchling finds it by its base class."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Add what is dynamic to the metadata of wheel and sdist."""
        root = Path(self.root)
        address = repository(root)
        readme = (root / "README.md").read_text(encoding="utf-8")
        text = long_description(readme, address, version(root))
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
        metadata["urls"] = urls(address)


def repository(root: Path) -> str:
    """Return the repository's address, "" while nobody has set it."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    return str(project["tool"]["song-mcp"]["repository"]).rstrip("/")


def version(root: Path) -> str:
    """Return the version, from the one place that has it."""
    source = (root / "src" / "song_mcp" / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "(.+)"$', source, re.MULTILINE)
    if found is None:
        raise LookupError("src/song_mcp/__init__.py has no __version__")
    return found[1]


def urls(address: str) -> dict[str, str]:
    """Return the project's URLs."""
    if not address:
        return {}
    return {
        "Repository": address,
        "Documentation": f"{address}/tree/main/docs",
        "Changelog": f"{address}/blob/main/CHANGELOG.md",
        "Issues": f"{address}/issues",
    }


def registry_name(address: str) -> str:
    """Return the name in the MCP registry, whose first part belongs to who owns the address.

    At GitHub that is the account; elsewhere the host's domain, which its owner must prove.
    """
    parts = urlsplit(address)
    host = parts.hostname or ""
    owner = parts.path.strip("/").split("/")[0]
    if host == "github.com":
        return f"io.github.{owner}/{NAME}"
    return f"{'.'.join(reversed(host.split('.')))}/{NAME}"


def long_description(readme: str, address: str, at_version: str) -> str:
    """Return the README for the index: its own links absolute, and the line of the registry.

    Pictures and pages are those of the released version. Without an address, links are their words,
    and pictures are left out.
    """

    def absolute(link: re.Match[str]) -> str:
        picture, words, to = link["picture"], link["words"], link["to"]
        if not address:
            return "" if picture else words
        if to.startswith("#"):
            return f"[{words}]({address}{to})"
        kind = "raw" if picture else "blob"
        return f"{picture}[{words}]({address}/{kind}/v{at_version}/{to})"

    text = _LINK.sub(absolute, readme)
    return f"{text}\n<!-- mcp-name: {registry_name(address)} -->\n" if address else text
