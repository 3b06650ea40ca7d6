-- Labels: how many files came with each, in the order of their upload.

ALTER TABLE uploadcare_files ADD COLUMN label_id TEXT;           -- the label that the file came with
ALTER TABLE uploadcare_files ADD COLUMN uploaded_micros BIGINT;  -- orders the files of a label
ALTER TABLE uploadcare_files ADD COLUMN counted BIGINT NOT NULL DEFAULT 1; -- 0: the label did not cover it
ALTER TABLE uploadcare_files ADD COLUMN taken TEXT;              -- JSON: what it takes of quotas

CREATE INDEX uploadcare_files_by_label ON uploadcare_files (label_id, uploaded_micros) WHERE label_id IS NOT NULL;

-- One row for each label in use, locked while its files are counted.
CREATE TABLE uploadcare_labels (
    id      TEXT   NOT NULL PRIMARY KEY,
    ends_at BIGINT NOT NULL
);

CREATE INDEX uploadcare_labels_by_end ON uploadcare_labels (ends_at);
