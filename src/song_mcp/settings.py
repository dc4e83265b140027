"""The settings: the only module that reads the environment.

Blanks and quotes around a value are removed, and an empty value counts as not set. A key is a
secret that no text of this program contains. A value that cannot be right never ends the program,
because a user of a client sees no more than that its server is gone: it counts as not set, nothing
that depends on it is sent, and `wrong` says what to correct, by the variables' names.
"""

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self
from urllib.parse import SplitResult, unquote, urlsplit

from platformdirs import user_data_path, user_music_path
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    ValidationInfo,
    create_model,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from song_mcp import given, kept
from song_mcp.songs import (
    LONGEST_WAIT_S,
    MODELS,
    SERVICES,
    Model,
    Option,
    Service,
    is_default,
    model_named,
    readings,
)

MIB = 2**20
LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})
PRIVATE = [
    ip_network(network) for network in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
]
NOT_SET: Literal["not_set"] = "not_set"
LEFT_EMPTY: Literal["left_empty"] = "left_empty"
"""The types of errors that say that a value stands for none."""
PROXY = "SONG_MCP_PROXY"
HOME = "SONG_MCP_HOME"
LOG = "SONG_MCP_LOG"
ENV_FILE = "SONG_MCP_ENV_FILE"
KEYRING = "SONG_MCP_KEYRING"
YES = frozenset({"1", "on", "t", "true", "y", "yes"})
"""What pydantic takes for true, in lower case."""
PATHS = frozenset({"home", "library", "env_file"})
HOST = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")


@dataclass(frozen=True)
class Problem:
    """What is the matter with a variable: a predicate, without its value.

    One that `is_left_empty` is not the user's: hosts pass something for an empty field.
    """

    variable: str
    what: str
    is_left_empty: bool = False

    def __str__(self) -> str:
        """Return one line for a person."""
        return f"{self.variable}: {self.what}"


def _base_url(value: str) -> str:
    """Accept an address without credentials, query or fragment; plain http only on loopback."""
    parts = _parts(value)
    schemes = {"http", "https"} if parts.hostname in LOOPBACK_NAMES else {"https"}
    if not parts.hostname or parts.scheme not in schemes:
        raise ValueError("must be an https address (http only on this machine)")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("must not have a user name, query or fragment")
    return value.rstrip("/")


def _own_base_url(value: str) -> str:
    """Accept what `_base_url` does, "" for none, and plain http to one private address.

    That must be an address and no name: the network decides who answers to a name, and that may be
    another machine tomorrow. Nor may it be link-local: there clouds show secrets of the machine.
    """
    if not value:
        return ""
    parts = _parts(value)
    if parts.scheme != "http" or not is_private(parts.hostname or ""):
        return _base_url(value)
    _base_url(value.replace(parts.scheme, "https", 1))
    return value.rstrip("/")


def is_private(host: str) -> bool:
    """Tell whether a host is written as an address of a private network (RFC 1918, RFC 4193)."""
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return any(address in network for network in PRIVATE if network.version == address.version)


def _base_url_or_none(value: str) -> str:
    """Accept a base URL, or "" for none of one's own."""
    return _base_url(value) if value else ""


def _proxy(value: SecretStr) -> SecretStr:
    """Accept the address of an HTTP proxy; it may have a user name and password."""
    parts = _parts(value.get_secret_value())
    if not parts.hostname or parts.scheme not in {"http", "https"}:
        raise ValueError("must be an http or https address: that of an HTTP proxy")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("must not have a path, query or fragment")
    return value


def _hosts(value: object) -> object:
    """Read comma-separated hosts, as connections spell them; a leading dot or star is dropped."""
    if not isinstance(value, str):
        return value
    hosts = [host.strip().lower().removeprefix("*").strip(".") for host in value.split(",")]
    if not all(map(HOST.fullmatch, hosts)):
        raise ValueError("must be host names, comma-separated (xn--... for other scripts)")
    return tuple(hosts)


def _parts(value: str) -> SplitResult:
    """Split an address; raises ValueError if its host or port cannot be read."""
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:  # its text may hold what was given
        raise ValueError("must be an address with a usable host and port") from None
    return parts


def _folder(value: object) -> object:
    return _path(value, "folder") if isinstance(value, str) else value


def _file(value: object) -> object:
    return _path(value, "file") if isinstance(value, str) else value


def _path(value: str, kind: str) -> Path:
    there = {name.upper(): where for name, where in os.environ.items()}
    places = {name: there[name] for name in given.PLACES if name in there}
    return given.path(value, kind, places)


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


BaseUrl = Annotated[str, AfterValidator(_base_url)]
OwnBaseUrl = Annotated[str, AfterValidator(_own_base_url)]
OtherBaseUrl = Annotated[str, AfterValidator(_base_url_or_none)]
Proxy = Annotated[SecretStr, AfterValidator(_proxy)]
Hosts = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_hosts)]
Folder = Annotated[Path, BeforeValidator(_folder)]
File = Annotated[Path | None, BeforeValidator(_file)]


@dataclass(frozen=True)
class ServiceSettings:
    """What is set for one service: its key or None, its base URL, and its own `options`.

    `is_on` tells whether that is enough to use it.
    """

    key: SecretStr | None
    base_url: str
    options: Mapping[str, Any]
    is_on: bool


def _one_of(names: Iterable[str]) -> Any:  # noqa: ANN401 - a type that only pydantic reads
    return Literal[tuple(names)]


def _of_services() -> Mapping[str, Any]:
    """Return the fields that each service has in the settings."""
    fields: dict[str, Any] = {}
    for each in SERVICES.values():
        key = Field(None, validation_alias=each.key_variable)
        base_url = Field(each.base_url, validation_alias=each.base_url_variable)
        fields |= {f"{each.name}_key": (SecretStr | None, key)}
        is_own = each.may_be_private
        fields |= {f"{each.name}_base_url": (OwnBaseUrl if is_own else BaseUrl, base_url)}
        for option in each.options:
            fields |= {f"{each.name}_{option.name}": _of_option(each, option)}
    return fields


def _of_option(service: Service, option: Option) -> tuple[Any, Any]:
    """Return type and default of a setting that only one service has."""
    if option.is_address:
        return OtherBaseUrl, Field("", validation_alias=option.variable)
    if option.read is None:
        value = Field(option.choices[0], validation_alias=option.variable)
        return _one_of(option.choices), value
    read: Callable[[str], Any] = partial(option.read, service=service)
    kind = Annotated[Any, NoDecode, BeforeValidator(read)]
    return kind, Field("", validate_default=True, validation_alias=option.variable)


def _default_model(name: str) -> str:
    """Accept what a call may name as its model; return our name of it, "" for none."""
    if is_default(name):
        return ""
    found = readings(name, SERVICES.values())
    if not found:
        *others, last = (f"'{each}'" for each in MODELS)
        raise ValueError(f"must be {', '.join(others)}, {last} or a chirp-... word of gpt.ge's")
    if len(found) > 1:
        raise ValueError(f"can mean {' or '.join(each.name for each in found)}: name one")
    return found[0].name


def _variables_of(service: Service) -> tuple[str, ...]:
    """Return the variables of a service."""
    options = (each.variable for each in service.options)
    return (service.key_variable, service.base_url_variable, *options)


IN_WORDS: Mapping[str, str] = {
    "bool_parsing": "must be true or false",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_parsing": "must be a number",
    "finite_number": "must be a number",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
}
"""What is said of values that pydantic refuses, by its types of errors."""


def _problem(item: "ErrorDetails") -> Problem:
    said = IN_WORDS.get(item["type"], item["msg"].removeprefix("Value error, "))
    what = said.format(**item["ctx"]) if item["type"] in IN_WORDS and "ctx" in item else said
    return Problem(str(item["loc"][0]), what, is_left_empty=item["type"] == LEFT_EMPTY)


Log = Annotated[Literal["debug", "info", "json", "off"], BeforeValidator(_lower)]


def _is_set(value: str) -> bool:
    try:
        return bool(given.bare(value))
    except given.NotSetError:
        return False


def _kept_elsewhere(values: Mapping[str, str]) -> tuple[dict[str, str], list[Problem]]:
    """Return the variables that the environment lacks and says to be elsewhere, and what is wrong.

    The environment is asked with `values` before it.
    """
    there = {name.upper(): value for name, value in os.environ.items()} | dict(values)
    set_here = {name for name, value in there.items() if _is_set(value)}
    more: dict[str, str] = {}
    problems = []
    if ENV_FILE in set_here:
        try:
            more = kept.in_file(_path(given.bare(there[ENV_FILE]), "file"))
        except ValueError as error:
            problems.append(Problem(ENV_FILE, str(error)))
    if (there | more).get(KEYRING, "").strip().lower() in YES:
        lacking = [each.key_variable for each in SERVICES.values()]
        try:
            more |= kept.in_keyring(each for each in lacking if each not in set_here | set(more))
        except ValueError as error:
            problems.append(Problem(KEYRING, str(error)))
    return {name: value for name, value in more.items() if name not in set_here}, problems


DefaultModel = Annotated[str, AfterValidator(_default_model)] | None
if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    OfServices = BaseSettings
else:
    OfServices = create_model("OfServices", __base__=BaseSettings, **_of_services())


class Settings(OfServices):
    """Everything that can be set, each by the variable in its `validation_alias`.

    The variables of each service come from `songs.SERVICES`; `of` returns their values.
    """

    model_config = SettingsConfigDict(frozen=True, hide_input_in_errors=True)

    proxy: Proxy | None = Field(None, validation_alias=PROXY)
    media_hosts: Hosts = Field((), validation_alias="SONG_MCP_MEDIA_HOSTS")
    home: Folder = Field(
        default_factory=lambda: user_data_path("song-mcp", appauthor=False),
        validation_alias=HOME,
    )
    library: Folder = Field(
        default_factory=lambda: user_music_path() / "song-mcp", validation_alias="SONG_MCP_LIBRARY"
    )
    default_model_name: DefaultModel = Field(None, validation_alias="SONG_MCP_DEFAULT_MODEL")
    daily_limit: int = Field(50, ge=0, validation_alias="SONG_MCP_DAILY_LIMIT")
    wait_seconds: float = Field(
        25.0, ge=0, le=LONGEST_WAIT_S, validation_alias="SONG_MCP_WAIT_SECONDS"
    )
    clip_bytes: int = Field(64 * MIB, ge=MIB, le=512 * MIB, validation_alias="SONG_MCP_CLIP_BYTES")
    blob_bytes: int = Field(5 * MIB, ge=MIB, le=7 * MIB, validation_alias="SONG_MCP_BLOB_BYTES")
    log: Log = Field("info", validation_alias=LOG)

    env_file: File = Field(None, validation_alias=ENV_FILE)
    keyring: bool = Field(default=False, validation_alias=KEYRING)

    _problems: tuple[Problem, ...] = PrivateAttr(())
    _not_set: tuple[Problem, ...] = PrivateAttr(())

    @field_validator("*", mode="before")
    @classmethod
    def _arrived(cls, value: object, info: ValidationInfo) -> object:
        """Read a value as hosts pass it; what stands for none is an error of its own type."""
        name = str(info.field_name)
        if not isinstance(value, str) or not value:
            return value
        try:
            if name.endswith("_key"):
                return given.key(value, str(cls.model_fields[name].validation_alias))
            value = given.bare(value)
        except given.NotSetError as error:
            kind = LEFT_EMPTY if error.is_left_empty else NOT_SET
            raise PydanticCustomError(kind, str(error)) from None
        return value if name in PATHS else given.replaced(value)

    @model_validator(mode="before")
    @classmethod
    def _without_blanks(cls, values: dict[str, str]) -> dict[str, str]:
        stripped = {name: value.strip() for name, value in values.items()}
        return {name: value for name, value in stripped.items() if value}

    @classmethod
    def read(cls, **values: str) -> Self:
        """Read the environment, and `values` by their variables' names, which go before it.

        Other variables, which the entry of a client may have, are nothing of ours.
        What both lack is taken from where they say that more is kept (`kept`). What cannot be used
        counts as not set; `wrong` and `remarks` say so.
        """
        more, unread = _kept_elsewhere(values)
        known = {str(each.validation_alias) for each in cls.model_fields.values()}
        values = {name: each for name, each in (more | values).items() if name.upper() in known}
        found = cls._problems_of(values)
        said = {each.variable for _, each in found}
        found += [("unread", each) for each in unread if each.variable not in said]
        unset = {problem.variable: "" for _, problem in found}
        settings = cls(**values | unset)  # type: ignore[arg-type]  # by the variables' names
        settings._problems = tuple(
            each for kind, each in found if kind not in {NOT_SET, LEFT_EMPTY}
        )
        settings._not_set = tuple(each for kind, each in found if kind in {NOT_SET, LEFT_EMPTY})
        return settings

    @classmethod
    def _problems_of(cls, values: dict[str, str]) -> list[tuple[str, Problem]]:
        """Return what is the matter with the environment and `values`, each with its type."""
        try:
            cls(**values)  # type: ignore[arg-type]  # by the variables' names
        except ValidationError as error:
            return [(item["type"], _problem(item)) for item in error.errors()]
        return []

    @property
    def wrong(self) -> tuple[Problem, ...]:
        """What must be corrected before anything is paid."""
        return self._problems

    @property
    def remarks(self) -> tuple[Problem, ...]:
        """What counts as not set, though something stands there."""
        return self._not_set

    def said_of(self, *variables: str) -> str:
        """Return what is wrong with these variables, "" if nothing is."""
        return "; ".join(str(each) for each in self._problems if each.variable in variables)

    def why_off(self, service: Service) -> str:
        """Return why a service is off, as far as that is the matter with a variable."""
        said = (*self._problems, *self._not_set)
        own = {*_variables_of(service), PROXY}
        return "; ".join(str(each) for each in said if each.variable in own)

    def of(self, service: Service) -> ServiceSettings:
        """Return what is set for a service.

        One with a wrong value is off, and so are all without the proxy that was to be used.
        """
        key = getattr(self, f"{service.name}_key")
        base_url = getattr(self, f"{service.name}_base_url")
        return ServiceSettings(
            key,
            base_url,
            {each.name: getattr(self, f"{service.name}_{each.name}") for each in service.options},
            is_on=bool(base_url and (key or not service.needs_key))
            and not self.said_of(*_variables_of(service), PROXY),
        )

    @property
    def default_model(self) -> Model | None:
        """The model for calls that name none, or None if it is not set."""
        return model_named(self.default_model_name) if self.default_model_name else None

    @property
    def proxy_url(self) -> str:
        """The proxy's address with its password, "" if there is no proxy."""
        return self.proxy.get_secret_value() if self.proxy else ""

    @property
    def journal_path(self) -> Path:
        """The journal's file."""
        return self.home / "journal.sqlite3"

    @property
    def inbox_path(self) -> Path:
        """The folder of audio that came within an answer, until it is saved."""
        return self.home / "inbox"

    @property
    def token_path(self) -> Path | None:
        """The file of the token that clients need over HTTP, None if its folder is wrong."""
        return None if self.said_of(HOME) else self.home / "http-token"

    @property
    def log_path(self) -> Path | None:
        """The log file, None if there is none: it is off, or its folder is wrong."""
        return None if self.log == "off" or self.said_of(HOME) else self.home / "song-mcp.log"

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every value that no text may hold: the keys, the proxy's address and its password."""
        keys = [self.of(each).key for each in SERVICES.values()]
        parts = urlsplit(self.proxy_url)
        named = [parts.password or "", unquote(parts.password or ""), self.proxy_url]
        return (*(each.get_secret_value() for each in keys if each), *filter(None, named))

    @property
    def library_path(self) -> Path:
        """The library's folder."""
        return self.library
