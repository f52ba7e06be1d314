-- Who is who, and every decision about it.

ALTER TABLE people
    -- The name as it is compared: two that differ in case or spaces alone are one.
    ADD COLUMN name_key          text UNIQUE CHECK (name_key <> ''),
    ADD COLUMN hidden            boolean NOT NULL DEFAULT false,
    ADD COLUMN cover_sighting_id bigint REFERENCES sightings ON DELETE SET NULL,
    ADD CONSTRAINT people_name_and_key CHECK (num_nulls(name, name_key) IN (0, 2));
CREATE INDEX people_cover ON people (cover_sighting_id) WHERE cover_sighting_id IS NOT NULL;

-- Who a sighting is of. Grouping may change what the machine said; it never changes what a user did.
CREATE TABLE sighting_person (
    sighting_id bigint PRIMARY KEY REFERENCES sightings ON DELETE CASCADE,
    person_id   bigint NOT NULL REFERENCES people ON DELETE CASCADE,
    decided_by  text NOT NULL CHECK (decided_by IN ('user', 'machine')),
    -- A user decided about this very face, not only about the person it was taken for.
    confirmed   boolean NOT NULL DEFAULT false CHECK (NOT confirmed OR decided_by = 'user'),
    created_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX sighting_person_person ON sighting_person (person_id);

-- Who a sighting is not of: always a user's word.
CREATE TABLE rejections (
    sighting_id bigint NOT NULL REFERENCES sightings ON DELETE CASCADE,
    person_id   bigint NOT NULL REFERENCES people ON DELETE CASCADE,
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (sighting_id, person_id)
);
CREATE INDEX rejections_person ON rejections (person_id);

-- Pictures by which a person was learnt. They count as faces of that person, in no photo.
CREATE TABLE portraits (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    person_id   bigint NOT NULL REFERENCES people ON DELETE CASCADE,
    sha256      bytea NOT NULL CHECK (octet_length(sha256) = 32),
    path        bytea NOT NULL,
    pipeline    text NOT NULL,
    fingerprint text NOT NULL,
    quality     real CHECK (quality BETWEEN 0 AND 1),
    embedding   vector NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    UNIQUE (person_id, sha256, pipeline, fingerprint)
);

-- People whom a user has decided something about. The others are the machine's, which may take them
-- apart again.
CREATE VIEW decided_people AS
SELECT p.id FROM people p
WHERE p.name IS NOT NULL OR p.hidden OR p.cover_sighting_id IS NOT NULL
   OR EXISTS (SELECT FROM sighting_person m WHERE m.person_id = p.id AND m.decided_by = 'user')
   OR EXISTS (SELECT FROM rejections r WHERE r.person_id = p.id)
   OR EXISTS (SELECT FROM portraits t WHERE t.person_id = p.id);

-- What each kind of vectors was last grouped with, to know what is new.
CREATE TABLE groupings (
    pipeline    text NOT NULL,
    fingerprint text NOT NULL,
    -- How many faces there were when all were grouped anew.
    all_faces   bigint NOT NULL,
    -- Faces with greater ids have not been grouped yet.
    newest_face bigint NOT NULL,
    grouped_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (pipeline, fingerprint)
);

-- The log. A revision is given anew when a decision is made, undone or made again, so the greatest
-- one tells whether anything was decided since.
CREATE SEQUENCE decision_revisions;
CREATE TABLE decisions (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind       text NOT NULL,
    -- What was asked for, to be read by people.
    subject    jsonb NOT NULL,
    -- Account and machine.
    made_by    text NOT NULL,
    made_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    undone_by  text,
    undone_at  timestamptz,
    revision   bigint NOT NULL DEFAULT nextval('decision_revisions') UNIQUE,
    CHECK (num_nulls(undone_by, undone_at) IN (0, 2))
);

-- Every row that a decision changed, as it was and as it became.
CREATE TABLE decision_changes (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    decision_id bigint NOT NULL REFERENCES decisions ON DELETE CASCADE,
    relation    text NOT NULL,
    -- The row's primary key.
    key         jsonb NOT NULL,
    before      jsonb,
    after       jsonb,
    -- The earlier decision that had done this, and was undone while this one stands.
    instead_of  bigint REFERENCES decisions ON DELETE CASCADE,
    CHECK (num_nulls(before, after) < 2)
);
CREATE INDEX decision_changes_decision ON decision_changes (decision_id);
CREATE INDEX decision_changes_row ON decision_changes (relation, key);
CREATE INDEX decision_changes_sighting ON decision_changes (((key ->> 'sighting_id')::bigint));
CREATE INDEX decision_changes_instead ON decision_changes (instead_of) WHERE instead_of IS NOT NULL;

-- People whose faces a decision has pinned, each that they had then, whether or not it was pinned before.
CREATE TABLE decision_keeps (
    decision_id bigint NOT NULL REFERENCES decisions ON DELETE CASCADE,
    -- Who may be gone by now.
    person_id   bigint NOT NULL,
    PRIMARY KEY (person_id, decision_id)
);
CREATE INDEX decision_keeps_decision ON decision_keeps (decision_id);

-- Writes down every row that a statement has changed, while the setting facefind.decision holds a
-- decision's number; its arguments are the columns of the primary key.
CREATE FUNCTION log_decision() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    key text := (SELECT string_agg(format('%1$L, coalesce(after, before) -> %1$L', name), ', ')
                 FROM unnest(TG_ARGV) AS name);
    changed text := CASE TG_OP
        WHEN 'INSERT' THEN 'SELECT NULL::jsonb AS before, to_jsonb(come) AS after FROM come'
        WHEN 'DELETE' THEN 'SELECT to_jsonb(gone) AS before, NULL::jsonb AS after FROM gone'
        ELSE format('SELECT to_jsonb(gone) AS before, to_jsonb(come) AS after
                     FROM gone JOIN come USING (%s)', array_to_string(TG_ARGV, ', '))
        END;
BEGIN
    EXECUTE format(
        'INSERT INTO decision_changes (decision_id, relation, key, before, after)
         SELECT $1, $2, jsonb_build_object(%s), before, after
         FROM (%s) changed
         WHERE before IS DISTINCT FROM after', key, changed)
    USING current_setting('facefind.decision')::bigint, TG_TABLE_NAME;
    RETURN NULL;
END
$$;

CREATE TRIGGER log_insert AFTER INSERT ON people REFERENCING NEW TABLE AS come
FOR EACH STATEMENT WHEN (current_setting('facefind.decision', true) <> '')
EXECUTE FUNCTION log_decision('id');
CREATE TRIGGER log_update AFTER UPDATE ON people REFERENCING OLD TABLE AS gone NEW TABLE AS come
FOR EACH STATEMENT WHEN (current_setting('facefind.decision', true) <> '')
EXECUTE FUNCTION log_decision('id');
CREATE TRIGGER log_delete AFTER DELETE ON people REFERENCING OLD TABLE AS gone
FOR EACH STATEMENT WHEN (current_setting('facefind.decision', true) <> '')
EXECUTE FUNCTION log_decision('id');
CREATE TRIGGER log_insert AFTER INSERT ON sighting_person REFERENCING NEW TABLE AS come
FOR EACH STATEMENT WHEN (current_setting('facefind.decision', true) <> '')
EXECUTE FUNCTION log_decision('sighting_id');
CREATE TRIGGER log_update AFTER UPDATE ON sighting_person REFERENCING OLD TABLE AS gone NEW TABLE AS come
FOR EACH STATEMENT WHEN (current_setting('facefind.decision', true) <> '')
EXECUTE FUNCTION log_decision('sighting_id');
CREATE TRIGGER log_delete AFTER DELETE ON sighting_person REFERENCING OLD TABLE AS gone
FOR EACH STATEMENT WHEN (current_setting('facefind.decision', true) <> '')
EXECUTE FUNCTION log_decision('sighting_id');
CREATE TRIGGER log_insert AFTER INSERT ON rejections REFERENCING NEW TABLE AS come
FOR EACH STATEMENT WHEN (current_setting('facefind.decision', true) <> '')
EXECUTE FUNCTION log_decision('sighting_id', 'person_id');
CREATE TRIGGER log_update AFTER UPDATE ON rejections REFERENCING OLD TABLE AS gone NEW TABLE AS come
FOR EACH STATEMENT WHEN (current_setting('facefind.decision', true) <> '')
EXECUTE FUNCTION log_decision('sighting_id', 'person_id');
CREATE TRIGGER log_delete AFTER DELETE ON rejections REFERENCING OLD TABLE AS gone
FOR EACH STATEMENT WHEN (current_setting('facefind.decision', true) <> '')
EXECUTE FUNCTION log_decision('sighting_id', 'person_id');
CREATE TRIGGER log_insert AFTER INSERT ON portraits REFERENCING NEW TABLE AS come
FOR EACH STATEMENT WHEN (current_setting('facefind.decision', true) <> '')
EXECUTE FUNCTION log_decision('id');
CREATE TRIGGER log_update AFTER UPDATE ON portraits REFERENCING OLD TABLE AS gone NEW TABLE AS come
FOR EACH STATEMENT WHEN (current_setting('facefind.decision', true) <> '')
EXECUTE FUNCTION log_decision('id');
CREATE TRIGGER log_delete AFTER DELETE ON portraits REFERENCING OLD TABLE AS gone
FOR EACH STATEMENT WHEN (current_setting('facefind.decision', true) <> '')
EXECUTE FUNCTION log_decision('id');
