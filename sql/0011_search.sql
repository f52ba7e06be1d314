-- What makes a search of a million faces fast: how many faces an event has is known without counting
-- them, and the indexes of vectors hold half as many bytes.

-- The faces of each event by hundredths of their quality, rounded down; -1 where it is not known.
CREATE TABLE face_counts (
    event_id  bigint NOT NULL REFERENCES events ON DELETE CASCADE,
    hundredth smallint NOT NULL,
    faces     bigint NOT NULL,
    PRIMARY KEY (event_id, hundredth)
) WITH (fillfactor = 50);

INSERT INTO face_counts
SELECT event_id, coalesce(floor(quality * 100), -1), count(*) FROM faces GROUP BY 1, 2;

-- Whoever writes holds the writers' lock, so no two wait for each other here.
CREATE FUNCTION count_new_faces() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO face_counts AS c
    SELECT event_id, coalesce(floor(quality * 100), -1), count(*) FROM added GROUP BY 1, 2
    ON CONFLICT (event_id, hundredth) DO UPDATE SET faces = c.faces + excluded.faces;
    RETURN NULL;
END $$;

-- An event that goes takes its counts with it, before or after its faces.
CREATE FUNCTION count_dropped_faces() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE face_counts c SET faces = c.faces - gone.faces
    FROM (SELECT event_id, coalesce(floor(quality * 100), -1) AS hundredth, count(*) AS faces
          FROM dropped GROUP BY 1, 2) gone
    WHERE c.event_id = gone.event_id AND c.hundredth = gone.hundredth;
    RETURN NULL;
END $$;

CREATE TRIGGER faces_count_new AFTER INSERT ON faces
    REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION count_new_faces();
CREATE TRIGGER faces_count_dropped AFTER DELETE ON faces
    REFERENCING OLD TABLE AS dropped
    FOR EACH STATEMENT EXECUTE FUNCTION count_dropped_faces();
CREATE TRIGGER faces_count_changed_to AFTER UPDATE ON faces
    REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION count_new_faces();
CREATE TRIGGER faces_count_changed_from AFTER UPDATE ON faces
    REFERENCING OLD TABLE AS dropped
    FOR EACH STATEMENT EXECUTE FUNCTION count_dropped_faces();

-- At half precision distances are off by some ten-thousandths; what the index finds is compared
-- again with the vectors themselves.
SET LOCAL maintenance_work_mem = '256MB';
DROP INDEX faces_hnsw_dlib, faces_hnsw_clip, faces_hnsw_sface, faces_hnsw_arcface;
CREATE INDEX faces_hnsw_dlib ON faces
    USING hnsw ((embedding::halfvec(128)) halfvec_l2_ops)
    WHERE pipeline = 'dlib';
CREATE INDEX faces_hnsw_clip ON faces
    USING hnsw ((embedding::halfvec(768)) halfvec_l2_ops)
    WHERE pipeline = 'clip';
CREATE INDEX faces_hnsw_sface ON faces
    USING hnsw ((embedding::halfvec(128)) halfvec_l2_ops)
    WHERE pipeline = 'sface';
CREATE INDEX faces_hnsw_arcface ON faces
    USING hnsw ((embedding::halfvec(512)) halfvec_l2_ops)
    WHERE pipeline = 'arcface';
