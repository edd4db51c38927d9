-- What a service adds: keys and jobs, changes of events in their order, an audit whose entries vouch for each other.

-- Who may use the service. The key itself is not here.
CREATE TABLE keys (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    -- JSON: ["ingest"]; empty: all that the role may.
    scopes TEXT NOT NULL,
    -- Argon2id of the secret, as PHC text.
    hash TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT,
    last_used_at BIGINT,
    PRIMARY KEY (tenant, id)
);

-- Work that takes longer than a request.
CREATE TABLE jobs (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    -- train
    kind TEXT NOT NULL,
    -- waiting, running, done, failed, cancelled
    state TEXT NOT NULL,
    -- Of the model.
    name TEXT NOT NULL,
    made_by TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    started_at BIGINT,
    ended_at BIGINT,
    -- Why it failed.
    error TEXT,
    -- JSON that the owner reads: what was asked, how far it is, what came of it.
    detail TEXT NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX jobs_by_age ON jobs (tenant, created_at, id);

-- Number of the commit that last changed the event; 0: one from before this was kept.
ALTER TABLE events ADD COLUMN seq BIGINT NOT NULL DEFAULT 0;
CREATE INDEX events_by_change ON events (tenant, seq, id, model);
CREATE INDEX events_by_start ON events (tenant, start_time, id, model);
CREATE INDEX events_open ON events (tenant, start_time, id, model) WHERE is_open = 1;
CREATE INDEX alerts_by_event ON alerts (tenant, event, model);

-- SHA-256 over the hash of the entry before and all of this one, hexadecimal; empty: from before this was kept.
ALTER TABLE audit ADD COLUMN hash TEXT NOT NULL DEFAULT '';

-- The newest entry of the audit: where the audit ends earlier, its end is cut off.
CREATE TABLE audit_head (
    tenant TEXT NOT NULL PRIMARY KEY,
    n BIGINT NOT NULL,
    hash TEXT NOT NULL
);
