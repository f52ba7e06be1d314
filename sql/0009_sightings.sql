-- A face is the same face whichever pipeline found it, and in whichever event: a sighting is somebody
-- seen at a place in a content. What is decided about faces is decided about sightings, so it
-- outlives the vectors.

CREATE TABLE sightings (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    photo_id bigint NOT NULL REFERENCES photos ON DELETE CASCADE,
    -- The box of the face that was found there first, in pixels of the upright photo.
    x        real NOT NULL,
    y        real NOT NULL,
    w        real NOT NULL CHECK (w > 0),
    h        real NOT NULL CHECK (h > 0)
);
CREATE INDEX sightings_photo ON sightings (photo_id);

-- Nothing has written to these yet.
DROP TABLE face_person, lost_decisions;
DELETE FROM people;

-- Unfinished moves: reindex begins anew.
DELETE FROM events WHERE replaces IS NOT NULL;

-- Faces of one photo with one box, in several events, are one sighting; other overlaps were not looked
-- for. The twins are boxes that one event has twice.
CREATE TEMPORARY TABLE placed ON COMMIT DROP AS
SELECT face, photo_id, x, y, w, h, dense_rank() OVER (ORDER BY photo_id, x, y, w, h, twin) AS place
FROM (
    SELECT f.id AS face, c.photo_id, f.x, f.y, f.w, f.h,
           row_number() OVER (PARTITION BY c.id, f.x, f.y, f.w, f.h ORDER BY f.id) AS twin
    FROM faces f JOIN event_photos c ON c.id = f.event_photo_id
) boxes;
INSERT INTO sightings (id, photo_id, x, y, w, h) OVERRIDING SYSTEM VALUE
SELECT DISTINCT place, photo_id, x, y, w, h FROM placed;
SELECT setval(pg_get_serial_sequence('sightings', 'id'), max(id)) FROM sightings;

-- The indexes of vectors are built anew: to add every row to them again takes far longer.
DROP INDEX faces_hnsw_dlib, faces_hnsw_clip, faces_hnsw_sface, faces_hnsw_arcface;
ALTER TABLE faces ADD COLUMN sighting_id bigint REFERENCES sightings;
UPDATE faces SET sighting_id = placed.place FROM placed WHERE placed.face = faces.id;
ALTER TABLE faces ALTER COLUMN sighting_id SET NOT NULL;
CREATE UNIQUE INDEX faces_sighting ON faces (sighting_id, event_photo_id);

SET LOCAL maintenance_work_mem = '256MB';
CREATE INDEX faces_hnsw_dlib ON faces
    USING hnsw ((embedding::vector(128)) vector_l2_ops)
    WHERE pipeline = 'dlib';
CREATE INDEX faces_hnsw_clip ON faces
    USING hnsw ((embedding::vector(768)) vector_l2_ops)
    WHERE pipeline = 'clip';
CREATE INDEX faces_hnsw_sface ON faces
    USING hnsw ((embedding::vector(128)) vector_l2_ops)
    WHERE pipeline = 'sface';
CREATE INDEX faces_hnsw_arcface ON faces
    USING hnsw ((embedding::vector(512)) vector_l2_ops)
    WHERE pipeline = 'arcface';
