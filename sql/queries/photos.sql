-- What an ingest writes. All of one photo is one transaction.

-- Writers take turns. A turn lasts milliseconds, a photo's faces take far longer to find, so
-- nothing is lost; and no two can deadlock, nor one drop a content that another is adding.
-- The lock ends with the transaction. The number is arbitrary.
-- name: writer_lock
SELECT pg_advisory_xact_lock(7463284013);

-- name: put_photo
INSERT INTO photos (sha256, size_bytes, format, width, height, taken_at, taken_offset_minutes,
                    camera, latitude, longitude)
VALUES (%(sha256)s, %(size_bytes)s, %(format)s, %(width)s, %(height)s, %(taken_at)s,
        %(taken_offset_minutes)s, %(camera)s, %(latitude)s, %(longitude)s)
ON CONFLICT (sha256) DO UPDATE
SET format = excluded.format, width = excluded.width, height = excluded.height,
    taken_at = excluded.taken_at, taken_offset_minutes = excluded.taken_offset_minutes,
    camera = excluded.camera, latitude = excluded.latitude, longitude = excluded.longitude
RETURNING id;

-- A content that could not be decoded: what another event learnt of it stays.
-- name: put_undecoded_photo
INSERT INTO photos (sha256, size_bytes)
VALUES (%(sha256)s, %(size_bytes)s)
ON CONFLICT (sha256) DO UPDATE SET size_bytes = excluded.size_bytes
RETURNING id;

-- name: content
SELECT c.id, c.state
FROM event_photos c JOIN photos p ON p.id = c.photo_id
WHERE c.event_id = %(event)s AND p.sha256 = %(sha256)s;

-- name: put_content
INSERT INTO event_photos (event_id, photo_id, state, error)
VALUES (%(event)s, %(photo)s, %(state)s, %(error)s)
ON CONFLICT (event_id, photo_id) DO UPDATE
SET state = excluded.state, error = excluded.error, ingested_at = now()
RETURNING id;

-- name: add_face
INSERT INTO faces (event_photo_id, event_id, pipeline, dimension, x, y, w, h, landmarks, score,
                   quality, asymmetry, sharpness, yaw, pitch, roll, lot, sighting_id, embedding)
SELECT %(content)s, id, pipeline, dimension, %(x)s, %(y)s, %(w)s, %(h)s, %(landmarks)s::real[],
       %(score)s, %(quality)s, %(asymmetry)s, %(sharpness)s, %(yaw)s, %(pitch)s, %(roll)s,
       %(lot)s, %(sighting)s, %(embedding)s::vector
FROM events WHERE id = %(event)s;

-- name: path_content
SELECT event_photo_id FROM event_paths
WHERE event_id = %(event)s AND sha256(path) = sha256(%(path)s);

-- A path that is seen again is no longer missing. One that cannot be read comes without a
-- content, and keeps the one it had.
-- name: put_path
INSERT INTO event_paths (event_id, path, size_bytes, mtime_ns, event_photo_id, error)
VALUES (%(event)s, %(path)s, %(size_bytes)s, %(mtime_ns)s, %(content)s, %(error)s)
ON CONFLICT (event_id, sha256(path)) DO UPDATE
SET size_bytes = excluded.size_bytes, mtime_ns = excluded.mtime_ns,
    event_photo_id = coalesce(excluded.event_photo_id, event_paths.event_photo_id),
    error = excluded.error, missing_since = NULL;

-- name: mark_missing
UPDATE event_paths SET missing_since = now()
WHERE event_id = %(event)s AND path = ANY(%(paths)s::bytea[]) AND missing_since IS NULL;

-- A content that no path of its event points to any more; its faces go with it.
-- name: drop_unused_content
DELETE FROM event_photos c
WHERE c.id = %(content)s
  AND NOT EXISTS (SELECT FROM event_paths p WHERE p.event_photo_id = c.id)
RETURNING c.photo_id;

-- name: drop_unused_photos
DELETE FROM photos p
WHERE p.id = ANY(%(photos)s::bigint[])
  AND NOT EXISTS (SELECT FROM event_photos c WHERE c.photo_id = p.id);
