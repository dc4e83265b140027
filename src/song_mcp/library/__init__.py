"""The library: every finished clip as an audio file in one folder, which is the user's.

What it promises: a file with a final name is whole, was recognised as audio by its bytes, and
replaced nothing. What is unfinished has a hidden name, and is removed when the attempt ends (after
a day, if the process was killed). A clip that is saved twice, even by two servers at once, is one
file. A file name is made of letters and digits of the title and of a key that stands for the clip;
nothing of a URL or a header gets into it. Parts of a song are joined as they are, or not at all.

Beside a clip's file are its cover, and its timed lyrics as an LRC file, under the same name.

The folder is the person's: a file is followed by the key in its tags wherever it is in the folder
and its subfolders, and nothing of theirs is moved, renamed or deleted (`whereabouts`).

What others use: `Library`, and `Part`, `Saved` and `Seen` as results of it; `short_id`, `digest`,
`ID_LENGTHS` and `AUDIO_EXTENSIONS` for what a clip's file is called. Nobody else reads or writes
the files.

Another engine, such as an object store, has to offer what `Library` offers: `save`, `join`, `look`,
`read`, `part`, `cover`, `timed_lyrics`, and the `folder` that people are shown. The `file` and
`cover` that `save` returned are written into the journal, and are in the `Clip` that is passed in
later. Others show them and never open them. The name at the end of `file` must end with the short
id, because people ask for a clip by it.
"""

from song_mcp.library.names import AUDIO_EXTENSIONS, ID_LENGTHS, digest, short_id
from song_mcp.library.store import Library, Part, Saved
from song_mcp.library.whereabouts import Seen

__all__ = [
    "AUDIO_EXTENSIONS",
    "ID_LENGTHS",
    "Library",
    "Part",
    "Saved",
    "Seen",
    "digest",
    "short_id",
]
