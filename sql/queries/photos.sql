-- What an ingest writes: several photos at once, as arrays with a place for each, in the order given.
-- Several photos are one transaction; no photo is divided among two.

-- Writers take turns. A turn lasts milliseconds, a photo's faces take far longer to find, so
-- nothing is lost; and no two can deadlock, nor one drop a content that another is adding.
-- The lock ends with the transaction. The number is arbitrary.
-- name: writer_lock
SELECT pg_advisory_xact_lock(7463284013);

-- name: put_photos
INSERT INTO photos (sha256, size_bytes, format, width, height, taken_at, taken_offset_minutes,
                    camera, latitude, longitude)
SELECT sha256, size_bytes, format, width, height, taken_at, taken_offset_minutes, camera, latitude,
       longitude
FROM unnest(%(sha256)s::bytea[], %(size_bytes)s::bigint[], %(format)s::text[], %(width)s::integer[],
            %(height)s::integer[], %(taken_at)s::timestamptz[],
            %(taken_offset_minutes)s::smallint[], %(camera)s::text[],
            %(latitude)s::double precision[], %(longitude)s::double precision[])
     WITH ORDINALITY AS given (sha256, size_bytes, format, width, height, taken_at,
                               taken_offset_minutes, camera, latitude, longitude, place)
ORDER BY place
ON CONFLICT (sha256) DO UPDATE
SET format = excluded.format, width = excluded.width, height = excluded.height,
    taken_at = excluded.taken_at, taken_offset_minutes = excluded.taken_offset_minutes,
    camera = excluded.camera, latitude = excluded.latitude, longitude = excluded.longitude
RETURNING sha256, id;

-- Contents that could not be decoded: what another event learnt of them stays.
-- name: put_undecoded_photos
INSERT INTO photos (sha256, size_bytes)
SELECT sha256, size_bytes
FROM unnest(%(sha256)s::bytea[], %(size_bytes)s::bigint[])
     WITH ORDINALITY AS given (sha256, size_bytes, place)
ORDER BY place
ON CONFLICT (sha256) DO UPDATE SET size_bytes = excluded.size_bytes
RETURNING sha256, id;

-- name: contents
SELECT p.sha256, c.id, c.state
FROM event_photos c JOIN photos p ON p.id = c.photo_id
WHERE c.event_id = %(event)s AND p.sha256 = ANY(%(sha256)s::bytea[]);

-- name: searched_contents
SELECT encode(p.sha256, 'hex')
FROM event_photos c JOIN photos p ON p.id = c.photo_id
WHERE c.event_id = %(event)s AND c.state = 'done';

-- name: put_contents
INSERT INTO event_photos (event_id, photo_id, state, error)
SELECT %(event)s, photo, state, error
FROM unnest(%(photos)s::bigint[], %(states)s::text[], %(errors)s::text[])
     WITH ORDINALITY AS given (photo, state, error, place)
ORDER BY place
ON CONFLICT (event_id, photo_id) DO UPDATE
SET state = excluded.state, error = excluded.error, ingested_at = now()
RETURNING photo_id, id;

-- name: copy_faces
COPY faces (event_photo_id, event_id, pipeline, dimension, x, y, w, h, landmarks, score, quality,
            asymmetry, sharpness, yaw, pitch, roll, lot, sighting_id, embedding)
FROM STDIN (FORMAT binary);

-- name: path_contents
SELECT event_photo_id FROM event_paths
WHERE event_id = %(event)s AND sha256(path) = ANY(%(digests)s::bytea[])
  AND event_photo_id IS NOT NULL;

-- Paths that are seen again are no longer missing. One that cannot be read comes without a content,
-- and keeps the one it had.
-- name: put_paths
INSERT INTO event_paths (event_id, path, size_bytes, mtime_ns, event_photo_id, error)
SELECT %(event)s, path, size_bytes, mtime_ns, content, error
FROM unnest(%(paths)s::bytea[], %(sizes)s::bigint[], %(mtimes)s::bigint[], %(contents)s::bigint[],
            %(errors)s::text[])
     WITH ORDINALITY AS given (path, size_bytes, mtime_ns, content, error, place)
ORDER BY place
ON CONFLICT (event_id, sha256(path)) DO UPDATE
SET size_bytes = excluded.size_bytes, mtime_ns = excluded.mtime_ns,
    event_photo_id = coalesce(excluded.event_photo_id, event_paths.event_photo_id),
    error = excluded.error, missing_since = NULL;

-- name: mark_missing
UPDATE event_paths SET missing_since = now()
WHERE event_id = %(event)s AND path = ANY(%(paths)s::bytea[]) AND missing_since IS NULL;

-- Contents that no path of their event points to any more; their faces go with them.
-- name: drop_unused_contents
DELETE FROM event_photos c
WHERE c.id = ANY(%(contents)s::bigint[])
  AND NOT EXISTS (SELECT FROM event_paths p WHERE p.event_photo_id = c.id)
RETURNING c.photo_id;

-- name: drop_unused_photos
DELETE FROM photos p
WHERE p.id = ANY(%(photos)s::bigint[])
  AND NOT EXISTS (SELECT FROM event_photos c WHERE c.photo_id = p.id);
