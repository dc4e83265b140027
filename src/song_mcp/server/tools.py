"""The tools: plain functions in a table, each from arguments to one use case of the studio.

A tool decides nothing about money or services, and does what the table says of it (PAID or READS).
Its docstring is the description that the model reads: what it does, what it costs, what to call
next.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import ceil
from typing import Annotated, Any, cast, get_args

from mcp.server.mcpserver import Context
from mcp.types import CallToolResult, ToolAnnotations
from pydantic import Field

from song_mcp.errors import InvalidRequestError
from song_mcp.server import player
from song_mcp.server.adapt import text_result
from song_mcp.server.patience import Kind, Patience, patience
from song_mcp.server.results import (
    SongsResult,
    StateResult,
    TaskResult,
    WholeResult,
    as_json,
    songs_result,
    songs_text,
    state_result,
    state_text,
    task_answer,
    whole_result,
    whole_text,
)
from song_mcp.server.tasks_extension import begun_result, wants_handle
from song_mcp.songs import (
    CLIP_END_S,
    LONGEST_WAIT_S,
    MODELS,
    MOST_TAKES,
    RANDOM_SEED,
    SEEDS,
    SERVICES,
    Ability,
    CoverRequest,
    ExtensionRequest,
    LyricsRequest,
    Request,
    SongRequest,
    Task,
    VocalGender,
    able,
    any_duration,
    asked_by,
    at_the_end,
    called,
    checked_id,
    goes_on_at_end,
    in_takes,
    part_of,
)
from song_mcp.studio import Action, Answer, Studio

Ctx = Context[Studio]
TaskToolResult = Annotated[CallToolResult, TaskResult]

GET_TASK_ASKS = asked_by("get_task").name
FETCH_SUNO_TASK_ASKS = asked_by("fetch_suno_task").name
NOT_BEGUN = frozenset({"rejected", "in_doubt"})
"""The statuses of a new task that make the paid call an error: no song is known to be made."""


# What the schemas say of models, from the table ---------------------------------------------------


def _offered() -> str:
    """Return the models that work, service by service; a name may say which service that is."""
    told = []
    for service in SERVICES.values():
        names = [each.name for each in service.models if each.state != "retired"]
        if service.any_word is not None:
            names.append(f"any {service.any_word.pattern.partition('[')[0]}...")
        is_named = all(name.startswith(service.label.casefold()) for name in names)
        told.append(", ".join(names) + ("" if is_named else f" at {service.label}"))
    return "; ".join(told)


def _lyrics_limits() -> str:
    """Return how long lyrics can be: "1000 characters for udio, 5000 others"."""
    working = [each for each in MODELS.values() if each.state != "retired" and each.can("lyrics")]
    limits = sorted({each.lyrics_limit for each in working})
    by_limit = {n: called(each for each in working if each.lyrics_limit == n) for n in limits[:-1]}
    told = [f"{limit} {models}" for limit, models in by_limit.items()]
    return ", ".join([*told, f"{limits[-1]} others"]).replace(" ", " characters for ", 1)


def _prices_by_time() -> str:
    """Return what a second costs, for the models that are paid by it."""
    by_time = [each for each in MODELS.values() if each.usd_per_second is not None]
    return "".join(f"; {each.name} ${each.usd_per_second:g}/s" for each in by_time)


def _only(ability: Ability) -> str:
    """Return which models have an ability."""
    models = called(able(ability))
    return f"{models} only" if models else "taken by no model now"


FROM_ZERO = called(model for model in able("extend") if not goes_on_at_end(model))
SHORTEST_S, LONGEST_S = any_duration()
LENGTHS = f"{int(SHORTEST_S)} to {ceil(LONGEST_S)}"
MOST_AT_ONCE = max(MOST_TAKES, *(model.most_takes for model in MODELS.values()))
SEVERAL = called(model for model in MODELS.values() if model.clips > 1)

Description = Annotated[
    str, Field(description="Style, mood, instruments, voice, topic; with lyrics: the style")
]
OwnLyrics = Annotated[
    str,
    Field(
        description=f"Exact text to sing, with [Verse], [Chorus] lines; at most {_lyrics_limits()}"
    ),
]
NewDescription = Annotated[str, Field(description="The style")]
NewLyrics = Annotated[str, Field(description="Exact text to sing")]
Instrumental = Annotated[bool, Field(description="No vocals")]
ModelChoice = Annotated[str, Field(description=f"{_offered()}; or default")]
LyricsModel = Annotated[str, Field(description=f"{_only('lyrics_maker')}")]
CoverModel = Annotated[
    str, Field(description=f"{_only('cover')}; for a part {called(able('repaint'))}")
]
Title = Annotated[str, Field(description="For the files too")]
NegativeTags = Annotated[str, Field(description=f"What to avoid; {_only('negative_tags')}")]
Seed = Annotated[
    int,
    Field(ge=SEEDS.start, le=SEEDS.stop - 1, description=f"-1 is random; {_only('seed')}"),
]
NewSeed = Annotated[int, Field(ge=SEEDS.start, le=SEEDS.stop - 1, description="-1 is random")]
Duration = Annotated[
    float | None,
    Field(
        ge=int(SHORTEST_S),
        le=ceil(LONGEST_S),
        allow_inf_nan=False,
        description=f"{LENGTHS}; {_only('duration')}{_prices_by_time()}",
    ),
]
AddedDuration = Annotated[
    float | None,
    Field(
        ge=0,
        le=ceil(LONGEST_S),
        allow_inf_nan=False,
        description=f"Of the new part, 0 to {ceil(LONGEST_S)}, likewise",
    ),
]
NumberOfTakes = Annotated[
    int,
    Field(
        ge=1,
        le=MOST_AT_ONCE,
        description=f"Versions, 1 to {MOST_AT_ONCE}, each paid; of {SEVERAL} each makes 2",
    ),
]
Gender = Annotated[VocalGender, Field(description=f"m or f, a wish; {_only('vocal_gender')}")]
StyleWeight = Annotated[float | None, Field(ge=0, le=1, description="0 to 1, likewise")]
Weirdness = Annotated[float | None, Field(ge=0, le=1, description="0 to 1, likewise")]
Seconds = Annotated[
    float | None,
    Field(
        ge=0,
        le=int(LONGEST_WAIT_S),
        allow_inf_nan=False,
        description=f"0 to {int(LONGEST_WAIT_S)}",
    ),
]
AnotherTake = Annotated[
    bool,
    Field(description="Pay for another version, if the user asks"),
]
ClipId = Annotated[str, Field(description="What to continue: id, short id, exact title, or last")]
OwnClip = Annotated[str, Field(description="Any saved clip, named as in extend_song")]
TaskId = Annotated[str, Field(description="From a result, or last")]
IncludeLyrics = Annotated[bool, Field(description="With all lyrics")]
GetAgain = Annotated[bool, Field(description="Save deleted files anew, if the user asks")]


async def generate_song(
    ctx: Ctx,
    description: Description = "",
    lyrics: OwnLyrics = "",
    instrumental: Instrumental = False,  # noqa: FBT002
    model: ModelChoice = "",
    title: Title = "",
    negative_tags: NegativeTags = "",
    seed: Seed = RANDOM_SEED,
    duration_seconds: Duration = None,
    vocal_gender: Gender = "",
    style_weight: StyleWeight = None,
    weirdness: Weirdness = None,
    takes: NumberOfTakes = 1,
    wait_seconds: Seconds = None,
    another_take: AnotherTake = False,  # noqa: FBT002
) -> TaskToolResult:
    """Make a song (music, audio track) from a description or own lyrics. Each new call costs money.

    Takes 1-5 minutes: if it answers before the end, call get_task with the task_id; never
    generate_song again for the same song.
    """
    studio = _paying(ctx, model)
    song = SongRequest(
        model=studio.model(model),
        description=description,
        lyrics=lyrics,
        instrumental=instrumental,
        title=title,
        negative_tags=negative_tags,
        seed=seed,
        duration_s=duration_seconds,
        vocal_gender=vocal_gender,
        style_weight=style_weight,
        weirdness=weirdness,
    )
    request, *more = in_takes(song, takes)
    wait = _wait(ctx, wait_seconds, "song")
    return await _submit(ctx, request, wait, another_take=another_take, more=more)


async def extend_song(
    ctx: Ctx,
    clip_id: ClipId,
    description: NewDescription = "",
    lyrics: NewLyrics = "",
    instrumental: Instrumental = False,  # noqa: FBT002
    continue_at_seconds: Annotated[
        float | None,
        Field(
            allow_inf_nan=False,
            description=f"From where; left out: the end, for {FROM_ZERO} 0",
        ),
    ] = None,
    title: Title = "",
    negative_tags: Annotated[str, Field(description="What to avoid")] = "",
    seed: NewSeed = RANDOM_SEED,
    duration_seconds: AddedDuration = None,
    wait_seconds: Seconds = None,
    another_take: AnotherTake = False,  # noqa: FBT002
) -> TaskToolResult:
    """Make a song longer: continue a clip where it was made. Costs money like a new song.

    The result says if it is the new part alone.
    """
    studio, wait = _paying(ctx), _wait(ctx, wait_seconds, "song")
    model, source, note = await studio.source(clip_id)
    request = ExtensionRequest(
        model=model,
        description=description,
        lyrics=lyrics,
        instrumental=instrumental,
        title=title,
        negative_tags=negative_tags,
        seed=seed,
        duration_s=duration_seconds,
        source=source,
        continue_at_s=at_the_end(model, source)
        if continue_at_seconds == CLIP_END_S
        else continue_at_seconds,
    )
    return await _submit(ctx, request, wait, another_take=another_take, note=note)


async def cover_song(
    ctx: Ctx,
    clip_id: OwnClip,
    description: NewDescription = "",
    lyrics: NewLyrics = "",
    instrumental: Instrumental = False,  # noqa: FBT002
    model: CoverModel = "",
    title: Title = "",
    from_seconds: Annotated[
        float | None,
        Field(ge=0, allow_inf_nan=False, description="Only a part, from here"),
    ] = None,
    to_seconds: Annotated[float | None, Field(ge=0, allow_inf_nan=False, description="To here")] = (
        None
    ),
    wait_seconds: Seconds = None,
    another_take: AnotherTake = False,  # noqa: FBT002
) -> TaskToolResult:
    """Cover a song of the library in another style. Costs money like a new song.

    The clip's audio is sent to the model's service.
    """
    studio, wait = _paying(ctx, model), _wait(ctx, wait_seconds, "song")
    source, note = await studio.source_of_cover(clip_id)
    part = part_of(source, from_seconds, to_seconds)
    request = CoverRequest(
        model=studio.model(model, "repaint" if part else "cover"),
        description=description,
        lyrics=lyrics,
        instrumental=instrumental,
        title=title,
        source=source,
        part=part,
    )
    return await _submit(ctx, request, wait, another_take=another_take, note=note)


async def generate_lyrics(
    ctx: Ctx,
    topic: Annotated[str, Field(description="What the lyrics are about")],
    model: LyricsModel = "",
    wait_seconds: Seconds = None,
    another_take: AnotherTake = False,  # noqa: FBT002
) -> TaskToolResult:
    """Have song lyrics written on a topic; costs money. Pass them to generate_song as lyrics."""
    request = LyricsRequest(_paying(ctx, model).model(model, "lyrics_maker"), topic)
    wait = _wait(ctx, wait_seconds, "lyrics")
    return await _submit(ctx, request, wait, another_take=another_take)


async def get_task(
    ctx: Ctx,
    task_id: TaskId,
    wait_seconds: Seconds = None,
    include_lyrics: IncludeLyrics = False,  # noqa: FBT002
    get_again: GetAgain = False,  # noqa: FBT002
) -> TaskToolResult:
    """Look at a song being made, or another task, and wait for its end; free.

    Also for a PiAPI task made elsewhere.
    """
    wait = _wait(ctx, wait_seconds)
    answer = await _studio(ctx).look_up(
        checked_id("task_id", task_id), GET_TASK_ASKS, wait, get_again=get_again
    )
    return await task_answer(ctx, answer, include_lyrics=include_lyrics)


async def fetch_suno_task(
    ctx: Ctx,
    task_id: TaskId,
    wait_seconds: Seconds = None,
    include_lyrics: IncludeLyrics = False,  # noqa: FBT002
) -> TaskToolResult:
    """Look at a Suno task at gpt.ge, a song or lyrics, made here or elsewhere; free."""
    wait = _wait(ctx, wait_seconds)
    answer = await _studio(ctx).look_up(checked_id("task_id", task_id), FETCH_SUNO_TASK_ASKS, wait)
    return await task_answer(ctx, answer, include_lyrics=include_lyrics)


async def join_song(
    ctx: Ctx,
    clip_id: Annotated[str, Field(description="The song's last clip, named as in extend_song")],
) -> Annotated[CallToolResult, WholeResult]:
    """Join an extended song into one audio file: the clip and all that it continues; free."""
    result = whole_result(await _studio(ctx).catalog.whole(clip_id))
    return text_result(whole_text(result), as_json(result))


async def list_songs(
    ctx: Ctx,
    query: Annotated[str, Field(description="Words in title, description, lyrics or id")] = "",
    limit: Annotated[int, Field(ge=1, le=50, description="At most so many, 1 to 50")] = 10,
) -> Annotated[CallToolResult, SongsResult]:
    """List songs (music tracks) made here, newest first, open ones too; free, asks nobody."""
    page = await _studio(ctx).songs(query, limit)
    result = songs_result(page.tasks, page.total, await _studio(ctx).warning())
    return text_result(songs_text(result), as_json(result))


async def check_account(
    ctx: Ctx,
    confirm_journal: Annotated[
        str, Field(description="Name of a damaged journal, only after the user was told and agrees")
    ] = "",
) -> Annotated[CallToolResult, StateResult]:
    """Show balance, spending of the last 24 hours and its limit, tasks in doubt, keys, folders."""
    if confirm_journal.strip():
        await _studio(ctx).confirm_journal(confirm_journal)
    result = state_result(await _studio(ctx).state())
    return text_result(state_text(result), as_json(result))


async def resolve_task(
    ctx: Ctx,
    task_id: TaskId,
    action: Annotated[
        str,
        Field(
            description="check: search and compare, pays nothing; abandon: close it, pays nothing; "
            "submit_again: a new payment, only when the user says so",
            json_schema_extra={"enum": list(get_args(Action))},
        ),
    ],
) -> TaskToolResult:
    """Settle a task in doubt, as the user decides. Start with check."""
    if action not in get_args(Action):
        raise InvalidRequestError(f"action must be one of {', '.join(get_args(Action))}.")
    chosen = cast("Action", action)
    if chosen == "submit_again":
        _paying(ctx)
    wait = _wait(ctx, None, "song" if chosen == "submit_again" else "look")
    answer = await _studio(ctx).resolve(checked_id("task_id", task_id), chosen, wait)
    is_error = chosen == "submit_again" and answer.task.status in NOT_BEGUN
    return await task_answer(ctx, answer, is_error=is_error)


PAID = ToolAnnotations(
    read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=True
)
READS = ToolAnnotations(read_only_hint=True, destructive_hint=False, open_world_hint=True)
CONFIRMS = ToolAnnotations(
    read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=True
)
"""Pays nothing, but can lift a refusal to pay: a host may ask the person before each call."""
READS_HERE = ToolAnnotations(read_only_hint=True, destructive_hint=False, open_world_hint=False)


SEARCH_HINT = "anthropic/searchHint"
"""The key in a tool's `_meta` for more words by which clients find it that load tools on demand."""


@dataclass(frozen=True)
class ToolEntry:
    """One row of the table: the function, whether it pays, its title, search words, and its page.

    A client that lists its tools by name alone shows the `hint` there, so it is a short phrase.
    """

    function: Callable[..., Awaitable[Any]]
    annotations: ToolAnnotations
    title: str
    hint: str = ""
    page: Mapping[str, Any] = field(default_factory=dict)

    @property
    def meta(self) -> dict[str, Any] | None:
        """What a host is told: search words, which page to open, and what no page may call.

        That is each tool that can pay, and the one that lifts a refusal to pay.
        """
        is_kept = not self.annotations.read_only_hint
        meta = player.meta({**self.page, **(player.FOR_THE_MODEL if is_kept else {})}) or {}
        return meta | ({SEARCH_HINT: self.hint} if self.hint else {}) or None


TOOLS = (
    ToolEntry(
        generate_song,
        PAID,
        "Generate a song (music track)",
        "make, create or compose music, an audio track, a jingle",
        player.OPENS,
    ),
    ToolEntry(
        extend_song,
        PAID,
        "Extend a song",
        "make a music track longer, continue audio",
        player.OPENS,
    ),
    ToolEntry(
        cover_song,
        PAID,
        "Cover a song",
        "remix or restyle music, redo a part of a track",
        player.OPENS,
    ),
    ToolEntry(
        get_task,
        READS,
        "Look at a song or task",
        "is the song ready, wait for music, audio files of a track",
    ),
    ToolEntry(
        fetch_suno_task,
        READS,
        "Look at a Suno song or task",
        "Suno music made elsewhere, its audio",
    ),
    ToolEntry(join_song, READS_HERE, "Join a song", "merge audio parts into one whole music track"),
    ToolEntry(generate_lyrics, PAID, "Write song lyrics", "words to sing, a text for music"),
    ToolEntry(
        list_songs, READS_HERE, "List songs (music tracks)", "find earlier music, audio library"
    ),
    ToolEntry(
        player.play_song,
        READS,
        "Play a song (audio track)",
        "listen to music, hear, open or show audio",
        player.OPENS,
    ),
    ToolEntry(player.read_clip, READS_HERE, "Read a clip", page=player.FOR_THE_PAGE),
    ToolEntry(
        check_account,
        CONFIRMS,
        "Check the music accounts",
        "music credits, money spent on songs, keys",
    ),
    ToolEntry(
        resolve_task, PAID, "Settle a doubt about a song", "a song that may have been charged"
    ),
)


def _studio(ctx: Ctx) -> Studio:
    return ctx.request_context.lifespan_context


def _paying(ctx: Ctx, model_name: str | None = None) -> Studio:
    """Return the studio for a call that pays; raises if the settings are to be corrected first."""
    studio = _studio(ctx)
    studio.check_settings(model_name)
    return studio


async def _submit(
    ctx: Ctx,
    request: Request,
    wait: Patience,
    *,
    another_take: bool,
    note: str = "",
    more: Sequence[Request] = (),
) -> CallToolResult:
    """Submit a request, and further takes of it; say what became of them."""
    if wants_handle(ctx.request_context):
        begun = await _studio(ctx).begin(request, another_take=another_take, more=more)
        return begun_result(_studio(ctx), _noted(begun, note))
    answer = await _studio(ctx).submit(request, wait, another_take=another_take, more=more)
    answer = _noted(answer, note)
    is_error = all(task.status in NOT_BEGUN for task in (answer.task, *answer.others))
    return await task_answer(ctx, answer, is_error=is_error)


def _noted(answer: Answer, note: str) -> Answer:
    return replace(answer, note=" ".join(filter(None, (note, answer.note))))


def _wait(ctx: Ctx, wait_seconds: float | None, kind: Kind = "look") -> Patience:
    return patience(ctx, kind, wait_seconds, _how_it_stands)


def _how_it_stands(task: Task) -> str:
    return f"{task.kind} {task.public_id} is {task.status}"
