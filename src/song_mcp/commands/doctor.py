"""`song-mcp doctor`: what is set up, what is wrong, and what to do about it."""

import argparse

DESCRIPTION = (
    "Look at all that song-mcp needs (versions, keys, services, journal, songs, clients) and say "
    "of each fault the one thing to do. It pays nothing, changes nothing and shows no key. The "
    "exit status is 0 if nothing is wrong, 1 if something is, and 2 if it cannot look."
)
EXAMPLE = "song-mcp doctor --client claude-desktop"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
    parser.add_argument(
        "--client",
        default="",
        help="look with the variables of this client's entry, such as claude-desktop (default: "
        "those of this terminal; if they set up no service, those of a client that does)",
    )


def run(options: argparse.Namespace) -> int:
    """Print what was found; returns the exit status."""
    import anyio

    from song_mcp.commands.terminal import complain
    from song_mcp.doctor import examine, report
    from song_mcp.installer import CLIENTS

    if options.client and options.client not in CLIENTS:
        return complain(
            f"song-mcp knows no client {options.client!r}. It knows: {', '.join(CLIENTS)}."
        )
    try:
        findings = anyio.run(examine, options.client)
    except RuntimeError as error:  # the user's home folder is not known
        return complain(f"song-mcp doctor cannot look: {error}.")
    print(report.as_json(findings) if options.json else report.as_text(findings), end="")
    return int(any(each.standing == "wrong" for each in findings))
