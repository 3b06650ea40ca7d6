-- Files at Uploadcare that came with a label of ours. A row comes with the provider's word that the file is there.

CREATE TABLE uploadcare_files (
    uuid        TEXT   NOT NULL PRIMARY KEY,
    subject     TEXT   NOT NULL, -- empty where callers are not told apart
    profile     TEXT   NOT NULL,
    bytes       BIGINT NOT NULL,
    mime_type   TEXT,
    uploaded_at BIGINT NOT NULL,
    reason      TEXT,            -- why it was rejected
    deleted_at  BIGINT
);

CREATE INDEX uploadcare_files_by_subject ON uploadcare_files (subject);
