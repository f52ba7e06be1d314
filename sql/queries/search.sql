-- Photos and faces by L2 distance to a probe. Filters by event, pipeline and time are part of the
-- statement.

-- With each face goes its sighting, and whom that is taken for.

-- How many faces are in scope, of whatever quality.
-- name: count_scope
SELECT coalesce(sum(faces), 0)::bigint FROM face_counts
WHERE event_id = ANY(%(events)s::bigint[]);

-- How many faces a question is compared with, so how many strangers there are to be mistaken for. To
-- the hundredth of quality that they are counted by.
-- name: count_faces
SELECT coalesce(sum(faces), 0)::bigint FROM face_counts
WHERE event_id = ANY(%(events)s::bigint[])
  AND (hundredth < 0 OR hundredth >= floor(%(min_quality)s * 100));

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

-- Every photo in scope, each with its nearest face. The distance is computed without the cast that
-- the HNSW indexes are on, so none of them can serve; and max_distance is applied outside of
-- DISTINCT ON, so no vector of another event's dimension is ever compared.
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

-- The nearest faces, or those within max_distance, after comparing all in scope. MATERIALIZED keeps
-- max_distance out of the scan of the faces, so no vector of another event's dimension is ever
-- compared, and what is sorted small.
-- name: compare_all
WITH compared AS MATERIALIZED (
    SELECT id, embedding <-> %(probe)s::vector AS distance
    FROM faces
    WHERE event_id = ANY(%(events)s::bigint[]) AND pipeline = %(pipeline)s
      AND (quality IS NULL OR quality >= %(min_quality)s)
), near AS (
    SELECT * FROM compared
    WHERE %(max_distance)s::float8 IS NULL OR distance <= %(max_distance)s
    ORDER BY distance
    LIMIT %(candidates)s
)
SELECT f.id, near.distance, f.event_id, f.event_photo_id, f.sighting_id, f.x, f.y, f.w, f.h,
       f.quality, vector_send(f.embedding)
FROM near JOIN faces f ON f.id = near.id;

-- Lets this transaction go through a pipeline's HNSW index, the nearest faces first, until it is told
-- to stop. Answers whether there is such an index, and whether the scan can go on beyond
-- ef_search faces: pgvector can since 0.8. No plan that sorts competes: the caller knows better than
-- the planner how few of the faces will be asked for. Where only some of the faces are in scope, so
-- many more are held in view, up to pgvector's most, that as many of them are.
-- name: prepare_index
SELECT set_config('hnsw.ef_search',
                  CASE WHEN iterative
                       THEN least(1000, greatest(%(ef_search)s,
                                                 ceil(%(ef_search)s * indexed / %(in_scope)s)))
                       ELSE 1000 END::integer::text, true),
       CASE WHEN iterative THEN set_config('hnsw.iterative_scan', 'relaxed_order', true) END,
       CASE WHEN iterative THEN set_config('hnsw.max_scan_tuples', %(most)s, true) END,
       iterative,
       indexed IS NOT NULL
FROM (
    SELECT (string_to_array(extversion, '.'))[1:2]::integer[] >= '{0,8}' AS iterative,
           (SELECT c.reltuples FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
            WHERE c.oid = to_regclass('faces_hnsw_' || replace(%(pipeline)s, '-', '_'))
              AND i.indisvalid) AS indexed
    FROM pg_extension WHERE extname = 'vector'
) pgvector;

-- Without sorting the planner takes the index also where it thinks that sorting is cheaper. Around
-- the opening alone, which plans: what is asked later in the transaction may be sorted.
-- name: without_sorting
SET LOCAL enable_sort = off;

-- name: with_sorting
SET LOCAL enable_sort TO DEFAULT;

-- The faces by the index, nearest first, nearly: it knows vectors at half precision, and what it
-- comes upon late comes late. The driver writes parameters into the statement before the server
-- plans it, so the pipeline and the dimension are the literals that a partial index on a cast
-- asks for.
-- name: open_nearest
DECLARE nearest NO SCROLL CURSOR FOR
SELECT f.id, f.embedding <-> probe, f.event_id, f.event_photo_id, f.sighting_id,
       f.x, f.y, f.w, f.h, f.quality, vector_send(f.embedding)
FROM faces f, (SELECT %(probe)s::vector) asked (probe)
WHERE f.event_id = ANY(%(events)s::bigint[]) AND f.pipeline = %(pipeline)s
  AND (f.quality IS NULL OR f.quality >= %(min_quality)s)
ORDER BY f.embedding::halfvec(%(dimension)s) <-> probe::halfvec(%(dimension)s);

-- name: fetch_nearest
FETCH %(count)s FROM nearest;

-- name: close_nearest
CLOSE nearest;

-- Where some faces are to be seen, and whom they are taken for, by their number in the arrays; only
-- those of photos taken in time that are still at some path.
-- name: located
SELECT near.nth, there.path, e.name, p.taken_at, c.photo_id, who.person_id
FROM unnest(%(contents)s::bigint[], %(sightings)s::bigint[])
     WITH ORDINALITY AS near (content, sighting, nth)
JOIN event_photos c ON c.id = near.content
JOIN photos p ON p.id = c.photo_id
JOIN events e ON e.id = c.event_id
LEFT JOIN sighting_person who ON who.sighting_id = near.sighting
JOIN LATERAL (SELECT path FROM event_paths
              WHERE event_photo_id = c.id AND missing_since IS NULL
              ORDER BY error IS NOT NULL, id LIMIT 1) there ON true
WHERE (%(after)s::timestamptz IS NULL OR p.taken_at >= %(after)s)
  AND (%(before)s::timestamptz IS NULL OR p.taken_at < %(before)s);

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
