"""Reading the arguments of a call: sloppy but clear ones are taken, unclear ones refused.

Assistants call tools in many ways: everything inside one key or as JSON in a text, keys that their
host adds, "null" for what was not given, "40s" for a number. What can only mean one thing is read
so. An unknown argument is refused and never ignored, as it may change what is paid for; the refusal
names the argument that was meant, if one is near.
"""

import difflib
import json
import math
import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

from mcp.types import Prompt

from song_mcp.errors import InvalidRequestError
from song_mcp.songs import CLIP_END_S

Properties = Mapping[str, Mapping[str, Any]]
"""The arguments that a tool has, each with its schema."""

NOT_GIVEN = frozenset(
    {
        "",
        "null",
        "none",
        "n/a",
        "undefined",
        "nil",
        "<null>",
        "<none>",
        "[]",
        "{}",
        '""',
        "''",
    }
    | {"(none)", "[null]", "not specified", "not provided", "unspecified"}
)
"""What assistants write as a whole text for what was not given, in any case."""
WRAPPERS = frozenset(
    {"args", "arguments", "input", "inputs", "kwargs", "params", "parameters", "request", "payload"}
    | {"data", "body", "properties", "toolinput", "toolcall", "function", "functioncall"}
)
"""Inside which single key all arguments may be."""
OF_HOSTS = frozenset(
    {"", "toolcallid", "sessionid", "randomstring", "chatinput", "requestheartbeat", "reason"}
    | {"explanation", "callid", "tooluseid", "requestid", "threadid", "runid", "traceid"}
    | {"conversationid", "messageid", "userid", "agentid", "actionname", "toolname", "tool"}
    | {"thought", "thoughts", "reasoning", "rationale", "intent", "progresstoken", "meta"}
    | {"dummy", "dummyparam", "noargs", "noparams", "unused", "placeholder", "taskprogress"}
    | {"securityrisk", "requiresapproval", "toolaction", "toolsummary", "waitforprevioustools"}
    | {"servername", "mcpserver", "runmanager", "callbacks", "toolcalltitle", "activeform"}
)
"""Keys that hosts and frameworks add to a call, folded as `_folded` does; so is each `_...`."""
CALLED = frozenset({"name", "function", "functionname", "method", "action", "type", "id"})
"""What may stand beside a wrapper, in calls that hold the whole call: which tool is meant."""
SYNONYMS = {
    "prompt": ("description", "topic"),
    "style": ("description",),
    "tags": ("description",),
    "genre": ("description",),
    "mood": ("description",),
    "text": ("lyrics",),
    "words": ("lyrics",),
    "name": ("title",),
    "makeinstrumental": ("instrumental",),
    "negativeprompt": ("negative_tags",),
    "avoid": ("negative_tags",),
    "continueat": ("continue_at_seconds",),
    "startat": ("continue_at_seconds",),
    "continueclipid": ("clip_id",),
    "songid": ("clip_id",),
    "clip": ("clip_id",),
    "audioid": ("clip_id",),
    "id": ("task_id", "clip_id"),
    "jobid": ("task_id",),
    "task": ("task_id",),
    "timeout": ("wait_seconds",),
    "wait": ("wait_seconds",),
    "theme": ("topic",),
    "subject": ("topic",),
    "search": ("query",),
    "q": ("query",),
    "count": ("limit", "takes"),
    "numtakes": ("takes",),
    "batchsize": ("takes",),
    "variations": ("takes",),
    "from": ("from_seconds",),
    "to": ("to_seconds",),
    "duration": ("duration_seconds",),
    "length": ("duration_seconds",),
    "mv": ("model",),
    "modelname": ("model",),
    "gender": ("vocal_gender",),
}
"""Our arguments by the names that others use for them, the likeliest first."""
LONGEST_NAME = 60
"""How many characters of an unknown argument's name are compared and shown."""
NEAR, NEAR_SYNONYM = 0.75, 0.8
"""How alike an unknown name must be to one of ours, and to a synonym, to be called near, 0 to 1."""
IDS = frozenset({"clip_id", "task_id"})
OF_IDS = re.compile(r"song://(?:clips|tasks)/", re.IGNORECASE)
AROUND_IDS = " \t\r\n\"'`<>()[]{}\u201c\u201d\u2018\u2019"
NAMED_ID = re.compile(
    r"(?:(?:(?:task|clip|song)[\s_-]?)?id|task|clip|song)?\s*[:=#]?\s*"
    r"((?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})|local-[0-9a-f]{20})",
    re.IGNORECASE,
)
"""An id with its kind before it, of a form that no title has. One may begin with `clip-` itself."""
SHORTENED = re.compile(r"(?:\.{3}|\u2026)$")
"""How a shortened id ends where people write it."""
AN_ID = re.compile(r"last|(?=.*[0-9])[A-Za-z0-9._:-]+", re.IGNORECASE)
"""What stands for an id inside quotes or brackets; a title may have brackets of its own."""
UNITS_S = (("ms", 0.001), ("m", 60.0), ("\u5206", 60.0), ("h", 3600.0), ("", 1.0))
"""How many seconds a unit has, by how its name begins."""
WORD = r"[^\W\d_]*"
UNIT = rf"(?:ms|h{WORD}|m(?:in{WORD})?|s(?:[ecgk]{WORD})?|\u79d2|\u5206)\.?"
AMOUNT = re.compile(rf"([+-]?\d+(?:\.\d*)?|[+-]?\.\d+)\s*({UNIT})?", re.IGNORECASE)
AMOUNTS = re.compile(
    rf"(?:(\d+)\s*h{WORD}\s*)?(\d+)\s*m(?:in{WORD})?"
    rf"(?:\s*(?:and\s+)?(\d+(?:\.\d+)?)\s*(?:s{WORD})?)?",
    re.IGNORECASE,
)
"""1m20s, 1 min 20 s, 1h 2m, 1 minute and 20 seconds."""
FENCE = re.compile(r"^\s*```(?:json)?\s*|\s*```\s*$")
CLOCK_TIME = re.compile(r"(?:(\d{1,2}):)?(\d{1,3}):([0-5]?\d(?:\.\d+)?)")
THOUSANDS = re.compile(r"[+-]?\d{1,3},\d{3}")
"""What is a thousand to some and a fraction to others."""
YES = frozenset({"true", "yes", "y", "1", "1.0", "on", "enabled"})
NO = frozenset({"false", "no", "n", "0", "0.0", "off", "disabled"})
CHOICES = {"female": "f", "woman": "f", "male": "m", "man": "m"}
"""Other words for choices; none for what pays."""
ENDS = frozenset(
    f"{before}{end}{of}"
    for before in ("", "at", "from")
    for end in ("end", "theend")
    for of in ("", "ofclip", "oftheclip", "ofsong", "ofthesong", "ofit")
) | {"last", "clipend"}
"""What says that a clip is continued at its end."""
DEPTH = 3
"""How deep arguments may be wrapped."""


def checked_arguments(
    properties: Properties, arguments: Mapping[str, Any], tool: str = ""
) -> dict[str, Any]:
    """Return the arguments of `tool` that were given, each as its schema wants it.

    Raises InvalidRequestError for an unknown argument, and for a value that can mean several things
    or nothing; no values are repeated in it.
    """
    opened = _unwrapped(properties, arguments, tool)
    values = {
        name: _read(name, properties[name], value)
        for name, value in _sorted_out(properties, opened)
    }
    return {name: value for name, value in values.items() if not _is_not_given(value)}


def given_arguments(prompt: Prompt, arguments: Mapping[str, str] | None) -> dict[str, str]:
    """Return the arguments of a prompt that were given, as `checked_arguments` does.

    Raises InvalidRequestError also if a required argument is missing.
    """
    known = prompt.arguments or []
    properties: Properties = {each.name: {"type": "string"} for each in known}
    given = checked_arguments(properties, arguments or {})
    missing = [each.name for each in known if each.required and each.name not in given]
    if missing:
        raise InvalidRequestError(f"{prompt.name} needs {' and '.join(missing)}.")
    return given


# Names ------------------------------------------------------------------------------------------


def _folded(name: str) -> str:
    return re.sub(r"[\s_-]", "", name).casefold()


def _is_of_a_host(name: str) -> bool:
    return name.startswith("_") or _folded(name) in OF_HOSTS


def _unwrapped(
    properties: Properties, arguments: Mapping[str, Any], tool: str, depth: int = DEPTH
) -> Mapping[str, Any]:
    """Return what one key holds if it holds all arguments, as an object or as JSON in a text.

    The tool's name may stand beside it.
    """
    own = [
        (name, value)
        for name, value in arguments.items()
        if not _is_beside(name, value, tool) and not _is_not_given(value)
    ]
    if len(own) != 1 or not depth:
        return arguments
    [(name, value)] = own
    if name in properties or (_folded(name) not in WRAPPERS and name != tool):
        return arguments
    inner = _opened(value)
    if not isinstance(inner, dict):
        return arguments
    inner = _unwrapped(properties, inner, tool, depth - 1)
    is_known = all(_meant(each, properties) or _is_of_a_host(each) for each in inner)
    return inner if is_known else arguments


def _is_beside(name: str, value: object, tool: str) -> bool:
    """Tell whether an argument tells nothing of the call but what it is."""
    is_the_call = isinstance(value, str) and value in {tool, "function", "tool_use"}
    return _is_of_a_host(name) or (bool(tool) and is_the_call and _folded(name) in CALLED)


def _opened(value: object) -> object:
    """Return what a text holds if it is JSON of an object, else the value; a list of one is it."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, str):
        return value
    text = FENCE.sub("", value).strip()
    return _json_of(text, value) if text.startswith("{") else value


def _json_of(text: str, otherwise: object) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return otherwise


def _sorted_out(
    properties: Properties, arguments: Mapping[str, Any]
) -> Iterator[tuple[str, object]]:
    """Yield what was given under the names that the tool has; raises for any other name.

    A name that differs in case, `_` and `-` alone is the tool's.
    """
    seen: dict[str, object] = {}
    for name, value in arguments.items():
        ours = _meant(name, properties)
        if _is_not_given(value) or (not ours and _means_nothing(name, value, properties)):
            continue
        if not ours:
            raise InvalidRequestError(_unknown_argument(name, properties))
        if ours in seen and seen[ours] != value:
            raise InvalidRequestError(f"{ours} is given twice. Nothing was sent or paid.")
        if ours not in seen:
            seen[ours] = value
            yield ours, value


def _means_nothing(name: str, value: object, properties: Properties) -> bool:
    """Tell whether an unknown argument changes nothing: a host's, or a synonym with our default."""
    if _is_of_a_host(name):
        return True
    meant = [each for each in SYNONYMS.get(_folded(name), ()) if each in properties]
    schema = properties[meant[0]] if len(meant) == 1 else {}
    return "default" in schema and _read(meant[0], schema, value) == schema["default"]


def _meant(name: str, properties: Properties) -> str:
    """Return the tool's own name for this one, "" if it has none."""
    if name in properties:
        return name
    return next((ours for ours in properties if _folded(ours) == _folded(name)), "")


def _unknown_argument(name: str, properties: Properties) -> str:
    name = name[:LONGEST_NAME]  # comparing takes the longer the longer it is
    near = difflib.get_close_matches(_folded(name), SYNONYMS, n=1, cutoff=NEAR_SYNONYM)
    others = (each for other in near for each in SYNONYMS[other] if each in properties)
    ours = difflib.get_close_matches(name.casefold(), properties, n=1, cutoff=NEAR)
    meant = next(others, ours[0] if ours else "")
    hint = f"did you mean {meant}?" if meant else "the tool's schema has all."
    return f"There is no argument {name!r}; {hint} Nothing was sent or paid."


# Values -----------------------------------------------------------------------------------------


def _is_not_given(value: object) -> bool:
    if isinstance(value, str):
        return value.strip().casefold() in NOT_GIVEN
    return value is None or (isinstance(value, list | dict) and not value)


def _read(name: str, schema: Mapping[str, Any], value: object) -> object:
    """Return a value as its schema wants it; what cannot be read is left to the schema."""
    kind = schema.get("type")
    if isinstance(value, list) and len(value) == 1 and kind != "string":
        value = value[0]
    if name == "query" and isinstance(value, str) and value.strip() == "*":
        return None
    if kind == "string":
        return _chosen(schema, _named(name, _written(name, value)))
    if kind == "boolean":
        return _yes_or_no(value)
    if kind in {"number", "integer"}:
        return _bounded(name, schema, _number(name, value))
    return value


def _written(name: str, value: object) -> object:
    """Return numbers and lists of texts as a text, lyrics by lines; anything else as it is."""
    if isinstance(value, bool):
        return value or None  # it is no text: false says that there is none
    if isinstance(value, int | float):
        return format(value, "g") if isinstance(value, float) else str(value)
    parts = _json_of(value, value) if isinstance(value, str) and value.startswith("[") else value
    if not isinstance(parts, list):
        return value
    parts = [part for part in parts if not _is_not_given(part)]
    if not all(isinstance(part, str | int | float) and part is not True for part in parts):
        return value
    separator = "\n" if name == "lyrics" else ", "
    return separator.join(str(_written(name, part)).strip() for part in parts)


def _named(name: str, value: object) -> object:
    """Return an id without its URI, and without what stands around it."""
    if name not in IDS or not isinstance(value, str):
        return value
    bare = SHORTENED.sub("", value.strip(AROUND_IDS)).strip(AROUND_IDS)
    if OF_IDS.match(bare):
        return OF_IDS.sub("", bare).split("/")[0]
    if found := NAMED_ID.fullmatch(bare):
        return found[1]
    return bare if AN_ID.fullmatch(bare) else value


def _chosen(schema: Mapping[str, Any], value: object) -> object:
    """Return the choice of an enumeration that a text is, whatever its case."""
    choices = schema.get("enum")
    if not choices or not isinstance(value, str):
        return value
    word = CHOICES.get(_folded(value), _folded(value))
    return next((each for each in choices if _folded(str(each)) == word), value.strip())


def _yes_or_no(value: object) -> object:
    word = str(value).strip().casefold() if isinstance(value, str | int | float) else ""
    return True if word in YES else False if word in NO else value


def _number(name: str, value: object) -> object:
    """Return the number in a text: with a unit of time, or as 1:20, or that means a clip's end."""
    if not isinstance(value, str):
        return str(value) if isinstance(value, bool) else value  # which the schema refuses
    text = unicodedata.normalize("NFKC", value).replace("\u066b", ",").strip()
    if THOUSANDS.match(text):
        return value
    text = text.replace(",", ".", 1) if text.count(",") == 1 else text
    is_time = name.endswith("_seconds")
    if found := AMOUNT.fullmatch(text):
        return float(found[1]) * _unit_s(found[2]) if is_time or not found[2] else value
    if is_time and (found := CLOCK_TIME.fullmatch(text) or AMOUNTS.fullmatch(text)):
        hours, minutes, seconds = (float(each or 0) for each in found.groups())
        return hours * 3600 + minutes * 60 + seconds
    return CLIP_END_S if name == "continue_at_seconds" and _folded(text) in ENDS else value


def _unit_s(unit: str | None) -> float:
    named = (unit or "").casefold()
    return next(seconds for begin, seconds in UNITS_S if named.startswith(begin))


def _bounded(name: str, schema: Mapping[str, Any], value: object) -> object:
    """Return a number as a whole one where that is wanted; what costs nothing is kept in bounds."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    is_finite = isinstance(value, int) or math.isfinite(value)
    is_finite = is_finite or (name in FREE and value == math.inf)
    return _fitted(name, schema, value) if is_finite else value


def _fitted(name: str, schema: Mapping[str, Any], number: float) -> float:
    if name in FREE:
        number = min(max(number, schema.get("minimum", number)), schema.get("maximum", number))
    is_whole = schema.get("type") == "integer" and number % 1 == 0
    return int(number) if is_whole else number


FREE = frozenset({"wait_seconds", "limit"})
"""The numbers that change nothing of what is made and paid."""
