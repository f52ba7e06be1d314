-- Where somebody was seen: what ties faces that are found anew to what was decided about them.

-- Those that somebody decided about choose their face first, of them those that have one elsewhere;
-- then those that grouping knows.
-- name: sightings_of_photos
SELECT s.photo_id, s.id, s.x, s.y, s.w, s.h,
       CASE WHEN m.decided_by = 'user' OR told.rejected THEN CASE WHEN told.seen THEN 0 ELSE 1 END
            WHEN m.decided_by = 'machine' THEN 2
            ELSE 3 END
FROM sightings s
LEFT JOIN sighting_person m ON m.sighting_id = s.id
CROSS JOIN LATERAL (
    SELECT EXISTS (SELECT FROM rejections r WHERE r.sighting_id = s.id) AS rejected,
           EXISTS (SELECT FROM faces f WHERE f.sighting_id = s.id) AS seen
) told
WHERE s.photo_id = ANY(%(photos)s::bigint[])
ORDER BY s.id;

-- Their numbers come in the order given.
-- name: add_sightings
INSERT INTO sightings (photo_id, x, y, w, h)
SELECT photo, x, y, w, h
FROM unnest(%(photos)s::bigint[], %(x)s::real[], %(y)s::real[], %(w)s::real[], %(h)s::real[])
     WITH ORDINALITY AS given (photo, x, y, w, h, place)
ORDER BY place
RETURNING id;

-- Sightings that no pipeline sees any more and that nobody has decided about: not in a decision that
-- was undone either, because it can be made again.
-- name: drop_unseen
DELETE FROM sightings s
WHERE s.photo_id = ANY(%(photos)s::bigint[])
  AND NOT EXISTS (SELECT FROM faces f WHERE f.sighting_id = s.id)
  AND NOT EXISTS (SELECT FROM sighting_person m
                  WHERE m.sighting_id = s.id AND m.decided_by = 'user')
  AND NOT EXISTS (SELECT FROM rejections r WHERE r.sighting_id = s.id)
  AND NOT EXISTS (SELECT FROM people p WHERE p.cover_sighting_id = s.id)
  AND NOT EXISTS (SELECT FROM decision_changes c WHERE (c.key ->> 'sighting_id')::bigint = s.id);

-- Of an event that is to take another's place: sightings in its photos that somebody decided about, with
-- a face and without.
-- name: decided_sightings
SELECT count(*) FILTER (WHERE seen), count(*) FILTER (WHERE NOT seen)
FROM (
    SELECT EXISTS (SELECT FROM faces f
                   WHERE f.sighting_id = s.id AND f.event_photo_id = c.id) AS seen
    FROM event_photos c
    JOIN sightings s ON s.photo_id = c.photo_id
    WHERE c.event_id = %(successor)s
      AND (EXISTS (SELECT FROM sighting_person m
                   WHERE m.sighting_id = s.id AND m.decided_by = 'user')
           OR EXISTS (SELECT FROM rejections r WHERE r.sighting_id = s.id))
) decided;
