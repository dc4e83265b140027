"""What is set, what is wrong with it, and which variables are misspelt. Never a value."""

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches

from song_mcp.doctor.finding import Finding, note, ok, wrong
from song_mcp.settings import Settings
from song_mcp.songs import SERVICES

PREFIXES = ("SONG_MCP", "SONGMCP", "PIAPI", "GPTGE", "GPT_GE", "MINIMAX", "ACESTEP", "ACE_STEP")
OURS = frozenset({"SONGMCP_IMAGE"})
"""Variables that are meant so, and are no settings."""
ALIKE, VERY_ALIKE = 0.5, 0.85
"""How near a name with one of our prefixes, and any other, must be to a real one (0 to 1)."""
IGNORED = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")


def known() -> list[str]:
    """Return the names of all variables that are settings."""
    return [str(field.validation_alias) for field in Settings.model_fields.values()]


def misspelt(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield each name that looks like one of ours and is none, and the nearest real one or ""."""
    real = known()
    for name in sorted(names):
        spelt = name.upper()
        if spelt in real or spelt in OURS:
            continue
        is_ours = spelt.startswith(PREFIXES)
        near = get_close_matches(spelt, real, n=1, cutoff=ALIKE if is_ours else VERY_ALIKE)
        if near or spelt.startswith(("SONG_MCP_", "SONGMCP_")):
            yield name, near[0] if near else ""


def examined(settings: Settings, variables: Mapping[str, str]) -> Iterator[Finding]:
    """Yield what is to be said of the settings, which are among these variables."""
    for problem in settings.wrong:
        yield wrong(
            "setting", f"{problem}.", f"Correct {problem.variable} in your client's settings."
        )
    for problem in settings.remarks:
        say = note if problem.is_left_empty else wrong
        yield say(
            "setting",
            f"{problem.variable}: {problem.what}. It counts as not set.",
            f"Put a value into {problem.variable}, or take it out.",
        )
    for name, near in misspelt(variables):
        meant = f"is no setting; {near} is one" if near else "is no setting"
        do = f"Rename {name} to {near}." if near else f"Take {name} out."
        yield wrong("setting", f"{name} {meant}.", do)
    if settings.proxy_url:
        yield ok("proxy", "SONG_MCP_PROXY is set: all requests go through it.")
    elif ignored := [name for name in IGNORED if {name, name.lower()} & variables.keys()]:
        yield note(
            "proxy",
            f"{ignored[0]} is set, and song-mcp does not read it.",
            "If the network needs a proxy, set SONG_MCP_PROXY to its address.",
        )


def keys(settings: Settings) -> Iterator[Finding]:
    """Yield which services have what they need."""
    on = [each for each in SERVICES.values() if settings.of(each).is_on]
    off = [each for each in SERVICES.values() if each not in on]
    for service in on:
        has_key = settings.of(service).key is not None
        yield ok(
            "key", f"{service.label}: {'a key is set' if has_key else 'set up, without a key'}."
        )
    if not on:
        yield wrong(
            "key", "No service is set up, so no song can be made.", "song-mcp install CLIENT"
        )
    elif off:
        yield ok("key", f"Not set up: {', '.join(each.label for each in off)}.")
