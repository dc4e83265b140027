"""The doctor: looks at all that song-mcp needs, and says of each fault the one thing to do.

It promises to pay nothing, to write nothing into the journal, to show no value of a key nor a part
of one, and to end in bounded time. It works while servers run. `examine` returns the findings, and
`report` turns them into text or JSON.

    finding    what was found of one thing
    variables  what is set, what is wrong with it, and what is misspelt
    program    the versions, the install, the interpreter
    storage    journal, songs, space, log file
    around     services, clients, proxy, port: all that others do
    report     the findings as text and as JSON
"""

from song_mcp.doctor import report
from song_mcp.doctor.examine import examine

__all__ = ["examine", "report"]
