-- Moving an event to other vectors: its successor is filled in the background, photo by photo, and
-- takes the event's place in one transaction.

-- name: successor
SELECT id, name, pipeline, fingerprint, settings FROM events WHERE replaces = %(event)s;

-- name: create_successor
INSERT INTO events (name, pipeline, fingerprint, dimension, settings, created_at, replaces)
SELECT name, %(pipeline)s, %(fingerprint)s, %(dimension)s, %(settings)s, created_at, id
FROM events WHERE id = %(event)s
RETURNING id, name, pipeline, fingerprint, settings;

-- Contents with faces that their successor has none of yet, with all their paths: those that are
-- likeliest to be readable first.
-- name: outstanding
SELECT c.id, encode(p.sha256, 'hex'),
       ARRAY(SELECT path FROM event_paths
             WHERE event_photo_id = c.id
             ORDER BY missing_since IS NOT NULL, error IS NOT NULL, id)
FROM event_photos c
JOIN photos p ON p.id = c.photo_id
WHERE c.event_id = %(event)s AND c.state = 'done'
  AND NOT EXISTS (SELECT FROM event_photos n WHERE n.replaces = c.id)
ORDER BY c.id;

-- None of a content that was forgotten, or where another process was first.
-- name: add_successor_contents
INSERT INTO event_photos (event_id, photo_id, state, ingested_at, replaces)
SELECT %(successor)s, photo_id, state, ingested_at, id
FROM event_photos
WHERE id = ANY(%(contents)s::bigint[]) AND state = 'done'
ORDER BY id
ON CONFLICT DO NOTHING
RETURNING replaces, id, photo_id;

-- name: figures
SELECT (SELECT count(*) FROM event_photos WHERE event_id = %(successor)s AND state = 'done'),
       (SELECT count(*) FROM faces WHERE event_id = %(event)s),
       (SELECT count(*) FROM faces WHERE event_id = %(successor)s);

-- Contents that failed before, and those that are to be left out now.
-- name: add_failed_contents
INSERT INTO event_photos (event_id, photo_id, state, error, ingested_at, replaces)
SELECT %(successor)s, c.photo_id, 'failed', coalesce(c.error, left_out.reason), c.ingested_at, c.id
FROM event_photos c
LEFT JOIN unnest(%(contents)s::bigint[], %(reasons)s::text[]) AS left_out (id, reason)
       ON left_out.id = c.id
WHERE c.event_id = %(event)s
  AND NOT EXISTS (SELECT FROM event_photos n WHERE n.replaces = c.id);

-- Without size and time a file counts as changed, so the next ingest reads it if it is there.
-- name: forget_stamps
UPDATE event_paths SET size_bytes = NULL, mtime_ns = NULL
WHERE event_photo_id = ANY(%(contents)s::bigint[]);

-- name: move_paths
UPDATE event_paths p
SET event_id = %(successor)s,
    event_photo_id = (SELECT n.id FROM event_photos n WHERE n.replaces = p.event_photo_id)
WHERE p.event_id = %(event)s;

-- Statements of their own, because of two visible events of one name the second is refused.
-- name: hide_event
UPDATE events SET replaces = %(successor)s WHERE id = %(event)s;

-- name: free_contents
UPDATE event_photos SET replaces = NULL WHERE event_id = %(successor)s;

-- name: show_successor
UPDATE events SET replaces = NULL WHERE id = %(successor)s;

-- All at once, which is far cheaper than the cascade from photo to photo.
-- name: drop_faces
DELETE FROM faces WHERE event_id = %(event)s;

-- name: photos_of_event
SELECT photo_id FROM event_photos WHERE event_id = %(event)s;
