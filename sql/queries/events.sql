-- Events: their names, what they hold, what went wrong in them. One that is to replace another is
-- hidden until it does.

-- name: event
SELECT id, name, pipeline, fingerprint, settings FROM events
WHERE name = %(name)s AND replaces IS NULL;

-- name: events
SELECT id, name, pipeline, fingerprint, settings FROM events WHERE replaces IS NULL ORDER BY name;

-- name: count_events
SELECT count(*) FROM events WHERE id = ANY(%(events)s::bigint[]);

-- Of two programs that create it at once, the first wins and the second finds it.
-- name: create_event
INSERT INTO events (name, pipeline, fingerprint, dimension, settings)
VALUES (%(name)s, %(pipeline)s, %(fingerprint)s, %(dimension)s, %(settings)s)
ON CONFLICT (name) WHERE replaces IS NULL DO NOTHING;

-- Every path ever seen in the event, with what tells whether the file has changed since. An error
-- of the path's own says that it cannot be read now, whatever content it had before.
-- name: known_files
SELECT p.path, p.size_bytes, p.mtime_ns,
       CASE WHEN p.error IS NULL THEN c.state ELSE 'unreadable' END,
       p.missing_since IS NOT NULL, encode(photos.sha256, 'hex'), coalesce(p.error, c.error)
FROM event_paths p
LEFT JOIN event_photos c ON c.id = p.event_photo_id
LEFT JOIN photos ON photos.id = c.photo_id
WHERE p.event_id = %(event)s;

-- Photos are contents, so one that was moved is not gone from where it was.
-- name: summary
WITH searched AS (
    SELECT c.id, EXISTS (SELECT FROM event_paths
                         WHERE event_photo_id = c.id AND missing_since IS NULL) AS there
    FROM event_photos c
    WHERE c.event_id = %(event)s AND c.state = 'done'
)
SELECT (SELECT count(*) FROM searched WHERE there),
       (SELECT count(*) FROM faces f JOIN searched s ON s.id = f.event_photo_id WHERE s.there),
       (SELECT count(*) FROM event_paths p LEFT JOIN event_photos c ON c.id = p.event_photo_id
        WHERE p.event_id = %(event)s AND p.missing_since IS NULL
          AND (p.error IS NOT NULL OR c.state = 'failed')),
       (SELECT count(*) FROM searched WHERE NOT there);

-- Files that are there and could not be read or searched for faces.
-- name: failures
SELECT p.path, coalesce(p.error, c.error)
FROM event_paths p
LEFT JOIN event_photos c ON c.id = p.event_photo_id
WHERE p.event_id = %(event)s AND p.missing_since IS NULL
  AND (p.error IS NOT NULL OR c.state = 'failed')
ORDER BY p.path;

-- One row per content that was searched for faces and is still there, under the path where it was seen first.
-- name: event_photos
SELECT there.path, p.taken_at, (SELECT count(*) FROM faces f WHERE f.event_photo_id = c.id), p.id
FROM event_photos c
JOIN photos p ON p.id = c.photo_id
JOIN LATERAL (SELECT path FROM event_paths
              WHERE event_photo_id = c.id AND missing_since IS NULL
              ORDER BY error IS NOT NULL, id LIMIT 1) there ON true
WHERE c.event_id = %(event)s AND c.state = 'done'
ORDER BY there.path;
