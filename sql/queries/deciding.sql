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

-- Whoever the machine took for these people stays with them.
-- name: keep
UPDATE sighting_person SET decided_by = 'user'
WHERE person_id = ANY(%(people)s::bigint[]) AND decided_by = 'machine';

-- name: record_keeps
INSERT INTO decision_keeps (decision_id, person_id)
SELECT %(decision)s, person FROM unnest(%(people)s::bigint[]) AS person
ON CONFLICT DO NOTHING;

-- name: assign
INSERT INTO sighting_person (sighting_id, person_id, decided_by, confirmed)
SELECT id, %(person)s, 'user', %(confirmed)s FROM sightings WHERE id = ANY(%(sightings)s::bigint[])
ON CONFLICT (sighting_id) DO UPDATE
SET person_id = excluded.person_id, decided_by = 'user', created_at = now(),
    confirmed = excluded.confirmed
        OR sighting_person.confirmed AND sighting_person.person_id = excluded.person_id
WHERE sighting_person.decided_by = 'machine'
   OR sighting_person.person_id <> excluded.person_id
   OR excluded.confirmed AND NOT sighting_person.confirmed;

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
SELECT relation, key::text,
       (array_agg(before ORDER BY id))[1], (array_agg(after ORDER BY id DESC))[1]
FROM decision_changes
WHERE decision_id = %(decision)s
GROUP BY relation, key
ORDER BY min(id);

-- What later decisions that stand have made of these rows, the newest first.
-- name: later_images
SELECT d.id, d.kind, c.relation, c.key::text,
       (array_agg(c.before ORDER BY c.id))[1], (array_agg(c.after ORDER BY c.id DESC))[1]
FROM unnest(%(relations)s::text[], %(keys)s::jsonb[]) AS own (relation, key)
JOIN decision_changes c ON c.relation = own.relation AND c.key = own.key
JOIN decisions d ON d.id = c.decision_id
WHERE d.id > %(decision)s AND d.undone_at IS NULL
GROUP BY d.id, c.relation, c.key
ORDER BY d.id DESC;

-- The newest later decision, standing, that gave a name to somebody else.
-- name: later_name
SELECT d.id, d.kind
FROM decision_changes c
JOIN decisions d ON d.id = c.decision_id
WHERE c.relation = 'people' AND c.key <> ALL(%(keys)s::jsonb[])
  AND c.after ->> 'name_key' = %(name)s
  AND c.before ->> 'name_key' IS DISTINCT FROM %(name)s
  AND d.id > %(decision)s AND d.undone_at IS NULL
ORDER BY d.id DESC
LIMIT 1;

-- The decision that is to be blamed for these rows, for what this person has got or lacks, or for the
-- name that the person of that key has: for one that is to be made again one before it that was undone
-- since, else one that stands.
-- name: in_the_way
SELECT d.id, d.kind, d.undone_at IS NULL
FROM decisions d
JOIN decisions this ON this.id = %(decision)s
JOIN LATERAL (
    SELECT bool_or((c.relation, c.key) IN (SELECT * FROM unnest(%(relations)s::text[],
                                                                %(keys)s::jsonb[]))) AS same_row,
           bool_or((c.after ->> 'person_id')::bigint = %(person)s) AS gave,
           bool_or((c.before ->> 'person_id')::bigint = %(person)s) AS took,
           bool_or(names.own AND c.after ->> 'name_key' = %(name)s) AS named,
           bool_or(names.own AND c.before ->> 'name_key' = %(name)s) AS renamed
    FROM decision_changes c
    CROSS JOIN LATERAL (
        SELECT c.relation = 'people' AND c.key = %(namesake)s::jsonb
               AND c.before ->> 'name_key' IS DISTINCT FROM c.after ->> 'name_key' AS own) names
    WHERE c.decision_id = d.id
) changes ON true
WHERE d.id <> this.id
  AND CASE WHEN d.undone_at IS NULL
           THEN gave OR named
                OR same_row AND greatest(d.id - this.id, d.revision - this.revision) > 0
           ELSE (same_row OR took OR renamed) AND d.id < this.id
                AND d.undone_at > this.made_at AND this.undone_at IS NOT NULL END
ORDER BY d.undone_at IS NULL, d.id DESC
LIMIT 1;

-- name: mark_undone
UPDATE decisions
SET undone_by = %(by)s, undone_at = clock_timestamp(), revision = nextval('decision_revisions')
WHERE id = %(decision)s;

-- name: mark_made
UPDATE decisions
SET undone_by = NULL, undone_at = NULL, revision = nextval('decision_revisions')
WHERE id = %(decision)s;

-- Pins: faces that the machine took for somebody and that a decision about that person has pinned.

-- The first decision after this one, standing, that pinned the faces of each of these people.
-- name: keepers
SELECT k.person_id, min(k.decision_id)
FROM decision_keeps k
JOIN decisions d ON d.id = k.decision_id AND d.undone_at IS NULL
JOIN people p ON p.id = k.person_id
WHERE k.person_id = ANY(%(people)s::bigint[]) AND k.decision_id > %(decision)s
GROUP BY k.person_id;

-- Other decisions, standing, that found these sightings the machine's, and how they left them.
-- name: pins
SELECT c.key::text, c.decision_id, (array_agg(c.after ORDER BY c.id DESC))[1]
FROM decision_changes c
JOIN decisions d ON d.id = c.decision_id AND d.undone_at IS NULL
WHERE c.relation = 'sighting_person' AND c.key = ANY(%(keys)s::jsonb[])
  AND c.decision_id <> %(decision)s
GROUP BY c.key, c.decision_id
HAVING (array_agg(c.before ORDER BY c.id))[1] ->> 'decided_by' = 'machine';

-- name: drop_pins
DELETE FROM decision_changes c
USING jsonb_to_recordset(%(rows)s::jsonb) AS pin (decision bigint, key jsonb)
WHERE c.decision_id = pin.decision AND c.relation = 'sighting_person' AND c.key = pin.key;

-- name: give_pins
INSERT INTO decision_changes (decision_id, relation, key, before, after, instead_of)
SELECT decision, 'sighting_person', key, before, after, %(decision)s
FROM jsonb_to_recordset(%(rows)s::jsonb)
     AS pin (decision bigint, key jsonb, before jsonb, after jsonb);

-- Those that others were given instead of this decision.
-- name: take_back_pins
WITH RECURSIVE given AS (
    SELECT id, decision_id, key FROM decision_changes WHERE instead_of = %(decision)s
    UNION ALL
    SELECT c.id, c.decision_id, c.key
    FROM given g
    JOIN decision_changes c ON c.instead_of = g.decision_id AND c.key = g.key
)
DELETE FROM decision_changes c USING given g WHERE c.id = g.id;

-- Rows as they are

-- name: rows_people
SELECT k::text, to_jsonb(t) FROM unnest(%(keys)s::jsonb[]) k
LEFT JOIN people t ON t.id = (k ->> 'id')::bigint;

-- name: rows_sighting_person
SELECT k::text, to_jsonb(t) FROM unnest(%(keys)s::jsonb[]) k
LEFT JOIN sighting_person t ON t.sighting_id = (k ->> 'sighting_id')::bigint;

-- name: rows_rejections
SELECT k::text, to_jsonb(t) FROM unnest(%(keys)s::jsonb[]) k
LEFT JOIN rejections t ON t.sighting_id = (k ->> 'sighting_id')::bigint
                      AND t.person_id = (k ->> 'person_id')::bigint;

-- name: rows_portraits
SELECT k::text, to_jsonb(t) FROM unnest(%(keys)s::jsonb[]) k
LEFT JOIN portraits t ON t.id = (k ->> 'id')::bigint;

-- name: sightings_there
SELECT id FROM sightings WHERE id = ANY(%(sightings)s::bigint[]);

-- Of these people, those who are there, and those whom a decision made or took away.
-- name: people_there
SELECT id FROM people WHERE id = ANY(%(people)s::bigint[]);

-- name: people_taken
SELECT DISTINCT (c.key ->> 'id')::bigint
FROM decision_changes c
JOIN decisions d ON d.id = c.decision_id
WHERE c.relation = 'people' AND c.key = ANY(%(keys)s::jsonb[]) AND d.id <> %(decision)s
  AND CASE WHEN d.undone_at IS NULL THEN c.after ELSE c.before END IS NULL;

-- Who would be left behind without a person: faces, rejections and portraits that somebody decided.
-- name: count_decided
SELECT (SELECT count(*) FROM sighting_person WHERE person_id = %(person)s AND decided_by = 'user')
     + (SELECT count(*) FROM rejections WHERE person_id = %(person)s)
     + (SELECT count(*) FROM portraits WHERE person_id = %(person)s);

-- Other portraits that would be there twice.
-- name: portraits_twice
SELECT t.id
FROM jsonb_populate_recordset(NULL::portraits, %(rows)s::jsonb) w
JOIN portraits t ON t.person_id = w.person_id AND t.sha256 = w.sha256
                AND t.pipeline = w.pipeline AND t.fingerprint = w.fingerprint
WHERE t.id <> ALL(%(own)s::bigint[]);

-- Faces that a user gave to somebody whom they are not.
-- name: contradictions
SELECT m.sighting_id, m.person_id
FROM sighting_person m
JOIN rejections r ON r.sighting_id = m.sighting_id AND r.person_id = m.person_id
WHERE m.sighting_id = ANY(%(sightings)s::bigint[]) AND m.decided_by = 'user'
ORDER BY 1;

-- name: drop_contradicted_groups
DELETE FROM sighting_person m USING rejections r
WHERE m.sighting_id = ANY(%(sightings)s::bigint[]) AND m.decided_by = 'machine'
  AND r.sighting_id = m.sighting_id AND r.person_id = m.person_id;

-- Rows put back

-- So that names can change hands.
-- name: unname
UPDATE people SET name = NULL, name_key = NULL WHERE id = ANY(%(people)s::bigint[]);

-- The machine's people that have gone because it took their faces for others meanwhile.
-- name: revive
INSERT INTO people (id) OVERRIDING SYSTEM VALUE SELECT unnest(%(people)s::bigint[])
ON CONFLICT DO NOTHING;

-- name: put_people
INSERT INTO people (id, name, created_at, name_key, hidden, cover_sighting_id)
OVERRIDING SYSTEM VALUE
SELECT id, name, created_at, name_key, hidden, cover_sighting_id
FROM jsonb_populate_recordset(NULL::people, %(rows)s::jsonb)
ON CONFLICT (id) DO UPDATE
SET name = excluded.name, name_key = excluded.name_key, hidden = excluded.hidden,
    cover_sighting_id = excluded.cover_sighting_id, created_at = excluded.created_at;

-- name: put_sighting_person
INSERT INTO sighting_person
SELECT * FROM jsonb_populate_recordset(NULL::sighting_person, %(rows)s::jsonb)
ON CONFLICT (sighting_id) DO UPDATE
SET person_id = excluded.person_id, decided_by = excluded.decided_by,
    confirmed = excluded.confirmed, created_at = excluded.created_at;

-- name: put_rejections
INSERT INTO rejections
SELECT * FROM jsonb_populate_recordset(NULL::rejections, %(rows)s::jsonb);

-- name: put_portraits
INSERT INTO portraits OVERRIDING SYSTEM VALUE
SELECT * FROM jsonb_populate_recordset(NULL::portraits, %(rows)s::jsonb);

-- name: take_people
DELETE FROM people t USING unnest(%(keys)s::jsonb[]) k WHERE t.id = (k ->> 'id')::bigint;

-- name: take_sighting_person
DELETE FROM sighting_person t USING unnest(%(keys)s::jsonb[]) k
WHERE t.sighting_id = (k ->> 'sighting_id')::bigint;

-- name: take_rejections
DELETE FROM rejections t USING unnest(%(keys)s::jsonb[]) k
WHERE t.sighting_id = (k ->> 'sighting_id')::bigint AND t.person_id = (k ->> 'person_id')::bigint;

-- name: take_portraits
DELETE FROM portraits t USING unnest(%(keys)s::jsonb[]) k WHERE t.id = (k ->> 'id')::bigint;
