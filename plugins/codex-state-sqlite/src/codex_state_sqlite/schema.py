"""The tables, as steps that lead from one version to the next. A step that was released is never changed."""

from __future__ import annotations

Step = tuple[str, ...]
"""Statements that are carried out together."""

VALUES_AND_JOBS: Step = (
    """CREATE TABLE kv (
        namespace TEXT NOT NULL, key TEXT NOT NULL, data BLOB NOT NULL, crc INTEGER NOT NULL,
        PRIMARY KEY (namespace, key)) WITHOUT ROWID""",
    # A lease is measured by a clock that nobody puts back (`lease_mono_*`, of the machine `lease_clock`), and for other
    # machines by the time of day.
    """CREATE TABLE jobs (
        id INTEGER PRIMARY KEY, kind TEXT NOT NULL, key TEXT NOT NULL, payload BLOB NOT NULL,
        state TEXT NOT NULL DEFAULT 'waiting', attempts INTEGER NOT NULL DEFAULT 0, error TEXT NOT NULL DEFAULT '',
        due_ms INTEGER, set_ms INTEGER NOT NULL,
        token TEXT NOT NULL DEFAULT '', owner TEXT NOT NULL DEFAULT '', lease_clock TEXT NOT NULL DEFAULT '',
        lease_mono_from INTEGER NOT NULL DEFAULT 0, lease_mono_until INTEGER NOT NULL DEFAULT 0,
        lease_from_ms INTEGER NOT NULL DEFAULT 0, lease_until_ms INTEGER NOT NULL DEFAULT 0,
        UNIQUE (kind, key))""",
    "CREATE INDEX jobs_by_due ON jobs (kind, state, due_ms)",
    "CREATE INDEX jobs_by_set ON jobs (kind, state, set_ms)",
)
ROLLOUTS: Step = (
    # `read_to` is the end of the last line that was read, `tail` a checksum of what stands before it.
    """CREATE TABLE rollouts (
        id INTEGER PRIMARY KEY, folder TEXT NOT NULL, file TEXT NOT NULL, thread_id TEXT NOT NULL,
        cwd TEXT NOT NULL, preview TEXT NOT NULL, model TEXT NOT NULL, provider TEXT NOT NULL, source TEXT NOT NULL,
        created_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL, archived INTEGER NOT NULL,
        parent_id TEXT NOT NULL, forked_from TEXT NOT NULL, meta BLOB NOT NULL,
        size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, inode INTEGER NOT NULL,
        read_to INTEGER NOT NULL, tail INTEGER NOT NULL,
        UNIQUE (folder, file))""",
    "CREATE INDEX rollouts_by_thread ON rollouts (thread_id)",
    "CREATE INDEX rollouts_by_parent ON rollouts (parent_id) WHERE parent_id <> ''",
    "CREATE INDEX rollouts_by_origin ON rollouts (forked_from) WHERE forked_from <> ''",
    # Texts by their trigrams, without the texts: parts of words are found, and nothing that was said stands here again.
    # A number is never used twice, so that entries of a text that is gone belong to nobody.
    "CREATE TABLE texts (id INTEGER PRIMARY KEY AUTOINCREMENT, rollout INTEGER NOT NULL)",
    "CREATE INDEX texts_by_rollout ON texts (rollout)",
    "CREATE VIRTUAL TABLE said USING fts5(body, content='', tokenize='trigram', detail='none')",
)
STEPS: tuple[Step, ...] = (VALUES_AND_JOBS, ROLLOUTS)

KEPT: dict[str, str] = {
    "kv": "namespace, key, data, crc",
    "jobs": "kind, key, payload, state, attempts, error, due_ms, set_ms",
}
"""What is taken out of a damaged database as far as it can be read; everything else is made anew from the rollouts."""
