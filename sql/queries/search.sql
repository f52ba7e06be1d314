-- Photos and faces by L2 distance to a probe. Filters by event, pipeline and time are part of the
-- statement.

-- With each face goes its sighting, and whom that is taken for.

-- How many faces are in scope, counted no further than it takes to choose a statement.
-- name: count_scope
SELECT count(*) FROM (
    SELECT FROM faces
    WHERE event_id = ANY(%(events)s::bigint[]) AND pipeline = %(pipeline)s
    LIMIT %(enough)s
) scope;

-- How many faces a question is compared with, so how many strangers there are to be mistaken for.
-- name: count_faces
SELECT count(*) FROM faces
WHERE event_id = ANY(%(events)s::bigint[]) AND pipeline = %(pipeline)s
  AND (quality IS NULL OR quality >= %(min_quality)s);

-- Embeddings of faces that a distance can be compared with: a sample of the events asked about,
-- filled up from the library's newest other events whose vectors are of the same kind.
-- name: cohort
SELECT vector_send(f.embedding)
FROM (
    SELECT id, id <> ALL(%(events)s::bigint[]) AS other
    FROM events
    WHERE pipeline = %(pipeline)s AND fingerprint = %(fingerprint)s AND replaces IS NULL
    ORDER BY other, created_at DESC, id
    LIMIT %(most_events)s
) e
CROSS JOIN LATERAL (
    SELECT embedding, lot FROM faces
    WHERE event_id = e.id AND (quality IS NULL OR quality >= %(min_quality)s)
    ORDER BY lot
    LIMIT %(size)s
) f
ORDER BY e.other, f.lot
LIMIT %(size)s;

-- Every face in scope is compared. The distance is computed without the cast that the HNSW indexes
-- are on, so none of them can serve; and max_distance is applied outside of DISTINCT ON, so
-- no vector of another event's dimension is ever compared.
-- name: search_exact
SELECT there.path, e.name, nearest.distance, nearest.x, nearest.y, nearest.w, nearest.h,
       nearest.taken_at, nearest.photo_id, nearest.quality, nearest.sighting_id, who.person_id
FROM (
    SELECT DISTINCT ON (c.photo_id)
           c.photo_id, f.event_photo_id, f.event_id, f.x, f.y, f.w, f.h, f.quality, p.taken_at,
           f.sighting_id, f.embedding <-> %(probe)s::vector AS distance
    FROM faces f
    JOIN event_photos c ON c.id = f.event_photo_id
    JOIN photos p ON p.id = c.photo_id
    WHERE f.event_id = ANY(%(events)s::bigint[])
      AND f.pipeline = %(pipeline)s
      AND (f.quality IS NULL OR f.quality >= %(min_quality)s)
      AND (%(after)s::timestamptz IS NULL OR p.taken_at >= %(after)s)
      AND (%(before)s::timestamptz IS NULL OR p.taken_at < %(before)s)
      AND EXISTS (SELECT FROM event_paths there
                  WHERE there.event_photo_id = c.id AND there.missing_since IS NULL)
    ORDER BY c.photo_id, distance, f.id
) nearest
JOIN events e ON e.id = nearest.event_id
LEFT JOIN sighting_person who ON who.sighting_id = nearest.sighting_id
JOIN LATERAL (SELECT path FROM event_paths
              WHERE event_photo_id = nearest.event_photo_id AND missing_since IS NULL
              ORDER BY error IS NOT NULL, id LIMIT 1) there ON true
WHERE %(max_distance)s::float8 IS NULL OR nearest.distance <= %(max_distance)s
ORDER BY nearest.distance, there.path
LIMIT %(limit)s;

-- The nearest faces (not photos) by the pipeline's HNSW index. The driver writes parameters into the
-- statement before the server plans it, so the pipeline and the dimension are the literals that
-- a partial index on a cast asks for.
-- name: search_nearest
SELECT there.path, e.name, nearest.distance, nearest.x, nearest.y, nearest.w, nearest.h,
       nearest.taken_at, nearest.photo_id, nearest.quality, nearest.sighting_id, who.person_id,
       nearest.event_id, vector_send(nearest.embedding)
FROM (
    SELECT c.photo_id, f.event_photo_id, f.event_id, f.x, f.y, f.w, f.h, f.quality, p.taken_at,
           f.sighting_id, f.embedding,
           f.embedding::vector(%(dimension)s) <-> %(probe)s::vector(%(dimension)s) AS distance
    FROM faces f
    JOIN event_photos c ON c.id = f.event_photo_id
    JOIN photos p ON p.id = c.photo_id
    WHERE f.event_id = ANY(%(events)s::bigint[])
      AND f.pipeline = %(pipeline)s
      AND (f.quality IS NULL OR f.quality >= %(min_quality)s)
      AND (%(after)s::timestamptz IS NULL OR p.taken_at >= %(after)s)
      AND (%(before)s::timestamptz IS NULL OR p.taken_at < %(before)s)
      AND EXISTS (SELECT FROM event_paths there
                  WHERE there.event_photo_id = c.id AND there.missing_since IS NULL)
    ORDER BY f.embedding::vector(%(dimension)s) <-> %(probe)s::vector(%(dimension)s)
    LIMIT %(candidates)s
) nearest
JOIN events e ON e.id = nearest.event_id
LEFT JOIN sighting_person who ON who.sighting_id = nearest.sighting_id
JOIN LATERAL (SELECT path FROM event_paths
              WHERE event_photo_id = nearest.event_photo_id AND missing_since IS NULL
              ORDER BY error IS NOT NULL, id LIMIT 1) there ON true
ORDER BY nearest.distance, there.path;

-- Every face within max_distance, nearest first, each once: a content that several of the events
-- hold counts in the first of them where it still is. MATERIALIZED keeps max_distance out of
-- the scan of the faces, so no vector of another event's dimension is ever compared.
-- name: faces_within
WITH held AS (
    SELECT DISTINCT ON (c.photo_id) c.id, c.photo_id, c.event_id, p.taken_at
    FROM event_photos c
    JOIN photos p ON p.id = c.photo_id
    WHERE c.event_id = ANY(%(events)s::bigint[])
      AND c.state = 'done'
      AND (%(after)s::timestamptz IS NULL OR p.taken_at >= %(after)s)
      AND (%(before)s::timestamptz IS NULL OR p.taken_at < %(before)s)
      AND EXISTS (SELECT FROM event_paths there
                  WHERE there.event_photo_id = c.id AND there.missing_since IS NULL)
    ORDER BY c.photo_id, c.event_id
), compared AS MATERIALIZED (
    SELECT f.id, held.id AS event_photo_id, held.event_id, held.photo_id, held.taken_at,
           f.embedding <-> %(probe)s::vector AS distance
    FROM held
    JOIN faces f ON f.event_photo_id = held.id AND f.event_id = held.event_id
    WHERE f.pipeline = %(pipeline)s AND (f.quality IS NULL OR f.quality >= %(min_quality)s)
), near AS (
    SELECT * FROM compared
    WHERE distance <= %(max_distance)s
    ORDER BY distance
    LIMIT %(candidates)s
)
SELECT there.path, e.name, near.distance, f.x, f.y, f.w, f.h, near.taken_at, near.photo_id,
       f.quality, f.sighting_id, who.person_id, near.event_id, vector_send(f.embedding)
FROM near
JOIN faces f ON f.id = near.id
JOIN events e ON e.id = near.event_id
LEFT JOIN sighting_person who ON who.sighting_id = f.sighting_id
JOIN LATERAL (SELECT path FROM event_paths
              WHERE event_photo_id = near.event_photo_id AND missing_since IS NULL
              ORDER BY error IS NOT NULL, id LIMIT 1) there ON true
ORDER BY near.distance, there.path, f.id;

-- Every face of some people in scope, whatever its quality, each once: in the first of the events
-- that hold its content.
-- name: faces_of_people
SELECT DISTINCT ON (f.sighting_id)
       there.path, e.name, f.embedding <-> %(probe)s::vector, f.x, f.y, f.w, f.h, p.taken_at,
       c.photo_id, f.quality, f.sighting_id, who.person_id
FROM sighting_person who
JOIN faces f ON f.sighting_id = who.sighting_id
JOIN event_photos c ON c.id = f.event_photo_id
JOIN photos p ON p.id = c.photo_id
JOIN events e ON e.id = f.event_id
JOIN LATERAL (SELECT path FROM event_paths
              WHERE event_photo_id = c.id AND missing_since IS NULL
              ORDER BY error IS NOT NULL, id LIMIT 1) there ON true
WHERE who.person_id = ANY(%(people)s::bigint[])
  AND f.event_id = ANY(%(events)s::bigint[])
  AND f.pipeline = %(pipeline)s
  AND (%(after)s::timestamptz IS NULL OR p.taken_at >= %(after)s)
  AND (%(before)s::timestamptz IS NULL OR p.taken_at < %(before)s)
ORDER BY f.sighting_id, f.event_id;

-- Those of some sightings of which a user has said that they are none of these people, by rejecting
-- them or by confirming them as somebody else.
-- name: ruled_out
SELECT said.sighting
FROM unnest(%(sightings)s::bigint[]) AS said (sighting)
WHERE EXISTS (SELECT FROM rejections r
              WHERE r.sighting_id = said.sighting AND r.person_id = ANY(%(people)s::bigint[]))
   OR EXISTS (SELECT FROM sighting_person who
              WHERE who.sighting_id = said.sighting AND who.confirmed
                AND who.person_id <> ALL(%(people)s::bigint[]));
