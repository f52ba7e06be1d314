-- Who is who. A sighting counts where one of its photo's files is still there.

-- All people, or some; the machine's own only while they have a face.
-- name: people
SELECT p.id, p.name, p.hidden, p.cover_sighting_id, count(DISTINCT seen.photo_id), count(seen.photo_id),
       count(seen.photo_id) FILTER (WHERE seen.decided_by = 'user')
FROM people p
LEFT JOIN LATERAL (
    SELECT s.photo_id, m.decided_by
    FROM sighting_person m
    JOIN sightings s ON s.id = m.sighting_id
    WHERE m.person_id = p.id
      AND EXISTS (
          SELECT FROM faces f
          JOIN event_paths t ON t.event_photo_id = f.event_photo_id AND t.missing_since IS NULL
          WHERE f.sighting_id = s.id
            AND (%(events)s::bigint[] IS NULL OR f.event_id = ANY(%(events)s::bigint[])))
) seen ON true
WHERE %(people)s::bigint[] IS NULL OR p.id = ANY(%(people)s::bigint[])
GROUP BY p.id
HAVING count(seen.photo_id) > 0 OR p.id IN (SELECT id FROM decided_people)
ORDER BY p.name IS NULL, p.name_key, count(DISTINCT seen.photo_id) DESC, p.id;

-- One row for each sighting, by its best face. With people: theirs; with sightings: those.
-- name: seen_faces
SELECT DISTINCT ON (s.id)
       s.id, m.person_id, there.path, e.name, f.x, f.y, f.w, f.h, p.taken_at, s.photo_id, f.quality,
       m.decided_by, coalesce(m.confirmed, false)
FROM sightings s
JOIN faces f ON f.sighting_id = s.id
JOIN events e ON e.id = f.event_id AND e.replaces IS NULL
JOIN photos p ON p.id = s.photo_id
LEFT JOIN sighting_person m ON m.sighting_id = s.id
JOIN LATERAL (SELECT path FROM event_paths
              WHERE event_photo_id = f.event_photo_id AND missing_since IS NULL
              ORDER BY error IS NOT NULL, id LIMIT 1) there ON true
WHERE (%(people)s::bigint[] IS NULL OR m.person_id = ANY(%(people)s::bigint[]))
  AND (%(sightings)s::bigint[] IS NULL OR s.id = ANY(%(sightings)s::bigint[]))
  AND (%(photos)s::bigint[] IS NULL OR s.photo_id = ANY(%(photos)s::bigint[]))
  AND (%(events)s::bigint[] IS NULL OR f.event_id = ANY(%(events)s::bigint[]))
  AND (%(after)s::timestamptz IS NULL OR p.taken_at >= %(after)s)
  AND (%(before)s::timestamptz IS NULL OR p.taken_at < %(before)s)
ORDER BY s.id, f.quality DESC NULLS LAST, f.id;

-- The contents that are known at some paths, whatever the event.
-- name: photos_at
SELECT DISTINCT t.path, c.photo_id, p.width, p.height
FROM event_paths t
JOIN event_photos c ON c.id = t.event_photo_id
JOIN photos p ON p.id = c.photo_id
WHERE t.path = ANY(%(paths)s::bytea[]) AND t.missing_since IS NULL;

-- name: rejections
SELECT sighting_id, person_id FROM rejections ORDER BY sighting_id, person_id;

-- name: decided_people
SELECT id FROM decided_people ORDER BY id;

-- name: portraits
SELECT person_id, coalesce(quality, 1), vector_send(embedding)
FROM portraits
WHERE pipeline = %(pipeline)s AND fingerprint = %(fingerprint)s
ORDER BY id;

-- name: portraits_of_people
SELECT person_id, path, encode(sha256, 'hex'), pipeline, created_at
FROM portraits
WHERE %(people)s::bigint[] IS NULL OR person_id = ANY(%(people)s::bigint[])
ORDER BY id;

-- Every face of one kind of vectors, with whom it is taken for.
-- name: faces_to_group
SELECT f.sighting_id, f.id, c.photo_id, coalesce(f.quality, 1)::float4, coalesce(m.person_id, 0),
       (m.decided_by IS NOT DISTINCT FROM 'user')::integer, f.embedding
FROM faces f
JOIN events e ON e.id = f.event_id
JOIN event_photos c ON c.id = f.event_photo_id
LEFT JOIN sighting_person m ON m.sighting_id = f.sighting_id
WHERE e.pipeline = %(pipeline)s AND e.fingerprint = %(fingerprint)s AND e.replaces IS NULL
ORDER BY f.sighting_id, f.id;

-- name: last_grouping
SELECT all_faces, newest_face FROM groupings
WHERE pipeline = %(pipeline)s AND fingerprint = %(fingerprint)s;

-- name: record_grouping
INSERT INTO groupings (pipeline, fingerprint, all_faces, newest_face)
VALUES (%(pipeline)s, %(fingerprint)s, %(all_faces)s, %(newest_face)s)
ON CONFLICT (pipeline, fingerprint) DO UPDATE
SET all_faces = excluded.all_faces, newest_face = excluded.newest_face, grouped_at = now();

-- name: new_people
INSERT INTO people (name, name_key) SELECT NULL, NULL FROM generate_series(1, %(count)s)
RETURNING id;

-- What grouping says; what a user said stays. Sightings that are gone by now are left out.
-- name: put_groups
INSERT INTO sighting_person (sighting_id, person_id, decided_by)
SELECT said.sighting, said.person, 'machine'
FROM unnest(%(sightings)s::bigint[], %(people)s::bigint[]) AS said (sighting, person)
JOIN sightings s ON s.id = said.sighting
JOIN people p ON p.id = said.person
ON CONFLICT (sighting_id) DO UPDATE
SET person_id = excluded.person_id, created_at = now()
WHERE sighting_person.decided_by = 'machine'
  AND sighting_person.person_id <> excluded.person_id;

-- Nobody by one kind of vectors may be somebody by another: a sighting that has faces of both stays.
-- name: drop_groups
DELETE FROM sighting_person m
WHERE m.sighting_id = ANY(%(sightings)s::bigint[]) AND m.decided_by = 'machine'
  AND NOT EXISTS (SELECT FROM faces f
                  JOIN events e ON e.id = f.event_id AND e.replaces IS NULL
                  WHERE f.sighting_id = m.sighting_id
                    AND (e.pipeline, e.fingerprint) <> (%(pipeline)s, %(fingerprint)s));

-- The machine's people that nobody is taken for any more.
-- name: drop_empty_people
DELETE FROM people p
WHERE p.id NOT IN (SELECT id FROM decided_people)
  AND NOT EXISTS (SELECT FROM sighting_person m WHERE m.person_id = p.id);
