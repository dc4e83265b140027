"""The domain: services and models, requests, and the tasks and clips that they become.

    models     the table of services and models, and what each model can do
    requests   what is asked for, with every rule that can be checked without asking a service
    tasks      what comes of it: tasks, clips, lyrics, and what can be made of a clip
    alike      how alike two requests are: whether one may be the other in other words
    wishes     what a service may ignore, and whether a clip repeats it
    spellings  what a relay calls models, read from a setting
    naming     which model a caller means by a name
    gone       names of models that are not offered, and what there is instead
    ids        which ids are taken, and which may be read by people and models

What it promises: a request that breaks a rule cannot be made. Values are frozen. "Not given" and
"not known" are "" for text and None for numbers. Durations and positions are in seconds, times in
UTC.
"""

from song_mcp.songs.alike import ALIKE, likeness
from song_mcp.songs.gone import instead_of
from song_mcp.songs.ids import (
    OWN_CLIP_ID,
    UUID,
    checked_id,
    is_plain_id,
    is_uuid,
    public_clip_id,
)
from song_mcp.songs.models import (
    DESCRIPTION_LIMIT,
    MODELS,
    NEGATIVE_TAGS_LIMIT,
    SERVICES,
    TITLE_LIMIT,
    Ability,
    Kind,
    Model,
    Option,
    Service,
    ServiceName,
    able,
    any_duration,
    asked_by,
    called,
    model_named,
    names,
    preferred,
)
from song_mcp.songs.naming import families, is_default, readings
from song_mcp.songs.requests import (
    CLIP_END_S,
    LONGEST_CLIP_S,
    MOST_TAKES,
    RANDOM_SEED,
    SEEDS,
    CoverRequest,
    ExtensionRequest,
    LyricsRequest,
    Request,
    SongRequest,
    Source,
    VocalGender,
    at_the_end,
    goes_on_at_end,
    in_takes,
    is_style,
    part_of,
)
from song_mcp.songs.tasks import (
    Clip,
    ClipStatus,
    Lyrics,
    Report,
    ServiceStatus,
    Status,
    Task,
    completed,
    lyrics_beside,
    made_otherwise,
    unheeded,
    why_not_extended,
)
from song_mcp.songs.wishes import Wishes

LONGEST_WAIT_S = 55.0
"""How long a call may wait, in seconds: clients cut calls off after 30 s to 5 min."""

__all__ = [
    "ALIKE",
    "CLIP_END_S",
    "DESCRIPTION_LIMIT",
    "LONGEST_CLIP_S",
    "LONGEST_WAIT_S",
    "MODELS",
    "MOST_TAKES",
    "NEGATIVE_TAGS_LIMIT",
    "OWN_CLIP_ID",
    "RANDOM_SEED",
    "SEEDS",
    "SERVICES",
    "TITLE_LIMIT",
    "UUID",
    "Ability",
    "Clip",
    "ClipStatus",
    "CoverRequest",
    "ExtensionRequest",
    "Kind",
    "Lyrics",
    "LyricsRequest",
    "Model",
    "Option",
    "Report",
    "Request",
    "Service",
    "ServiceName",
    "ServiceStatus",
    "SongRequest",
    "Source",
    "Status",
    "Task",
    "VocalGender",
    "Wishes",
    "able",
    "any_duration",
    "asked_by",
    "at_the_end",
    "called",
    "checked_id",
    "completed",
    "families",
    "goes_on_at_end",
    "in_takes",
    "instead_of",
    "is_default",
    "is_plain_id",
    "is_style",
    "is_uuid",
    "likeness",
    "lyrics_beside",
    "made_otherwise",
    "model_named",
    "names",
    "part_of",
    "preferred",
    "public_clip_id",
    "readings",
    "unheeded",
    "why_not_extended",
]
