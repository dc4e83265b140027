"""What the program says to an assistant, as it is said to a person at a terminal.

There is one set of sentences (`messages`, `server.results` and the errors). They name tools and
arguments, and speak of "the user". At a terminal there are commands and options, and the user
reads: this table has what is said otherwise. A test looks for sentences that it misses.
"""

import re

RULES: tuple[tuple[str, str], ...] = (
    # who is spoken to
    (
        r"Tell the user why, and that nobody here knows whether it was charged",
        ("Nobody here knows whether it was charged"),
    ),
    (r"Tell the user why, and that it was", "It was"),
    (r"Tell the user why; it cost", "It cost"),
    (
        r"Tell the user, and settle it as they decide by resolve_task\.",
        (
            "It may have been charged: "
            "song-mcp settle ID check looks what became of it, and pays nothing."
        ),
    ),
    (
        r"Let the user settle the doubt first by resolve_task: check",
        ("Settle the doubt first by song-mcp settle: check"),
    ),
    (r"Let the user settle ([^.]*?) by resolve_task", r"Settle \1 by song-mcp settle"),
    (
        (
            r"Show list_songs to the user and ask\. Only if the user says yes: check_account with "
            r"confirm_journal (\S+?)(?=\.(?:\s|$)|\s|$)"
        ),
        (
            r"song-mcp songs shows what is there. If you "
            r"agree: song-mcp confirm \1"
        ),
    ),
    (
        r"only then check_account with confirm_journal (\S+?)(?=\.(?:\s|$)|\s|$)",
        r"song-mcp confirm \1",
    ),
    (
        r"the file name that check_account and every result show",
        ("the file name that song-mcp songs shows"),
    ),
    (r"until the user has heard this and agrees", "until you agree"),
    (r"for the user to close", "for you to close"),
    (r"by the user\b", "by you"),
    (r"the user wants", "you want"),
    # what is typed
    (
        r"For a clip of a (.+?) task made elsewhere, call (?:get_task|fetch_suno_task) with that",
        r"A clip of a \1 task made elsewhere needs song-mcp get --at SERVICE with that",
    ),
    (
        r"Only if the user says so: get_task with task_id (.+?) and get_again=true, which is free",
        r"If you want it: song-mcp get \1 --again, which is free",
    ),
    (r"call get_task with this id", "song-mcp get ID waits for it"),
    (
        r"Call get_task with that id, then name the clip that is meant by its clip_id",
        ("song-mcp get with that id shows it; then name the clip that is meant by its id"),
    ),
    (r"[Cc]all get_task with (?:task_id )?", "song-mcp get "),
    (r"get_task with task_id (\S+)", r"song-mcp get \1"),
    (r"Call get_task with each other take too: ", "The other takes need song-mcp get too: "),
    (r"get_task with (?:an|the) id", "song-mcp get ID"),
    (r"get_task takes a service's own ids", "song-mcp get takes a service's own ids"),
    (
        r"play_song tries once more, and so does reading its audio as a resource",
        "song-mcp open tries once more",
    ),
    (r"Call resolve_task with check", "Type song-mcp settle ID check"),
    (
        r"resolve_task with abandon closes it; with submit_again it pays",
        "song-mcp settle ID abandon closes it; submit-again pays",
    ),
    (r"resolve_task (check|abandon)", r"song-mcp settle ID \1"),
    (r"call submit_again once more", "type the same once more"),
    (r"submit_again", "submit-again"),
    (r"resolve_task", "song-mcp settle"),
    (r"Repeat it with another_take=true", "Repeat it with --another-take"),
    (
        r"leave takes out, and make another call with another_take=true",
        "leave --takes out, and repeat it with --another-take",
    ),
    (r"(?:say )?another_take=true", "--another-take"),
    (
        r"For a task made elsewhere at ([^;]+?) call fetch_suno_task;",
        r"A task made elsewhere at \1 needs --at;",
    ),
    (
        r"[Cc]all fetch_suno_task with that task's id first",
        ("Type song-mcp get --at gptge with that task's id first"),
    ),
    (r"clip_id takes an id", "a name is an id"),
    (r"give the local-\.\.\. id that a paid call returned", "give its local-... id"),
    (r"taskId", "id"),
    (
        r"generate_song with (one of these texts|this text) as lyrics\.",
        r"song-mcp make --lyrics-file sings \1.",
    ),
    (r" ?extend_song continues a clip\.", ""),
    (r" ?join_song with a clip_id makes one file of all parts; free\.", ""),
    (r"get_task with get_again=true", "song-mcp get --again"),
    (r"get_task", "song-mcp get"),
    (r"list_songs", "song-mcp songs"),
    (r"check_account", "song-mcp doctor"),
    (r"(?:generate_song|extend_song|cover_song)(?: and join_song)?", "an assistant"),
    # where settings are
    (
        r"Settings to correct in the MCP client, which then restarts this server, before",
        "Settings to correct before",
    ),
    (r" in the MCP client's settings for this server and restart it", " in the environment"),
    (r"Put it in or remove it in the MCP client's settings and restart", "Put it in or remove it"),
    (r" and restart\b", ""),
)
COMPILED = tuple((re.compile(pattern), instead) for pattern, instead in RULES)
OPTIONS = re.compile(r"\b(negative_tags|vocal_gender|style_weight|duration_seconds|wait_seconds)\b")
"""Arguments that are options here."""


def typed(text: str, task_id: str = "") -> str:
    """Return a sentence for a person at a terminal; `task_id` is the task that it is about."""
    for pattern, instead in COMPILED:
        text = pattern.sub(instead, text)
    text = OPTIONS.sub(lambda found: f"--{found[0].replace('_', '-')}", text)
    return re.sub(r"\bID\b", task_id, text) if task_id else text
