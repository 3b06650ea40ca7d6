-- Grants, what they take of quotas, and what became of them. Times are Unix seconds.

CREATE TABLE grants (
    id            TEXT   NOT NULL PRIMARY KEY, -- also the last segment of public_id; sorts by time
    subject       TEXT   NOT NULL,             -- empty where callers are not told apart
    profile       TEXT   NOT NULL,
    public_id     TEXT   NOT NULL,
    delivery_type TEXT   NOT NULL,
    request       TEXT   NOT NULL,             -- JSON: what the client asked for, so that it can be signed again
    terms         TEXT   NOT NULL,             -- JSON: what the file must be like
    reservations  TEXT   NOT NULL,             -- JSON: what it takes of quotas now
    request_id    TEXT   NOT NULL,             -- of the request that it answered
    issued_at     BIGINT NOT NULL,
    expires_at    BIGINT NOT NULL,
    due_at        BIGINT,                      -- when the sweep is to look at it; null: never again
    state         TEXT   NOT NULL DEFAULT 'issued',
    resource_type TEXT,                        -- of the asset that was made with it
    format        TEXT,
    bytes         BIGINT,
    version       BIGINT,
    settled_at    BIGINT,
    settled_by    TEXT,
    reason        TEXT,
    deleted_at    BIGINT
) WITHOUT ROWID;

CREATE INDEX grants_by_subject ON grants (subject, id);
CREATE INDEX grants_due ON grants (due_at) WHERE due_at IS NOT NULL;

CREATE TABLE quota_use (
    subject TEXT   NOT NULL,
    profile TEXT   NOT NULL,
    measure TEXT   NOT NULL, -- uploads or bytes
    period  TEXT   NOT NULL, -- such as 2026-11-22
    used    BIGINT NOT NULL,
    ends_at BIGINT NOT NULL,
    PRIMARY KEY (subject, profile, measure, period)
) WITHOUT ROWID;

CREATE INDEX quota_use_by_end ON quota_use (ends_at);

-- What happened after a grant was issued.
CREATE TABLE events (
    number     INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    at         BIGINT  NOT NULL,
    event      TEXT    NOT NULL,
    subject    TEXT    NOT NULL,
    upload_id  TEXT,
    target     TEXT    NOT NULL, -- resource type, delivery type and public id
    detail     TEXT,
    request_id TEXT    NOT NULL
);

CREATE TRIGGER events_stay BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'events are only ever added'); END;
CREATE TRIGGER events_last BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'events are only ever added'); END;

-- Everything that happened. That a grant was issued is said by the grant itself.
CREATE VIEW audit AS
    SELECT issued_at AS at, 'issued' AS event, subject, id AS upload_id, public_id AS target, profile AS detail,
           request_id
    FROM grants
    UNION ALL
    SELECT at, event, subject, upload_id, target, detail, request_id FROM events;
