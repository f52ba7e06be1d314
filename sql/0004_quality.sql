-- What a face's quality was judged by, and a number to draw samples with.

ALTER TABLE faces
    -- L2 distance between the embeddings of the chip and of its mirror image.
    ADD COLUMN asymmetry real,
    ADD COLUMN sharpness real,
    -- Degrees, from the landmarks.
    ADD COLUMN yaw       real,
    ADD COLUMN pitch     real,
    ADD COLUMN roll      real,
    ADD CONSTRAINT faces_quality_range CHECK (quality BETWEEN 0 AND 1),
    -- Drawn from the embedding, so that the same faces give the same sample in whatever order they
    -- were stored. Faces stored before keep 0: to give them theirs would build their index anew.
    ADD COLUMN lot integer NOT NULL DEFAULT 0;
ALTER TABLE faces ALTER COLUMN lot DROP DEFAULT;
CREATE INDEX faces_sample ON faces (event_id, lot);
