"""The journal's tables, as numbered migrations.

Invariant: a script that was ever released is never changed; a new version of the file is a new
script at the end, and has a test that starts from the file before it.
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

# Who submits a task or saves a clip (so that what a dead process left can be told), as which
# account, what was sent and when, when it is looked at next, when this machine learned its end (a
# service's own clock may be off), and whether that end ever reached a client.
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

# When a client that holds the task's handle asked to have it followed no more.
UNFOLLOWED = "ALTER TABLE tasks ADD COLUMN unfollowed_at REAL"

MIGRATIONS: tuple[str, ...] = (FIRST, PROMISES, UNFOLLOWED)
"""One script per version of the file, applied once each in order; `user_version` counts them."""
