"""The settings: the only reader of the environment.

Invariant: blanks around a setting are no part of it, and an empty one counts as not given; a key
is a secret that no text of this program contains; and a setting that cannot be right stops the
start with a sentence that names it.
"""

import re
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import SplitResult, urlsplit

from platformdirs import user_data_path, user_music_path
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from song_mcp.errors import SongError
from song_mcp.songs import LONGEST_WAIT_S, MODELS, Model, ModelName

MIB = 2**20
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
HOST = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")


class SettingsError(SongError):
    """A variable of the environment has a value that cannot be used."""


def _base_url(value: str) -> str:
    """Accept an address without credentials, query or fragment; plain http on loopback only."""
    parts = _parts(value)
    schemes = {"http", "https"} if parts.hostname in LOOPBACK else {"https"}
    if not parts.hostname or parts.scheme not in schemes:
        raise ValueError("must be an https address (http only on this machine)")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("must not have a user name, query or fragment")
    return value.rstrip("/")


def _proxy(value: SecretStr) -> SecretStr:
    """Accept the address of an HTTP proxy; it may have a user name and password."""
    parts = _parts(value.get_secret_value())
    if not parts.hostname or parts.scheme not in {"http", "https"}:
        raise ValueError("must be an http or https address: that of an HTTP proxy")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("must not have a path, query or fragment")
    return value


def _hosts(value: object) -> object:
    """Read hosts between commas, as connections spell them; a leading dot or star means nothing."""
    if not isinstance(value, str):
        return value
    hosts = [host.strip().lower().removeprefix("*").strip(".") for host in value.split(",")]
    if not all(map(HOST.fullmatch, hosts)):
        raise ValueError("must be host names with commas between them (xn--... for other scripts)")
    return tuple(hosts)


def _parts(value: str) -> SplitResult:
    """Split an address, whose host and port are then known to be readable."""
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:  # whose text may hold what was given
        raise ValueError("must be an address with a usable host and port") from None
    return parts


def _folder(value: Path) -> Path:
    try:
        return value.expanduser().absolute()
    except RuntimeError:
        raise ValueError("must be a folder: nobody here has that name after the ~") from None


BaseUrl = Annotated[str, AfterValidator(_base_url)]
Proxy = Annotated[SecretStr, AfterValidator(_proxy)]
Hosts = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_hosts)]
Folder = Annotated[Path, AfterValidator(_folder)]


class Settings(BaseSettings):
    """Everything that can be set, each by the variable in its `validation_alias`."""

    model_config = SettingsConfigDict(frozen=True, hide_input_in_errors=True)

    piapi_key: SecretStr | None = Field(None, validation_alias="PIAPI_API_KEY")
    piapi_base_url: BaseUrl = Field("https://api.piapi.ai", validation_alias="PIAPI_BASE_URL")
    piapi_service_mode: Literal["public", "private"] = Field(
        "public", validation_alias="PIAPI_SERVICE_MODE"
    )
    gptge_key: SecretStr | None = Field(None, validation_alias="GPTGE_API_KEY")
    gptge_base_url: BaseUrl = Field("https://api.gpt.ge", validation_alias="GPTGE_BASE_URL")
    proxy: Proxy | None = Field(None, validation_alias="SONG_MCP_PROXY")
    media_hosts: Hosts = Field((), validation_alias="SONG_MCP_MEDIA_HOSTS")
    home: Folder = Field(
        default_factory=lambda: user_data_path("song-mcp", appauthor=False),
        validation_alias="SONG_MCP_HOME",
    )
    library: Folder = Field(
        default_factory=lambda: user_music_path() / "song-mcp", validation_alias="SONG_MCP_LIBRARY"
    )
    default_model_name: ModelName | None = Field(None, validation_alias="SONG_MCP_DEFAULT_MODEL")
    daily_limit: int = Field(50, ge=0, validation_alias="SONG_MCP_DAILY_LIMIT")
    wait_seconds: float = Field(
        25.0, ge=0, le=LONGEST_WAIT_S, validation_alias="SONG_MCP_WAIT_SECONDS"
    )
    clip_bytes: int = Field(64 * MIB, ge=MIB, le=512 * MIB, validation_alias="SONG_MCP_CLIP_BYTES")
    blob_bytes: int = Field(5 * MIB, ge=MIB, le=7 * MIB, validation_alias="SONG_MCP_BLOB_BYTES")

    @model_validator(mode="before")
    @classmethod
    def _without_blanks(cls, given: dict[str, str]) -> dict[str, str]:
        stripped = {name: value.strip() for name, value in given.items()}
        return {name: value for name, value in stripped.items() if value}

    @classmethod
    def read(cls) -> Self:
        """Read the environment; raises SettingsError with the variables that are wrong."""
        try:
            return cls()
        except ValidationError as error:
            lines = [f"{item['loc'][0]}: {item['msg']}" for item in error.errors()]
            raise SettingsError("\n".join(lines).replace("Value error, ", "")) from None

    @property
    def default_model(self) -> Model | None:
        """The model that is used where a call names none, if one was set."""
        return MODELS[self.default_model_name] if self.default_model_name else None

    @property
    def proxy_url(self) -> str:
        """The proxy's address with its password, "" where there is no proxy."""
        return self.proxy.get_secret_value() if self.proxy else ""

    @property
    def journal_path(self) -> Path:
        """The journal's file."""
        return self.home.expanduser().absolute() / "journal.sqlite3"

    @property
    def library_path(self) -> Path:
        """The library's folder."""
        return self.library.expanduser().absolute()
