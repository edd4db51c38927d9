-- What must not be lost. One text for SQLite and PostgreSQL: types are those both know, and BLOB becomes BYTEA there.
-- Times are nanoseconds since the Unix epoch, UTC; truths are 0 and 1. Every row belongs to a tenant.

-- Who may commit: the process of the latest epoch alone, one commit after the other.
CREATE TABLE writer (
    tenant TEXT NOT NULL PRIMARY KEY,
    epoch BIGINT NOT NULL,
    seq BIGINT NOT NULL
);

-- Samples as they arrived, a block per commit, until checkpoints cover them: what a restart replays.
CREATE TABLE journal (
    tenant TEXT NOT NULL,
    seq BIGINT NOT NULL,
    arrivals BLOB NOT NULL,
    PRIMARY KEY (tenant, seq)
);

-- The state of each device after the commit `seq`. One with samples that wait for their turn is not left alone.
CREATE TABLE checkpoints (
    tenant TEXT NOT NULL,
    series TEXT NOT NULL,
    seq BIGINT NOT NULL,
    is_waiting BIGINT NOT NULL,
    state BLOB NOT NULL,
    PRIMARY KEY (tenant, series)
);

-- Judged samples, a block per commit and model version, until they roll into Parquet.
CREATE TABLE judged (
    tenant TEXT NOT NULL,
    seq BIGINT NOT NULL,
    model TEXT NOT NULL,
    n_rows BIGINT NOT NULL,
    first_time BIGINT NOT NULL,
    last_time BIGINT NOT NULL,
    -- By the clock of this machine.
    made_at BIGINT NOT NULL,
    samples BLOB NOT NULL,
    PRIMARY KEY (tenant, seq, model)
);

-- Where each source goes on.
CREATE TABLE offsets (
    tenant TEXT NOT NULL,
    source TEXT NOT NULL,
    position TEXT NOT NULL,
    PRIMARY KEY (tenant, source)
);

CREATE TABLE events (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    model TEXT NOT NULL,
    series TEXT NOT NULL,
    start_time BIGINT NOT NULL,
    end_time BIGINT NOT NULL,
    peak_time BIGINT NOT NULL,
    peak_score DOUBLE PRECISION NOT NULL,
    n_samples BIGINT NOT NULL,
    is_open BIGINT NOT NULL,
    -- JSON: [{"channel", "share", "actual", "expected"}], largest share first.
    channels TEXT NOT NULL,
    PRIMARY KEY (tenant, id, model)
);
CREATE INDEX events_by_series ON events (tenant, series, start_time);

CREATE TABLE alerts (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    -- event or silence
    kind TEXT NOT NULL,
    event TEXT,
    series TEXT NOT NULL,
    model TEXT NOT NULL,
    -- pending, firing, acknowledged, resolved
    state TEXT NOT NULL,
    -- What opened it, by the clock of the data.
    start_time BIGINT NOT NULL,
    -- Set once the event is over, or the device speaks again.
    end_time BIGINT,
    peak_score DOUBLE PRECISION NOT NULL,
    channels TEXT NOT NULL,
    -- By the clock of this machine.
    created_at BIGINT NOT NULL,
    fired_at BIGINT,
    acknowledged_at BIGINT,
    acknowledged_by TEXT,
    resolved_at BIGINT,
    notified_at BIGINT,
    n_notified BIGINT NOT NULL,
    -- Why nobody is told: id of the suppression.
    suppressed_by TEXT,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX alerts_by_state ON alerts (tenant, state, created_at);

-- What goes out: one row per alert, channel and message. Sent in the order of `n`.
CREATE TABLE deliveries (
    tenant TEXT NOT NULL,
    alert TEXT NOT NULL,
    channel TEXT NOT NULL,
    n BIGINT NOT NULL,
    -- firing, repeat, resolved
    kind TEXT NOT NULL,
    -- waiting, sent, dead
    state TEXT NOT NULL,
    n_attempts BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    sent_at BIGINT,
    error TEXT,
    PRIMARY KEY (tenant, alert, channel, n)
);
CREATE INDEX deliveries_by_due ON deliveries (tenant, state, due_at);

-- When nobody is to be told: maintenance, a shelf, or a new normal until the model knows it.
CREATE TABLE suppressions (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    -- maintenance, shelf, new-normal
    kind TEXT NOT NULL,
    -- Pattern of device names: `pump-*`.
    devices TEXT NOT NULL,
    -- Where set, alerts of this model version alone.
    model TEXT,
    from_time BIGINT NOT NULL,
    until_time BIGINT,
    reason TEXT NOT NULL,
    made_by TEXT NOT NULL,
    made_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, id)
);

-- What people said of alerts.
CREATE TABLE feedback (
    tenant TEXT NOT NULL,
    alert TEXT NOT NULL,
    n BIGINT NOT NULL,
    -- false-alarm, real, maintenance, new-normal
    verdict TEXT NOT NULL,
    note TEXT NOT NULL,
    made_by TEXT NOT NULL,
    made_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, alert, n)
);

-- What could not be taken, and why; bounded, the oldest go.
CREATE TABLE quarantine (
    tenant TEXT NOT NULL,
    seq BIGINT NOT NULL,
    n BIGINT NOT NULL,
    source TEXT NOT NULL,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL,
    payload BLOB NOT NULL,
    taken_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, seq, n)
);

-- Answers already given, so that a repeated request gets the same one.
CREATE TABLE idempotency_keys (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    body_hash TEXT NOT NULL,
    answer TEXT NOT NULL,
    made_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (tenant, made_at);

-- Who changed what.
CREATE TABLE audit (
    tenant TEXT NOT NULL,
    n BIGINT NOT NULL,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail TEXT NOT NULL,
    PRIMARY KEY (tenant, n)
);

-- Parquet files of the history that are complete: a file that is not listed here is no part of it.
CREATE TABLE history_files (
    tenant TEXT NOT NULL,
    path TEXT NOT NULL,
    model TEXT NOT NULL,
    bucket BIGINT NOT NULL,
    first_time BIGINT NOT NULL,
    last_time BIGINT NOT NULL,
    n_rows BIGINT NOT NULL,
    PRIMARY KEY (tenant, path)
);
