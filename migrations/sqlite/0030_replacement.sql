-- Links keep a signature alive that could replace what they open: what was settled, and until when to look again.

ALTER TABLE grants ADD COLUMN etag TEXT;           -- of the settled file
ALTER TABLE grants ADD COLUMN replaced_at BIGINT;  -- when another file was found in its place
ALTER TABLE grants ADD COLUMN linked_until BIGINT; -- when the last link to it expires
