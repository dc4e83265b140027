"""What the studio says to the person in the chat.

Each message says what happened, whether it cost anything, and what to do next, if that matters.
"""

from collections.abc import Sequence
from pathlib import Path

from song_mcp.library import short_id
from song_mcp.songs import (
    SERVICES,
    Clip,
    ExtensionRequest,
    Model,
    Request,
    ServiceName,
    SongRequest,
    Task,
    families,
    goes_on_at_end,
    instead_of,
    is_style,
    names,
    public_clip_id,
)
from song_mcp.text import quoted

NAME_SHOWN = 24
"""How many characters of a name that was not understood are repeated."""
LENGTHS = range(14, 64)
"""How long shortened ids may be in a sentence: of ours, the first 6 characters are all alike."""
TASKS_SHOWN = 3
"""How many of the tasks that a name can mean are named."""
JOINED = (
    "An identical request is already in the journal: this call returned it and cost nothing. "
    "Only if the user wants one more version: another_take=true, which pays again."
)
JOINED_TAKE = (
    "This is the take that an earlier call like this one began, and of which no client was told: "
    "this call cost nothing. Repeat it with another_take=true to pay for one more."
)
OTHERS_OF = {"song": "song", "extension": "extension", "cover": "cover", "lyrics": "text"}
"""What a task of each kind makes."""
JOINED_RESTORED = (
    "The journal is an older copy and did not know this task; the service's history shows it with "
    "exactly what was asked for. This call returned it and cost nothing. Only if the user wants "
    "one more version: another_take=true, which pays again."
)
NEVER_SENT = (
    "The program ended before anything was sent. Nothing was sent or charged: the same request can "
    "be made again."
)
ORPHANED_FREE = (
    "The program ended before the service answered. It costs nothing: the same request may be made "
    "again."
)
NOT_ATTACHED = (
    "song-mcp had an internal error before it sent the clip; its log says which. Nothing was sent "
    "or paid."
)
DOUBT_ADVICE = (
    "Call resolve_task with check, which pays nothing; do not repeat the request, which may have "
    "been accepted and charged."
)
SETTLED_MEANWHILE = "The task is no longer in doubt. Nothing was sent or paid by this call."
POLLING_STOPPED = "Polling was stopped, as asked; get_task checks it once."
NOT_THE_LAST = (
    "Give the id of the task to submit again. Each submission changes which task is last, so the "
    "same call again would pay again. Nothing was sent or paid."
)
NO_HANDLE = (
    "There is no task with this taskId: give the local-... id that a paid call returned. "
    "list_songs shows every task; get_task takes a service's own ids."
)
SEARCHING = (
    "The answer to its submission was lost. The service's history is asked about it first; do not "
    "repeat the request."
)
SAVING = "It is made; its audio is being saved."
SAVING_GIVEN_UP = (
    "song-mcp was ended each time while it was saving this clip, so it does not try by itself any "
    "more. play_song tries once more, and so does reading its audio as a resource. Until its link "
    "expires, the clip can be downloaded from there too."
)
SAVING_MISTAKE = "song-mcp made a mistake while it saved this clip; its log says which."
NO_LONGER_POLLED = (
    "It has been running for over an hour and is no longer polled; get_task checks it once."
)


def orphaned(service: ServiceName) -> str:
    """Say that the program ended before a service answered a submission."""
    is_listed = not SERVICES[service].answers_with_audio
    advice = DOUBT_ADVICE if is_listed else nothing_to_look_up(service)
    return f"The program ended before the service answered. {advice}"


def our_mistake(service: ServiceName) -> str:
    """Say that an error of our own kept the answer to a submission from being read."""
    what = "song-mcp had an internal error while it read the answer; its log says which."
    return what if SERVICES[service].answers_with_audio else f"{what} {DOUBT_ADVICE}"


def is_our_reason(reason: str, service: ServiceName) -> bool:
    """Tell whether why a task failed is a sentence of ours, and not the service's own words.

    A service that answers with the song tells of no failure afterwards.
    """
    if SERVICES[service].answers_with_audio:
        return True
    return reason in {f"{SERVICES[service].label} gave no reason.", unknown_for_hours(service)}


def unknown_for_hours(service_name: ServiceName) -> str:
    """Say that a service accepted a task and has said for two hours that it does not know it."""
    service = SERVICES[service_name]
    return (
        f"{service.label} accepted this task, but has said for two hours that it does not know it. "
        f"Whether it was charged cannot be told from here: look at the bill {service.shop}. "
        "get_task asks once more; the same request again is a new payment."
    )


def error_of(task: Task) -> str:
    """Return why a task is as it is, without advice on a doubt that is closed."""
    if task.status != "abandoned":
        return task.error
    error = task.error
    for advice in (DOUBT_ADVICE, searched_for(task.service)):
        error = error.replace(f" {advice}", "")
    return error


def not_known_now(task: Task) -> str:
    """Say that a service, which accepted a task, does not know it at this look."""
    return (
        f"As last known: {SERVICES[task.service].label} says that it does not know this task. If "
        "it says nothing else for two hours, the task counts as failed."
    )


def takes(request: Request, count: int, joined: int) -> str:
    """Say how many takes a call began, how many of an earlier call it joined, and what that is."""
    if joined == count:
        return (
            f"{_takes(count)} of an earlier call like this one; this call cost nothing. Only if "
            "the user wants new ones: another_take=true, which pays again."
        )
    price = request.model.price_usd(_asked_s(request))
    of = "" if price is None else f" (${price:g} each)"
    paid = (
        "which cost nothing"
        if request.model.is_free
        else f"each paid for by itself if it is accepted{of}"
    )
    if not joined:
        return f"{_takes(count)} {_submissions(count)}, {paid}."
    return (
        f"{_takes(count)} {_submissions(count - joined)} of this call, {paid}, and {joined} of an "
        "earlier call like this one, for which nothing was paid again."
    )


def to_pay(request: Request, submissions: int) -> str:
    """Say what a request is about to cost, before it is sent."""
    model, service = request.model, SERVICES[request.model.service]
    price = model.price_usd(_asked_s(request))
    what = "1 submission" if submissions == 1 else f"{submissions} submissions"
    if price is None:
        cost = f"Its price is not told beforehand: the bill is {service.shop}."
    elif submissions == 1:
        cost = f"It costs about ${price:g}."
    else:
        cost = f"They cost about ${price:g} each, ${price * submissions:g} in all."
    return f"This makes {what} to {service.label} with the model {model.name}. {cost}"


def to_pay_again(task: Task) -> str:
    """Say what it means to submit a task in doubt again, before that is done."""
    return (
        f"This pays {SERVICES[task.service].label} once more for {task.public_id}, unless its "
        "history shows that it was accepted. The first submission may have been charged too."
    )


def _asked_s(request: Request) -> float | None:
    return request.duration_s if isinstance(request, SongRequest) else None


def _takes(count: int) -> str:
    return "1 take, which is" if count == 1 else f"{count} takes, which are"


def _submissions(count: int) -> str:
    return "1 submission" if count == 1 else f"{count} submissions"


def take_not_begun(number: int, wanted: int, why: str) -> str:
    """Say which take of several could not be begun, and that nothing was paid for it."""
    for of_all in ("Nothing was sent or paid by this call.", "Nothing was sent or paid."):
        why = why.replace(of_all, f"For take {number} nothing was sent or paid.")
    later = "" if number == wanted else f", and so were none of the later ones up to {wanted}"
    return (
        f"Take {number} of {wanted} was not begun{later}: {why} What is missing can be asked for "
        "later, with another_take=true."
    )


def joined_near(task: Task) -> str:
    """Say that a call in nearly the same words was cut off, and that this is its task."""
    return (
        "A call in nearly the same words was cut off before its answer arrived, and this is its "
        "task: this call cost nothing. If the user wants a different "
        f"{OTHERS_OF[task.kind]} as well, say another_take=true."
    )


def paid_anew(lost: Task) -> str:
    """Say that a new payment is made though an equal task was accepted, and why."""
    label = SERVICES[lost.service].label
    return (
        f"This is a new payment: {lost.public_id}, an equal request, was accepted before, but "
        f"{label} does not know it any more. It may have been charged too."
    )


def asking_again_failed(task: Task, error: Exception) -> str:
    """Say that a service was asked for what is missing of an ended task, and why it did not say."""
    return f"Asking {SERVICES[task.service].label} for what is missing failed: {error}"


def not_answered(task: Task) -> str:
    """Say that a service has not answered within the call that is about a task."""
    return unanswered(task.service)


def unanswered(service: ServiceName) -> str:
    """Say that a service has not answered within the call."""
    return f"{SERVICES[service].label} has not answered yet; look again in a moment."


def incomplete(task: Task) -> str:
    """Say that an ended task has fewer clips than usual; "" for any other."""
    usual, made = task.usual_clips, len(task.clips)
    if task.status != "completed" or made >= usual:
        return ""
    return f"It has {made} of the usual {usual} clips so far; get_task asks for more, free."


def unsaved(clip: Clip) -> str:
    """Say why the library does not have a clip that was tried."""
    return f"Clip {clip.public_id} is not in the library: {clip.save_error}"


DELETED = "deleted by you; get it again?"
"""What is said in one line of a clip whose file the person deleted."""
AWAY = "the library's folder is not there now"
"""What is said in one line of a clip whose file may be there, in a folder that is not."""
FILES_SHOWN = 5
"""How many deleted files are named in one sentence."""


def of_files(tasks: Sequence[Task]) -> str:
    """Say what is the matter with files of these tasks; "" if nothing is."""
    return " ".join(filter(None, (deleted(tasks), away(tasks))))


def deleted(tasks: Sequence[Task]) -> str:
    """Say which files the person deleted, and how they are got again; "" if none.

    Nothing is saved again unasked: a look alone must not undo what the person did.
    """
    gone = [(task, clip) for task in tasks for clip in task.clips if clip.is_gone]
    if not gone:
        return ""
    which = ", ".join(
        f"clip {clip.public_id} ({quoted(clip.gone_file.name if clip.gone_file else '', limit=80)})"
        for _, clip in gone[:FILES_SHOWN]
    )
    more = f" and {len(gone) - FILES_SHOWN} more" if len(gone) > FILES_SHOWN else ""
    said = f"The library's folder no longer has {which}{more}, {DELETED}"
    kept = [(task, clip) for task, clip in gone if not _sent_once(task)]
    if not kept:
        label = SERVICES[gone[0][0].service].label
        return f"{said} {label} sent it once and keeps no copy: look in this computer's trash."
    name = kept[0][1].public_id if len(kept) == 1 else "the clip's id"
    return (
        f"{said} Only if the user says so: get_task with task_id {name} and get_again=true, which "
        "is free."
    )


def _sent_once(task: Task) -> bool:
    """Tell whether nobody has the audio of a task but who has its file."""
    return SERVICES[task.service].answers_with_audio


def away(tasks: Sequence[Task]) -> str:
    """Say of which files nobody can tell whether they are there; "" if of none."""
    files = [clip.file for task in tasks for clip in task.clips if clip.is_away and clip.file]
    if not files:
        return ""
    return (
        f"The library's folder is not there now, or is empty: {str(files[0].parent)!r}. Nothing "
        "was changed: connect its drive, or set SONG_MCP_LIBRARY to where the songs are. If they "
        "were deleted, save any file in that folder, then they are told as deleted."
    )


def not_got_again(clip: Clip) -> str:
    """Say what can be done if a file that was deleted could not be got again; "" for others."""
    if clip.gone_at is None or clip.is_settled or not clip.save_error:
        return ""
    return (
        "Its file was deleted before. If its service has the audio no more, only this computer's "
        "trash or a backup has it; another take is a new payment."
    )


def next_try(clip: Clip) -> str:
    """Say when a clip that is not saved is tried again; "" if its error says that."""
    if clip.save_error == SAVING_GIVEN_UP:
        return ""
    if clip.is_being_saved:
        return "Saving is being tried again now; get_task waits for that."
    now = "get_task asks for a fresh link and tries at once, but not within 20 s of the last try."
    if clip.next_try_at is None:
        return f"It is not tried by itself any more; {now}"
    return f"The next try is made at {clip.next_try_at:%H:%M:%S} UTC; {now}"


def joined_elsewhere(task: Task) -> str:
    """Say that the task that a call joined was paid with another key or base URL."""
    service = SERVICES[task.service]
    return (
        f"{task.public_id} was paid with another {service.key_variable} or "
        f"{service.base_url_variable} than those set now."
    )


GIVEN_UP = (
    "This call was given up, or made again, before it was sent. Nothing was sent or paid by this "
    "call."
)
"""Why a call whose client no longer waits for it does not pay."""


def unpaid(reason: str) -> str:
    """Say why something was refused, and that it cost nothing."""
    return f"{reason} Nothing was sent or paid."


def unknown_model(name: str) -> str:
    """Say that no model is called so, why if that is known, and which ones there are."""
    gone = instead_of(name)
    if gone is not None:
        use = f" Use {' or '.join(gone.instead)}." if gone.instead else ""
        return f"There is no model {name[:NAME_SHOWN]!r}. {gone.why}.{use} Nothing was paid."
    return (
        f"There is no model {name[:NAME_SHOWN]!r}; there are {families()} and chirp-.... "
        "Nothing was paid."
    )


def which_model(name: str, models: Sequence[Model]) -> str:
    """Say that a name can mean several models, and which."""
    choices = " or ".join(f"{each.name} ({SERVICES[each.service].label})" for each in models[:4])
    return f"{name[:NAME_SHOWN]!r} can mean {choices}: name one. Nothing was sent or paid."


def continued_otherwise(maker: Model, model: Model) -> str:
    """Say that a clip is continued with another model than the one that made it, and why."""
    return f"{_retired(maker)}, so the clip is continued with {model.name}."


def other_model(asked: str, made_with: str) -> str:
    """Say that another model made a clip than the one that was asked for."""
    return f"Asked for {asked}, made by {made_with}, as the clip's own data say."


def maybe_ignored(service: ServiceName, wishes: Sequence[str]) -> str:
    """Say which wishes the clips do not repeat, so that the service may have ignored them."""
    named = " and ".join(filter(None, (", ".join(wishes[:-1]), wishes[-1])))
    label = SERVICES[service].label
    return f"{label} may have ignored {named}: the clips' own data do not repeat that."


def remarks(request: Request) -> str:
    """Say what a request does that the person may not expect; "" if nothing."""
    if not isinstance(request, SongRequest):
        return ""
    said = _of_extension(request) if isinstance(request, ExtensionRequest) else _of_length(request)
    more = (_of_words(request), _of_price(request))
    return " ".join(filter(None, (_of_model(request.model), said, *more)))


def _of_model(model: Model) -> str:
    """Say that a model exists no more where it was made, which a relay may take all the same."""
    if model.state != "retired":
        return ""
    service = SERVICES[model.service]
    current = names(each for each in service.models if each.state == "current")
    return (
        f"{_retired(model)}: {service.label} may refuse it, or make the song with another model. "
        f"Current: {current}."
    )


def _retired(model: Model) -> str:
    since = f" on {model.since}" if model.since else ""
    return f"{SERVICES[model.service].music} retired {model.name}{since}"


def _of_words(request: SongRequest) -> str:
    """Say that a song is without a voice, though nobody asked for that."""
    is_given = request.lyrics or request.instrumental or request.kind == "cover"
    if request.model.writes_lyrics or is_given:
        return ""
    return f"{request.model.name} sings only lyrics that are given, so this has no voice."


def _of_price(request: SongRequest) -> str:
    """Say what a song costs that is paid by the second."""
    price, seconds = request.model.usd_per_second, request.duration_s
    cost = request.model.price_usd(seconds)
    if price is None or cost is None or seconds is None:
        return ""
    if isinstance(request, ExtensionRequest):
        counted = "if only what is added is counted, which is not documented"
        return (
            f"It costs about ${cost:g} for {seconds:g} s more, at ${price:g} a second, {counted}."
        )
    return f"It costs about ${cost:g} for {seconds:g} s, at ${price:g} a second."


def _of_length(request: SongRequest) -> str:
    """Say that not every place that sells the model takes so long a description."""
    brief, length = request.model.brief_limit, len(request.description)
    if brief is None or is_style(request) or length <= brief:
        return ""
    return (
        f"The description has {length} characters: the oldest relays of "
        f"{SERVICES[request.model.service].music} take {brief} at most where no lyrics are given."
    )


def _of_extension(request: ExtensionRequest) -> str:
    service = SERVICES[request.model.service]
    if request.model.takes_audio:
        return ""
    if request.continue_at_s is None and not goes_on_at_end(request.model):
        return (
            f"No place was given, so {service.label} was sent 0 s, as in its own example; a part "
            "that then comes alone is taken to follow the clip's end."
        )
    if service.sings_given_alone and not request.lyrics:
        return (
            f"{service.music} sings only lyrics that are given here, so this part is instrumental."
        )
    return ""


def no_key(service: ServiceName, *, has_any: bool, remarks: Sequence[object] = ()) -> str:
    """Say which variable turns a service on, or, if none is on, name them all.

    `remarks` are on variables that count as not set.
    """
    known = SERVICES[service]
    if has_any:
        lacks = "has no key" if known.needs_key else "has no address"
        missing = f"{known.label} {lacks}: set {known.switch}"
    else:
        switches = " or ".join(f"{each.switch} ({each.music})" for each in SERVICES.values())
        missing = f"No service is set up: set {switches}"
    said = f" {counts_as_not_set(remarks)}" if remarks else ""
    return (
        f"{missing} in the MCP client's settings for this server and restart it.{said} Nothing was "
        "sent or paid. `song-mcp demo` shows everything without a key."
    )


def unknown_without_key(task_id: str, service: ServiceName, why: str = "") -> str:
    """Say that a task is not in the journal and that its service cannot be asked, and why."""
    return (
        f"There is no task {task_id} in the journal, and {SERVICES[service].label} cannot be asked "
        f"because {why or _not_set(service)}. list_songs shows the known tasks."
    )


def _not_set(service: ServiceName) -> str:
    return f"{SERVICES[service].switch} is not set"


def elsewhere(service: ServiceName) -> str:
    """Say where to look for a task that is unknown at a service."""
    others = [each for each in SERVICES.values() if each.elsewhere_tool and each.name != service]
    tools = " ".join(
        f"For a task made elsewhere at {each.label} call {each.elsewhere_tool};" for each in others
    )
    return f"{tools} list_songs has those made here."


def task_for_clip(task: Task) -> str:
    """Say that a task was named instead of a clip, and name its clips."""
    clips = ", ".join(clip.public_id for clip in task.clips)
    has = f"its clips are {clips}: give one of them" if clips else "it has no clips yet"
    return f"{task.public_id} is a task, not a clip; {has}. Nothing was sent or paid."


def unknown_clip(name: str) -> str:
    """Say that no clip is called so, and what a clip can be called."""
    tools = " ".join(
        f"For a clip of a {each.music} task made elsewhere, call {each.elsewhere_tool} with that "
        "task's id first."
        for each in SERVICES.values()
        if each.elsewhere_tool and not each.extends_any_clip
    )
    return (
        f"There is no clip {quoted(name)} in the journal: clip_id takes an id, a short id, an "
        f"exact title or last, and list_songs shows them. {tools} Nothing was sent or paid."
    )


def long_query(length: int, limit: int) -> str:
    """Say that a search is for more than can be searched for."""
    return (
        f"query has {length} characters; at most {limit} are searched for. Give a few words of the "
        "title, description or lyrics. Nothing was sent or paid."
    )


def which_task(name: str, tasks: Sequence[Task]) -> str:
    """Say that a shortened id can mean several tasks, and name the newest of them by more of it."""
    ids = [task.public_id for task in tasks]
    begun = ({each[:length].casefold() for each in ids} for length in LENGTHS)
    length = next(
        (n for n, each in zip(LENGTHS, begun, strict=True) if len(each) == len(ids)), None
    )
    shown = ", ".join(each[:length] for each in ids[:TASKS_SHOWN])
    return (
        f"{quoted(name, limit=NAME_SHOWN)} can mean {len(ids)} tasks: {shown}. Give one of these. "
        "Nothing was sent or paid."
    )


def not_by_its_id(task: Task) -> str:
    """Say that a new payment for a task needs its whole id."""
    return (
        f"submit_again pays, so it needs the task's whole id: {task.public_id}. Nothing was sent "
        "or paid."
    )


def no_copy(name: str) -> str:
    """Say that no damaged journal is called so."""
    return (
        f"No damaged journal is called {quoted(name)}: give the file name that check_account and "
        "every result show. Nothing was sent or paid."
    )


def no_last_clip() -> str:
    """Say that `last` means no clip, as no song is finished yet."""
    return "There is no finished song yet, so none is the last one. Nothing was sent or paid."


def which_clip(name: str, clips: Sequence[tuple[Task, Clip]], total: int) -> str:
    """Say that several clips are called so, and list the newest of them with their short ids."""
    lines = [
        f"- {short_id(task, clip)} {quoted(clip.title, limit=80)}, {task.created_at:%Y-%m-%d %H:%M}"
        for task, clip in clips
    ]
    of = f"; the newest {len(clips)}" if len(clips) < total else ""
    said = f"{quoted(name)} can mean {total} clips{of}:"
    return "\n".join([said, *lines, "Give one of these short ids. Nothing was sent or paid."])


def last_clip(task: Task, clip: Clip, running: Task | None) -> str:
    """Say which clip `last` means here, its other takes, and whether a newer song is running."""
    others = ", ".join(each.public_id for each in task.clips if each.clip_id != clip.clip_id)
    said = f"last is {quoted(clip.title, limit=80)}, clip {clip.public_id}"
    said += f"; the other take is {others}." if others else "."
    return f"{said} A newer song, {running.public_id}, is still being made." if running else said


def untold(task: Task) -> str:
    """Say that what was made of a clip, and never shown, may be what is asked for."""
    return (
        f"The end of the {task.kind} {task.public_id} was never shown: it may be what was asked "
        "for. Call get_task with that id, then name the clip that is meant by its clip_id. Nothing "
        "was sent or paid."
    )


def no_audio(task: Task, clip: Clip) -> str:
    """Say that a clip has no audio from which a cover could be made."""
    what = "has failed" if clip.status == "failed" else "has no audio here yet"
    return (
        f"Clip {clip.public_id} {what}, and a cover is made from the audio: get_task with task_id "
        f"{task.public_id} looks again, free. Nothing was sent or paid."
    )


def still_saved(clip: Clip) -> str:
    """Say that a clip's audio, from which a cover is made, is not saved yet."""
    return unpaid(f"The audio of clip {clip.public_id} is being saved: call again in a moment.")


def unknown_source(clip: Clip, source_id: str, *, in_circle: bool) -> str:
    """Say why it is not known what comes before a clip, which is the new part of a song alone."""
    source = public_clip_id(source_id)
    if in_circle:
        return f"Clip {clip.public_id} continues clip {source}, which continues it in turn."
    return (
        f"Clip {clip.public_id} continues clip {source}, which the journal does not have: look at "
        "the task that made it, then it is known."
    )


def too_many_parts(limit: int) -> str:
    """Say that a song was extended too often to be joined."""
    return f"The song has more than {limit} parts."


def no_whole(gap: str) -> str:
    """Say that a song cannot be joined, because it is not known what comes first."""
    return f"{gap} So the whole song cannot be joined; each clip can be played by itself."


def part_not_saved(task: Task, clip: Clip) -> str:
    """Say that a song cannot be joined yet, because a part of it is not in the library."""
    if clip.status == "failed":
        return f"Clip {clip.public_id} has failed, so there is nothing to be joined."
    return (
        f"Clip {clip.public_id} is not saved yet, so the whole song cannot be joined: call "
        f"get_task with task_id {task.public_id}, then join it."
    )


def no_cover(clip: Clip) -> str:
    """Say that the library has no picture of a clip."""
    return f"The library has no cover of clip {clip.public_id}."


def no_timed_lyrics(clip: Clip) -> str:
    """Say that nobody knows when the lines of a clip are sung."""
    name = clip.public_id
    return f"Clip {name} has no timed lyrics. What is known of its words is in song://clips/{name}."


def unknown_task(name: str) -> str:
    """Say that no task is called so, and which tool lists the known ones."""
    return f"There is no task {quoted(name)} in the journal. list_songs shows the known ones."


def going(task: Task) -> str:
    """Say in one sentence how an open task stands."""
    label = SERVICES[task.service].label
    if task.status == "submitting" and SERVICES[task.service].answers_with_audio:
        return f"{label} is making it, and answers when it is made, in a few minutes as a rule."
    if task.status == "submitting":
        return f"It is being submitted to {label}."
    if task.status == "pending":
        return f"{label} has accepted it."
    so_far = "" if task.progress_percent is None else f", {task.progress_percent} % done"
    return f"{label} is making it{so_far}."


def as_last_known(service: ServiceName, why: str = "") -> str:
    """Say why a service is not asked about its task."""
    return f"As last known: {why or _not_set(service)}."


def unfollowed(task: Task) -> str:
    """Say what it means for a task and its price that it is polled no more, as asked."""
    shows = f"get_task with task_id {task.public_id}"
    if not task.is_open:
        return f"Polling was stopped, as asked. The task is {task.status} now: {shows} shows it."
    return (
        f"Polling was stopped, as asked, but {SERVICES[task.service].label} goes on with the task, "
        f"and nothing is refunded. {shows} still checks it; the same request again joins it, costs "
        "nothing, and has it polled again."
    )


def no_presence(folder: Path, error: OSError) -> str:
    """Say that the journal's folder cannot be written, before anything is paid."""
    return (
        f"The folder {folder} cannot be written ({error.strerror}), so nothing was sent or paid. "
        "Make it writable, or set SONG_MCP_HOME to another folder."
    )


def no_room_for_songs(folder: Path, error: Exception) -> str:
    """Say that the library's path leads to no folder, before anything is paid."""
    cause = error.__cause__
    reason = cause.strerror if isinstance(cause, OSError) else None
    return (
        f"No song can be saved in the folder {folder} ({reason or 'unusable'}), so none is paid: "
        "nothing was sent. Set SONG_MCP_LIBRARY to another folder."
    )


def to_correct(problems: Sequence[object]) -> str:
    """Say which settings must be corrected before anything is paid; "" if none."""
    if not problems:
        return ""
    told = "; ".join(map(str, problems))
    return (
        "Settings to correct in the MCP client, which then restarts this server, before anything "
        f"is paid: {told}."
    )


def counts_as_not_set(remarks: Sequence[object]) -> str:
    """Say which settings count as not set, though something stands there; "" if none."""
    return f"Counts as not set: {'; '.join(map(str, remarks))}." if remarks else ""


def not_filled_in(remarks: Sequence[object]) -> str:
    """Say why a call that names no model is refused while a key is an example's word."""
    return (
        f"{'; '.join(map(str, remarks))}. Put it in or remove it in the MCP client's settings and "
        "restart, or name a model of another service. Nothing was sent or paid."
    )


def plan_full(error: Exception, running: Sequence[Task]) -> str:
    """Say that the plan allows no further song at the same time, and which ones are running."""
    names = [f"{task.public_id} ({task.title or task.description[:40]})" for task in running]
    return f"{error} Running now: {', '.join(names)}." if names else str(error)


def lost_free(why: str) -> str:
    """Say that the answer of a submission that costs nothing was lost."""
    return f"{why} It costs nothing: the same request may be made again."


def in_doubt(task: Task, why: str) -> str:
    """Say when a submission was sent, and why nobody knows whether it was accepted."""
    return f"Sent at {task.created_at:%H:%M} UTC. {why} {searched_for(task.service)}"


def searched_for(service: ServiceName) -> str:
    """Say how a doubt at this service may settle itself."""
    label = SERVICES[service].label
    if SERVICES[service].answers_with_audio:
        return nothing_to_look_up(service)
    if not SERVICES[service].has_history:
        return f"{label} has no history that song-mcp can ask about it."
    return (
        f"song-mcp asks {label}'s history about it after 10 s, 60 s and 10 min, which pays "
        "nothing; get_task shows what was found."
    )


def nothing_to_look_up(service_name: ServiceName) -> str:
    """Say that nothing can be found out about a submission, and what that means."""
    service = SERVICES[service_name]
    return (
        f"{service.label} keeps no list of songs, so nothing can be looked up: whether it was "
        f"charged only the bill shows ({service.shop}). The same request again joins this one and "
        "pays nothing. resolve_task with abandon closes it; with submit_again it pays once more."
    )


def nothing_to_check(service: ServiceName) -> str:
    """Say that a check can find out nothing at this service."""
    return f"{SERVICES[service].label} has nothing that could be checked: it stays as it is."


def found(task: Task) -> str:
    """Say that a submission whose answer was lost was found, and what that means for the money."""
    return (
        f"The answer to its submission was lost, but {SERVICES[task.service].label}'s history "
        "shows this task with exactly what was sent: it was accepted once, and nothing was sent "
        "again."
    )


def not_found(service: ServiceName) -> str:
    """Say that a history shows nothing long after a submission was lost."""
    return (
        f"{SERVICES[service].label}'s history does not show it: it was very probably not sent, "
        "not charged. It stays in doubt for the user to close: resolve_task abandon pays nothing, "
        "submit_again pays."
    )


def not_found_yet(service: ServiceName) -> str:
    """Say that a history shows nothing, but that it may still."""
    return f"{SERVICES[service].label}'s history does not show it so far, but such lists may lag."


def history_silent(service: ServiceName) -> str:
    """Say that nothing follows from what a history answered, if it answered."""
    return f"{SERVICES[service].label}'s history tells nothing about it now."


def found_several(service: ServiceName, ids: str) -> str:
    """Say that more than one task may be the one in doubt."""
    return (
        f"{SERVICES[service].label}'s history shows more than one task that asked for exactly the "
        f"same then; {ids} may be this one. get_task with an id shows it."
    )


def found_possibly(service: ServiceName, ids: str) -> str:
    """Say which tasks may be the one in doubt, if none of them certainly is."""
    return (
        f"{SERVICES[service].label}'s history shows {ids}, which may be this one: its time, or "
        "what it asked for, cannot be compared wholly. get_task with the id shows it."
    )


def found_for_rivals(service: ServiceName, ids: str) -> str:
    """Say that a task was found of which it is not known which of several submissions made it."""
    return (
        f"{SERVICES[service].label}'s history shows {ids}, which asked for exactly the same, but "
        "another submission of the same request is in doubt or under way: whose it is, is not "
        "known."
    )


def other_account(task: Task) -> str:
    """Ask, by refusing once, whether a task is to be paid again from another account."""
    service = SERVICES[task.service]
    return (
        f"{task.public_id} was sent with another key or base URL of {service.label} than is set "
        "now, so it would be paid from another account, and it may have been charged to the first "
        "one. Nothing was sent or paid. If the user wants that, call submit_again once more; else "
        f"set {service.switch} as it was and restart."
    )


def abandoned() -> str:
    """Say that a doubt is closed, and what that means for the money."""
    return "Closed by the user, which paid nothing; if it was charged, that is not refunded."


def submitted_again(task: Task) -> str:
    """Say that a task was submitted again, and what that means for the money."""
    return (
        f"Submitted again for {task.linked_to}, which is closed: this is a new payment, and the "
        "first one may have been charged too."
    )
