-- Decisions, their log, and taking them back. What these statements change is written down by the
-- triggers of 0010_people.sql.

-- name: revision
SELECT coalesce(max(revision), 0) FROM decisions;

-- name: begin
INSERT INTO decisions (kind, subject, made_by) VALUES (%(kind)s, %(subject)s, %(made_by)s)
RETURNING id;

-- Until the transaction ends.
-- name: log_as
SELECT set_config('facefind.decision', %(decision)s, true);

-- name: count_changes
SELECT count(*) FROM decision_changes WHERE decision_id = %(decision)s;

-- name: forget_decision
DELETE FROM decisions WHERE id = %(decision)s;

-- name: describe
UPDATE decisions SET subject = subject || %(subject)s WHERE id = %(decision)s;

-- name: person
SELECT id, name, hidden, cover_sighting_id FROM people WHERE id = %(person)s;

-- name: person_named
SELECT id, name, hidden, cover_sighting_id FROM people WHERE name_key = %(name_key)s;

-- name: create
INSERT INTO people (name, name_key) VALUES (%(name)s, %(name_key)s) RETURNING id;

-- name: rename
UPDATE people SET name = %(name)s, name_key = %(name_key)s WHERE id = %(person)s;

-- name: hide
UPDATE people SET hidden = %(hidden)s WHERE id = %(person)s;

-- name: cover
UPDATE people SET cover_sighting_id = %(sighting)s WHERE id = %(person)s;

-- name: remove
DELETE FROM people WHERE id = %(person)s;

-- name: members
SELECT sighting_id, person_id, decided_by, confirmed FROM sighting_person
WHERE person_id = %(person)s ORDER BY sighting_id;

-- name: memberships
SELECT s.id, m.person_id, m.decided_by, coalesce(m.confirmed, false)
FROM sightings s
LEFT JOIN sighting_person m ON m.sighting_id = s.id
WHERE s.id = ANY(%(sightings)s::bigint[])
ORDER BY s.id;

-- name: rejected
SELECT sighting_id FROM rejections WHERE person_id = %(person)s ORDER BY sighting_id;

-- Whoever the machine took for this person stays with them.
-- name: keep
UPDATE sighting_person SET decided_by = 'user'
WHERE person_id = %(person)s AND decided_by = 'machine';

-- name: assign
INSERT INTO sighting_person (sighting_id, person_id, decided_by, confirmed)
SELECT id, %(person)s, 'user', %(confirmed)s FROM sightings WHERE id = ANY(%(sightings)s::bigint[])
ON CONFLICT (sighting_id) DO UPDATE
SET person_id = excluded.person_id, decided_by = 'user', created_at = now(),
    confirmed = excluded.confirmed
        OR sighting_person.confirmed AND sighting_person.person_id = excluded.person_id;

-- name: drop_rejections
DELETE FROM rejections
WHERE person_id = %(person)s AND sighting_id = ANY(%(sightings)s::bigint[]);

-- name: release
DELETE FROM sighting_person
WHERE sighting_id = ANY(%(sightings)s::bigint[])
  AND (%(person)s::bigint IS NULL OR person_id = %(person)s);

-- name: reject
INSERT INTO rejections (sighting_id, person_id)
SELECT id, %(person)s FROM sightings WHERE id = ANY(%(sightings)s::bigint[])
ON CONFLICT DO NOTHING;

-- A person's faces, rejections and portraits become another's.
-- name: move_faces
UPDATE sighting_person SET person_id = %(target)s, decided_by = 'user' WHERE person_id = %(source)s;

-- name: move_rejections
INSERT INTO rejections (sighting_id, person_id, created_at)
SELECT r.sighting_id, %(target)s, r.created_at
FROM rejections r
WHERE r.person_id = %(source)s
  AND NOT EXISTS (SELECT FROM sighting_person m
                  WHERE m.sighting_id = r.sighting_id AND m.person_id = %(target)s)
ON CONFLICT DO NOTHING;

-- What was rejected for the other and is now theirs through the one.
-- name: drop_contradicted
DELETE FROM rejections r USING sighting_person m
WHERE r.person_id = %(target)s AND m.sighting_id = r.sighting_id AND m.person_id = %(target)s;

-- name: move_portraits
UPDATE portraits SET person_id = %(target)s
WHERE person_id = %(source)s
  AND NOT EXISTS (SELECT FROM portraits t
                  WHERE t.person_id = %(target)s AND t.sha256 = portraits.sha256
                    AND t.pipeline = portraits.pipeline AND t.fingerprint = portraits.fingerprint);

-- name: add_portrait
INSERT INTO portraits (person_id, sha256, path, pipeline, fingerprint, quality, embedding)
VALUES (%(person)s, %(sha256)s, %(path)s, %(pipeline)s, %(fingerprint)s, %(quality)s,
        %(embedding)s::vector)
ON CONFLICT DO NOTHING;

-- The log

-- name: decisions
SELECT d.id, d.kind, d.subject, d.made_by, d.made_at, d.undone_by, d.undone_at,
       (SELECT count(*) FROM decision_changes c WHERE c.decision_id = d.id)
FROM decisions d
WHERE %(decision)s::bigint IS NULL OR d.id = %(decision)s
ORDER BY d.id DESC
LIMIT %(limit)s;

-- name: last_made
SELECT id FROM decisions WHERE undone_at IS NULL ORDER BY revision DESC LIMIT 1;

-- name: last_undone
SELECT id FROM decisions WHERE undone_at IS NOT NULL ORDER BY revision DESC LIMIT 1;

-- Each row that a decision changed, once: as it was before and as it was left.
-- name: images
SELECT relation, key,
       (array_agg(before ORDER BY id))[1], (array_agg(after ORDER BY id DESC))[1]
FROM decision_changes
WHERE decision_id = %(decision)s
GROUP BY relation, key
ORDER BY min(id);

-- The newest other decision, standing, that changed one of these rows or concerns one of these people.
-- name: in_the_way
SELECT d.id, d.kind, d.subject, d.made_by, d.made_at, d.undone_by, d.undone_at, 0
FROM decisions d
WHERE d.id <> %(decision)s AND d.undone_at IS NULL
  AND EXISTS (
      SELECT FROM decision_changes c
      WHERE c.decision_id = d.id
        AND ((c.relation, c.key) IN (SELECT * FROM unnest(%(relations)s::text[], %(keys)s::jsonb[]))
             OR (c.before ->> 'person_id')::bigint = ANY(%(people)s::bigint[])
             OR (c.after ->> 'person_id')::bigint = ANY(%(people)s::bigint[])
             OR c.relation = 'people' AND c.after ->> 'name_key' = ANY(%(names)s::text[])))
ORDER BY d.revision DESC
LIMIT 1;

-- name: mark_undone
UPDATE decisions
SET undone_by = %(by)s, undone_at = now(), revision = nextval('decision_revisions')
WHERE id = %(decision)s;

-- name: mark_made
UPDATE decisions
SET undone_by = NULL, undone_at = NULL, revision = nextval('decision_revisions')
WHERE id = %(decision)s;

-- Rows as they are

-- name: rows_people
SELECT k, to_jsonb(t) FROM unnest(%(keys)s::jsonb[]) k
LEFT JOIN people t ON t.id = (k ->> 'id')::bigint;

-- name: rows_sighting_person
SELECT k, to_jsonb(t) FROM unnest(%(keys)s::jsonb[]) k
LEFT JOIN sighting_person t ON t.sighting_id = (k ->> 'sighting_id')::bigint;

-- name: rows_rejections
SELECT k, to_jsonb(t) FROM unnest(%(keys)s::jsonb[]) k
LEFT JOIN rejections t ON t.sighting_id = (k ->> 'sighting_id')::bigint
                      AND t.person_id = (k ->> 'person_id')::bigint;

-- name: rows_portraits
SELECT k, to_jsonb(t) FROM unnest(%(keys)s::jsonb[]) k
LEFT JOIN portraits t ON t.id = (k ->> 'id')::bigint;

-- Who would be left behind without a person: faces, rejections and portraits that somebody decided.
-- name: count_decided
SELECT (SELECT count(*) FROM sighting_person WHERE person_id = %(person)s AND decided_by = 'user')
     + (SELECT count(*) FROM rejections WHERE person_id = %(person)s)
     + (SELECT count(*) FROM portraits WHERE person_id = %(person)s);

-- Rows put back

-- name: put_people
INSERT INTO people (id, name, created_at, name_key, hidden, cover_sighting_id)
OVERRIDING SYSTEM VALUE
SELECT t.id, t.name, t.created_at, t.name_key, t.hidden,
       (SELECT s.id FROM sightings s WHERE s.id = t.cover_sighting_id)
FROM jsonb_populate_record(NULL::people, %(row)s::jsonb) t
ON CONFLICT (id) DO UPDATE
SET name = excluded.name, name_key = excluded.name_key, hidden = excluded.hidden,
    cover_sighting_id = excluded.cover_sighting_id, created_at = excluded.created_at;

-- Only where the face and the person are there: photos can be forgotten, and the machine's people go.
-- name: put_sighting_person
INSERT INTO sighting_person
SELECT t.* FROM jsonb_populate_record(NULL::sighting_person, %(row)s::jsonb) t
JOIN sightings s ON s.id = t.sighting_id
JOIN people p ON p.id = t.person_id
ON CONFLICT (sighting_id) DO UPDATE
SET person_id = excluded.person_id, decided_by = excluded.decided_by,
    confirmed = excluded.confirmed, created_at = excluded.created_at;

-- name: put_rejections
INSERT INTO rejections
SELECT t.* FROM jsonb_populate_record(NULL::rejections, %(row)s::jsonb) t
JOIN sightings s ON s.id = t.sighting_id
JOIN people p ON p.id = t.person_id
ON CONFLICT (sighting_id, person_id) DO UPDATE SET created_at = excluded.created_at;

-- name: put_portraits
INSERT INTO portraits OVERRIDING SYSTEM VALUE
SELECT t.* FROM jsonb_populate_record(NULL::portraits, %(row)s::jsonb) t
JOIN people p ON p.id = t.person_id
ON CONFLICT (id) DO UPDATE SET person_id = excluded.person_id;

-- name: take_people
DELETE FROM people WHERE id = (%(key)s::jsonb ->> 'id')::bigint;

-- name: take_sighting_person
DELETE FROM sighting_person WHERE sighting_id = (%(key)s::jsonb ->> 'sighting_id')::bigint;

-- name: take_rejections
DELETE FROM rejections
WHERE sighting_id = (%(key)s::jsonb ->> 'sighting_id')::bigint
  AND person_id = (%(key)s::jsonb ->> 'person_id')::bigint;

-- name: take_portraits
DELETE FROM portraits WHERE id = (%(key)s::jsonb ->> 'id')::bigint;
