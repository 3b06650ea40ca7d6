-- Open grants per caller, retention, and the names of API keys.

-- Where an anonymous caller asked from; empty for known ones.
ALTER TABLE grants ADD COLUMN address TEXT NOT NULL DEFAULT '';

CREATE INDEX grants_open ON grants (subject, profile, address, expires_at, state) WHERE state = 'issued';

-- Rows whose file is gone, by the time from which retention counts.
CREATE INDEX grants_gone ON grants (COALESCE(deleted_at, settled_at))
    WHERE due_at IS NULL AND (deleted_at IS NOT NULL OR state = 'expired' OR (state = 'rejected' AND bytes IS NULL));
CREATE INDEX uploadcare_files_gone ON uploadcare_files (deleted_at) WHERE deleted_at IS NOT NULL;

-- What is done to the audit besides adding to it. A row is here only within the transaction that does it.
CREATE TABLE maintenance (
    task          TEXT   NOT NULL,             -- prune or rename
    events_before BIGINT NOT NULL              -- prune: events from before this moment may go
);

-- What is done once in a ledger's life.
CREATE TABLE done_once (
    task       TEXT   NOT NULL PRIMARY KEY
);

-- A new ledger has no rows of API keys under their bare names.
INSERT INTO done_once (task)
    SELECT 'rename keys'
    WHERE NOT EXISTS (SELECT 1 FROM grants) AND NOT EXISTS (SELECT 1 FROM uploadcare_files)
      AND NOT EXISTS (SELECT 1 FROM events) AND NOT EXISTS (SELECT 1 FROM quota_use);

DROP TRIGGER events_stay;
DROP TRIGGER events_last;

CREATE TRIGGER events_stay BEFORE UPDATE ON events
    WHEN NOT EXISTS (SELECT 1 FROM maintenance WHERE task = 'rename')
      OR NEW.subject <> 'key:' || OLD.subject
      OR (NEW.number, NEW.at, NEW.event, NEW.target, NEW.request_id)
         IS NOT (OLD.number, OLD.at, OLD.event, OLD.target, OLD.request_id)
      OR NEW.upload_id IS NOT OLD.upload_id OR NEW.detail IS NOT OLD.detail
    BEGIN SELECT RAISE(ABORT, 'events are only ever added'); END;

CREATE TRIGGER events_last BEFORE DELETE ON events
    WHEN NOT EXISTS (SELECT 1 FROM maintenance WHERE task = 'prune' AND OLD.at < events_before)
    BEGIN SELECT RAISE(ABORT, 'events are only ever added'); END;
