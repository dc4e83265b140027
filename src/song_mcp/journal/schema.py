"""The journal's tables, as numbered migrations.

A script that was released is never changed. A new version of the file is a new script at the end,
with a test that starts from a file of the version before.
"""

FIRST = """
CREATE TABLE tasks (
    local_id TEXT PRIMARY KEY,
    service TEXT NOT NULL,
    task_id TEXT NOT NULL DEFAULT '',
    model TEXT NOT NULL,
    kind TEXT NOT NULL,
    status TEXT NOT NULL,
    fingerprint TEXT NOT NULL DEFAULT '',
    title TEXT NOT NULL DEFAULT '',
    description TEXT NOT NULL DEFAULT '',
    request TEXT NOT NULL DEFAULT '{}',
    provider_status TEXT NOT NULL DEFAULT '',
    progress_percent INTEGER,
    lyrics_title TEXT NOT NULL DEFAULT '',
    lyrics_text TEXT NOT NULL DEFAULT '',
    error TEXT NOT NULL DEFAULT '',
    charged TEXT NOT NULL DEFAULT 'unknown',
    cost_usd REAL,
    created_at REAL NOT NULL,
    finished_at REAL,
    looked_at REAL
);
CREATE INDEX tasks_by_id ON tasks (task_id, service);
CREATE INDEX tasks_by_age ON tasks (created_at);
CREATE INDEX tasks_by_request ON tasks (fingerprint, status);
CREATE TABLE clips (
    local_id TEXT NOT NULL REFERENCES tasks (local_id),
    clip_id TEXT NOT NULL,
    position INTEGER NOT NULL,
    status TEXT NOT NULL,
    title TEXT NOT NULL DEFAULT '',
    service_title TEXT NOT NULL DEFAULT '',
    duration_s REAL,
    audio_url TEXT NOT NULL DEFAULT '',
    image_url TEXT NOT NULL DEFAULT '',
    video_url TEXT NOT NULL DEFAULT '',
    tags TEXT NOT NULL DEFAULT '[]',
    lyrics TEXT NOT NULL DEFAULT '',
    error TEXT NOT NULL DEFAULT '',
    made_with TEXT NOT NULL DEFAULT '',
    file TEXT NOT NULL DEFAULT '',
    cover TEXT NOT NULL DEFAULT '',
    mime_type TEXT NOT NULL DEFAULT '',
    save_error TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (local_id, clip_id)
);
CREATE INDEX clips_by_id ON clips (clip_id);
"""

# Which process submits a task or saves a clip (so that the work of a dead one can be found), for
# which account, what was sent and when, when the next look is due, when this machine learned of the
# end (a service's own clock may be wrong), and when that end was delivered to a client.
PROMISES = """
ALTER TABLE tasks ADD COLUMN owner TEXT NOT NULL DEFAULT '';
ALTER TABLE tasks ADD COLUMN account TEXT NOT NULL DEFAULT '';
ALTER TABLE tasks ADD COLUMN wire TEXT NOT NULL DEFAULT '';
ALTER TABLE tasks ADD COLUMN balance_usd REAL;
ALTER TABLE tasks ADD COLUMN linked_to TEXT NOT NULL DEFAULT '';
ALTER TABLE tasks ADD COLUMN asked TEXT NOT NULL DEFAULT '';
ALTER TABLE tasks ADD COLUMN next_look_at REAL NOT NULL DEFAULT 0;
ALTER TABLE tasks ADD COLUMN sent_at REAL;
ALTER TABLE tasks ADD COLUMN ended_at REAL;
ALTER TABLE tasks ADD COLUMN delivered_at REAL;
ALTER TABLE clips ADD COLUMN save_tries INTEGER NOT NULL DEFAULT 0;
ALTER TABLE clips ADD COLUMN save_after REAL NOT NULL DEFAULT 0;
ALTER TABLE clips ADD COLUMN save_owner TEXT NOT NULL DEFAULT '';
CREATE INDEX tasks_by_look ON tasks (status, account, next_look_at)
"""

# When a client that holds the task's handle asked to have it polled no more.
UNFOLLOWED = "ALTER TABLE tasks ADD COLUMN unfollowed_at REAL"

# The change feed: each task (with clip_id '') and each clip once, under the number of its newest
# change, and the list of finished clips (with both ids ''). Numbers only grow. Triggers write it,
# so no writer is missed. Only what a client can see counts: looks, claims and deliveries do not.
# The triggers delete and insert, because for a REPLACE inside a trigger SQLite applies the conflict
# rule of the statement that fired it. Each trigger's body is one line, because the script is split
# at every `;` that ends a line.
CHANGES = """
CREATE TABLE changes (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    local_id TEXT NOT NULL,
    clip_id TEXT NOT NULL,
    UNIQUE (local_id, clip_id)
);
CREATE TRIGGER task_made AFTER INSERT ON tasks BEGIN
    DELETE FROM changes WHERE local_id = NEW.local_id AND clip_id = ''; \
    INSERT INTO changes (local_id, clip_id) VALUES (NEW.local_id, ''); \
END;
CREATE TRIGGER task_changed AFTER UPDATE ON tasks WHEN (
    OLD.task_id, OLD.model, OLD.kind, OLD.status, OLD.title, OLD.description, OLD.request,
    OLD.provider_status, OLD.progress_percent, OLD.lyrics_title, OLD.lyrics_text, OLD.error,
    OLD.charged, OLD.cost_usd, OLD.created_at, OLD.finished_at
) IS NOT (
    NEW.task_id, NEW.model, NEW.kind, NEW.status, NEW.title, NEW.description, NEW.request,
    NEW.provider_status, NEW.progress_percent, NEW.lyrics_title, NEW.lyrics_text, NEW.error,
    NEW.charged, NEW.cost_usd, NEW.created_at, NEW.finished_at
) BEGIN
    DELETE FROM changes WHERE local_id = NEW.local_id AND clip_id = ''; \
    INSERT INTO changes (local_id, clip_id) VALUES (NEW.local_id, ''); \
END;
CREATE TRIGGER task_gone AFTER DELETE ON tasks BEGIN
    DELETE FROM changes WHERE local_id = OLD.local_id AND clip_id = ''; \
    INSERT INTO changes (local_id, clip_id) VALUES (OLD.local_id, ''); \
END;
CREATE TRIGGER clip_made AFTER INSERT ON clips BEGIN
    DELETE FROM changes WHERE local_id = NEW.local_id AND clip_id = NEW.clip_id; \
    INSERT INTO changes (local_id, clip_id) VALUES (NEW.local_id, NEW.clip_id); \
END;
CREATE TRIGGER clip_changed AFTER UPDATE ON clips WHEN (
    OLD.local_id, OLD.position, OLD.status, OLD.title, OLD.service_title, OLD.duration_s,
    OLD.audio_url, OLD.image_url, OLD.video_url, OLD.tags, OLD.lyrics, OLD.error, OLD.made_with,
    OLD.file, OLD.cover, OLD.mime_type, OLD.save_error
) IS NOT (
    NEW.local_id, NEW.position, NEW.status, NEW.title, NEW.service_title, NEW.duration_s,
    NEW.audio_url, NEW.image_url, NEW.video_url, NEW.tags, NEW.lyrics, NEW.error, NEW.made_with,
    NEW.file, NEW.cover, NEW.mime_type, NEW.save_error
) BEGIN
    DELETE FROM changes WHERE local_id = NEW.local_id AND clip_id = NEW.clip_id; \
    INSERT INTO changes (local_id, clip_id) VALUES (NEW.local_id, NEW.clip_id); \
END;
CREATE TRIGGER clip_gone AFTER DELETE ON clips BEGIN
    DELETE FROM changes WHERE local_id = OLD.local_id AND clip_id = OLD.clip_id; \
    INSERT INTO changes (local_id, clip_id) VALUES (OLD.local_id, OLD.clip_id); \
END;
CREATE TRIGGER list_longer AFTER INSERT ON clips WHEN NEW.status = 'completed' BEGIN
    DELETE FROM changes WHERE local_id = ''; \
    INSERT INTO changes (local_id, clip_id) VALUES ('', ''); \
END;
CREATE TRIGGER list_changed AFTER UPDATE ON clips WHEN 'completed' IN (OLD.status, NEW.status) AND
    (OLD.status, OLD.title, OLD.duration_s, OLD.file) IS NOT
    (NEW.status, NEW.title, NEW.duration_s, NEW.file)
BEGIN
    DELETE FROM changes WHERE local_id = ''; \
    INSERT INTO changes (local_id, clip_id) VALUES ('', ''); \
END;
CREATE TRIGGER list_shorter AFTER DELETE ON clips WHEN OLD.status = 'completed' BEGIN
    DELETE FROM changes WHERE local_id = ''; \
    INSERT INTO changes (local_id, clip_id) VALUES ('', ''); \
END
"""

# Whether a task was begun as another take of an equal one, and when an answer about this take first
# reached a client. A repeated call for another take joins one of which no client was told.
TAKES = """
ALTER TABLE tasks ADD COLUMN another_take INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tasks ADD COLUMN told_at REAL
"""

# Which account follows a task: the one that paid, or another one that was able to look at it since
# (the key or the base URL was changed); and when the next account may try to.
FOLLOWERS = """
ALTER TABLE tasks ADD COLUMN followed_by TEXT NOT NULL DEFAULT '';
ALTER TABLE tasks ADD COLUMN other_look_at REAL NOT NULL DEFAULT 0;
UPDATE tasks SET followed_by = account
"""

# In which order tasks were written, sent and moved to which status, whatever the clocks said: a
# balance that was read while a task was sent can be compared only with what came before or after.
# `what` is 'sent' or the status. Triggers write it, as they do the change feed. Of earlier rows
# nothing is known, which counts as before all that is numbered. And for which other account the
# user was asked whether a task in doubt is to be paid again.
MOMENTS = """
CREATE TABLE moments (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    local_id TEXT NOT NULL,
    what TEXT NOT NULL
);
CREATE INDEX moments_by_task ON moments (local_id, what);
CREATE TRIGGER moment_written AFTER INSERT ON tasks BEGIN
    INSERT INTO moments (local_id, what) VALUES (NEW.local_id, NEW.status); \
END;
CREATE TRIGGER moment_sent AFTER UPDATE OF sent_at ON tasks WHEN NEW.sent_at IS NOT NULL BEGIN
    INSERT INTO moments (local_id, what) VALUES (NEW.local_id, 'sent'); \
END;
CREATE TRIGGER moment_moved AFTER UPDATE OF status ON tasks WHEN OLD.status != NEW.status BEGIN
    INSERT INTO moments (local_id, what) VALUES (NEW.local_id, NEW.status); \
END;
ALTER TABLE tasks ADD COLUMN asked_for_account TEXT NOT NULL DEFAULT ''
"""

# The order of tasks, which no clock can change: 1, 2, 3 ... for those that were made here. One that
# was made elsewhere comes after the last of them that is not newer than it, by a fraction that
# grows with its time, Unix seconds / 2^33; what is told to be later than now counts as now. A task
# of an earlier version takes its rowid as its number, and nobody can have seen a task before it
# was made, so one that was made elsewhere is older than what was written after it. A process of an
# earlier version may still run, and knows no places and followers: a trigger adds them.
PLACES = """
ALTER TABLE tasks ADD COLUMN place REAL NOT NULL DEFAULT 0;
UPDATE tasks SET place = rowid WHERE fingerprint != '';
UPDATE tasks SET place = coalesce((
    SELECT max(made.rowid) FROM tasks AS made WHERE made.fingerprint != ''
        AND made.rowid < tasks.rowid AND made.created_at <= tasks.created_at
), 0) + max(0, min(created_at, CAST(strftime('%s', 'now') AS REAL))) / 8589934592
WHERE fingerprint = '';
CREATE INDEX tasks_by_place ON tasks (place);
CREATE TRIGGER place_given AFTER INSERT ON tasks WHEN NEW.place = 0 AND NEW.followed_by = '' BEGIN
    UPDATE tasks SET followed_by = account, place = CASE WHEN fingerprint != '' THEN (
        SELECT CAST(max(place) AS INTEGER) + 1 FROM tasks
    ) ELSE (
        SELECT max(CAST(place AS INTEGER)) FROM tasks WHERE created_at <= NEW.created_at
    ) + max(0, min(created_at, CAST(strftime('%s', 'now') AS REAL))) / 8589934592 END
    WHERE rowid = NEW.rowid; \
END
"""

# What was copied out of a damaged journal: the name under which that is kept, how many tasks and
# clips there are of it, how many of them only in part, how many pages could not be read, and when
# a person confirmed it. Until then nothing is paid.
SALVAGES = """
CREATE TABLE salvages (
    kept_as TEXT PRIMARY KEY,
    made_at REAL NOT NULL,
    tasks INTEGER NOT NULL,
    clips INTEGER NOT NULL,
    partly INTEGER NOT NULL,
    unread INTEGER NOT NULL,
    confirmed_at REAL
)
"""

# What a task's lyrics have beside the first draft, as JSON ([title, text] each), and what it cost
# in the gateway's own unit. Both are shown, so they have a trigger for the change feed as well.
DRAFTS = """
ALTER TABLE tasks ADD COLUMN lyrics_drafts TEXT NOT NULL DEFAULT '[]';
ALTER TABLE tasks ADD COLUMN cost_units REAL;
CREATE TRIGGER task_told_more AFTER UPDATE OF lyrics_drafts, cost_units ON tasks
WHEN (OLD.lyrics_drafts, OLD.cost_units) IS NOT (NEW.lyrics_drafts, NEW.cost_units) BEGIN
    DELETE FROM changes WHERE local_id = NEW.local_id AND clip_id = ''; \
    INSERT INTO changes (local_id, clip_id) VALUES (NEW.local_id, ''); \
END
"""

# What can still get better after the end. Of a task: until when no process asks its service once
# more, and how old it was, in seconds, when its service first said that it does not know it. Of a
# clip: its earlier links, whether it was not known at the end, and when the first try to save it
# began and the last one began or ended, both 0 before. `save_tries` now counts only tries since the
# last that was brought to an end. What was not to be tried any more stays so. And the change feed
# tells of a clip that has another id.
AFTER_THE_END = """
ALTER TABLE tasks ADD COLUMN asked_again_until REAL NOT NULL DEFAULT 0;
ALTER TABLE tasks ADD COLUMN unknown_from_s REAL;
ALTER TABLE clips ADD COLUMN earlier_urls TEXT NOT NULL DEFAULT '[]';
ALTER TABLE clips ADD COLUMN is_late INTEGER NOT NULL DEFAULT 0;
ALTER TABLE clips ADD COLUMN save_from REAL NOT NULL DEFAULT 0;
ALTER TABLE clips ADD COLUMN save_tried REAL NOT NULL DEFAULT 0;
UPDATE clips SET save_after = 1000000000000
    WHERE file = '' AND save_owner = '' AND save_tries >= 5;
UPDATE clips SET save_tries = 0
    WHERE file = '' AND save_owner = '' AND save_error NOT LIKE 'song-mcp was ended each time%';
UPDATE clips SET save_from = coalesce((
    SELECT ended_at FROM tasks WHERE tasks.local_id = clips.local_id
), 1), save_tried = 1 WHERE file = '' AND (save_error != '' OR save_owner != '');
CREATE TRIGGER clip_renamed AFTER UPDATE OF clip_id ON clips WHEN OLD.clip_id != NEW.clip_id BEGIN
    DELETE FROM changes WHERE local_id = OLD.local_id AND clip_id IN (OLD.clip_id, NEW.clip_id); \
    INSERT INTO changes (local_id, clip_id)
        VALUES (OLD.local_id, OLD.clip_id), (NEW.local_id, NEW.clip_id); \
END
"""

# Of a submission in doubt: when its answer was lost, when the service's history is next asked about
# it (NULL: no more by itself), how many such searches have ended, and what was said of the doubt
# before them. Of one that was found in the history: when. A doubt of an earlier version is searched
# for once, as it is old.
SEARCHES = """
ALTER TABLE tasks ADD COLUMN lost_at REAL;
ALTER TABLE tasks ADD COLUMN search_at REAL;
ALTER TABLE tasks ADD COLUMN searches INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tasks ADD COLUMN doubted TEXT NOT NULL DEFAULT '';
ALTER TABLE tasks ADD COLUMN found_at REAL;
UPDATE tasks SET search_at = 0, searches = 2, doubted = error WHERE status = 'in_doubt'
"""

# When the journal was found to be an older copy of itself (`mark`): under which name a person
# confirms that, since when it knows nothing, and when a person confirmed it.
RESTORES = """
CREATE TABLE restores (
    name TEXT PRIMARY KEY,
    since REAL NOT NULL,
    noticed_at REAL NOT NULL,
    confirmed_at REAL
)
"""

# What a clip's own data repeat of the wishes that its service may ignore, as JSON. What was ignored
# is shown, so it has a trigger for the change feed as well.
WISHES = """
ALTER TABLE clips ADD COLUMN wishes TEXT NOT NULL DEFAULT '{}';
CREATE TRIGGER clip_heeds AFTER UPDATE OF wishes ON clips WHEN OLD.wishes != NEW.wishes BEGIN
    DELETE FROM changes WHERE local_id = NEW.local_id AND clip_id = NEW.clip_id; \
    INSERT INTO changes (local_id, clip_id) VALUES (NEW.local_id, NEW.clip_id); \
END
"""

# Whether a clip could not be saved because of its links, and not of the library's folder.
FAILED_LINKS = "ALTER TABLE clips ADD COLUMN link_failed INTEGER NOT NULL DEFAULT 0"

# Since when the newest call that began or joined a task has no answer that reached its client: NULL
# if none was lost, or an answer about the task reached a client since. And whether who wrote the
# task keeps `told_at` of it, whichever take it is: of tasks of an earlier version, one of whose
# processes may still run, and of those that were made elsewhere nothing is known. In `wordings` are
# the requests in other words that joined a task: from then on they are equal to its own.
CUTS = """
CREATE TABLE wordings (
    fingerprint TEXT NOT NULL,
    local_id TEXT NOT NULL,
    UNIQUE (fingerprint, local_id)
);
ALTER TABLE tasks ADD COLUMN cut_at REAL;
ALTER TABLE tasks ADD COLUMN keeps_told INTEGER NOT NULL DEFAULT 0;
CREATE INDEX tasks_cut ON tasks (kind, model)
WHERE cut_at IS NOT NULL OR keeps_told AND told_at IS NULL
"""

# Of a clip whose file the person deleted: when that was noticed. `file` still says where it was, so
# that no process saves it again unasked; with an empty `file` it is being got again, as was asked
# for. Where its timed lyrics are: NULL if beside the file under its name, '' if nowhere. What
# stands for the bytes of a file without tags. And `folders`: on which volume each folder of songs
# was when a song was last seen in it. If it is on another one, songs are not deleted but away.
WHEREABOUTS = """
CREATE TABLE folders (folder TEXT PRIMARY KEY, volume TEXT NOT NULL);
ALTER TABLE clips ADD COLUMN gone_at REAL;
ALTER TABLE clips ADD COLUMN lyrics_file TEXT;
ALTER TABLE clips ADD COLUMN digest TEXT NOT NULL DEFAULT '';
CREATE TRIGGER clip_deleted AFTER UPDATE OF gone_at, lyrics_file ON clips
WHEN (OLD.gone_at, OLD.lyrics_file) IS NOT (NEW.gone_at, NEW.lyrics_file) BEGIN
    DELETE FROM changes WHERE local_id = NEW.local_id AND clip_id = NEW.clip_id; \
    INSERT INTO changes (local_id, clip_id) VALUES (NEW.local_id, NEW.clip_id); \
    DELETE FROM changes WHERE local_id = ''; \
    INSERT INTO changes (local_id, clip_id) VALUES ('', ''); \
END
"""

MIGRATIONS: tuple[str, ...] = (
    FIRST, PROMISES, UNFOLLOWED, CHANGES, TAKES, FOLLOWERS, MOMENTS, PLACES, SALVAGES, DRAFTS,
    AFTER_THE_END, SEARCHES, RESTORES, WISHES, FAILED_LINKS, CUTS,
    WHEREABOUTS,
)  # fmt: skip
"""One script per version of the file, applied once each in order; `user_version` counts them."""
