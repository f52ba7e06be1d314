-- Forgetting: rows and vectors are deleted, not hidden.

-- The paths themselves and, where one is a folder, everything under it (0x2f is the slash).
-- name: forget_paths
DELETE FROM event_paths p
WHERE (%(event)s::bigint IS NULL OR p.event_id = %(event)s)
  AND EXISTS (SELECT FROM unnest(%(paths)s::bytea[]) AS gone
              WHERE p.path = gone
                 OR substring(p.path FROM 1 FOR octet_length(gone) + 1) = gone || '\x2f'::bytea)
RETURNING p.event_photo_id;

-- Of these contents, the ones without a path where they still are. A path that went missing does
-- not count: who forgets a moved file at its new place means the file.
-- name: unreachable_contents
SELECT c.id FROM event_photos c
WHERE c.id = ANY(%(contents)s::bigint[])
  AND NOT EXISTS (SELECT FROM event_paths p
                  WHERE p.event_photo_id = c.id AND p.missing_since IS NULL);

-- name: contents_of_event
SELECT id FROM event_photos WHERE event_id = %(event)s;

-- name: count_faces
SELECT count(*) FROM faces WHERE event_photo_id = ANY(%(contents)s::bigint[]);

-- name: drop_contents
DELETE FROM event_photos WHERE id = ANY(%(contents)s::bigint[]) RETURNING photo_id;

-- name: drop_event
DELETE FROM events WHERE id = %(event)s;
