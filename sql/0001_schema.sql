-- Events, photos, faces, people. Times are UTC; boxes and landmarks are pixels of the upright photo.

CREATE EXTENSION IF NOT EXISTS vector;

-- A set of photos searched together, bound to one pipeline: vectors of two models cannot be compared.
CREATE TABLE events (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text NOT NULL UNIQUE CHECK (name <> ''),
    pipeline    text NOT NULL,
    fingerprint text NOT NULL,
    dimension   integer NOT NULL CHECK (dimension > 0),
    settings    jsonb NOT NULL DEFAULT '{}',
    created_at  timestamptz NOT NULL DEFAULT now(),
    -- What faces refers to, so that a face cannot disagree with its event.
    UNIQUE (id, pipeline, dimension)
);

-- One row per file content, however many paths and events hold it. A content that could not be
-- decoded has neither format nor size in pixels.
CREATE TABLE photos (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sha256     bytea NOT NULL UNIQUE CHECK (octet_length(sha256) = 32),
    size_bytes bigint NOT NULL CHECK (size_bytes >= 0),
    format     text,
    width      integer CHECK (width > 0),
    height     integer CHECK (height > 0),
    taken_at   timestamptz,
    -- The offset that the photo's own clock was set to. Null where the photo did not say; its clock
    -- was then read in the time zone of the machine that ingested it.
    taken_offset_minutes smallint,
    camera     text,
    latitude   double precision CHECK (latitude BETWEEN -90 AND 90),
    longitude  double precision CHECK (longitude BETWEEN -180 AND 180),
    created_at timestamptz NOT NULL DEFAULT now(),
    CHECK (num_nulls(format, width, height) IN (0, 3)),
    CHECK (num_nulls(latitude, longitude) IN (0, 2))
);

-- Which content is in which event, and what became of it there.
CREATE TABLE event_photos (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id    bigint NOT NULL REFERENCES events ON DELETE CASCADE,
    photo_id    bigint NOT NULL REFERENCES photos,
    state       text NOT NULL CHECK (state IN ('done', 'failed')),
    error       text,
    ingested_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((state = 'failed') = (error IS NOT NULL)),
    UNIQUE (event_id, photo_id),
    UNIQUE (id, event_id)
);
CREATE INDEX event_photos_photo ON event_photos (photo_id);

-- Where files were found. One that cannot be read has an error; and a content only if it could be
-- read before.
CREATE TABLE event_paths (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id       bigint NOT NULL REFERENCES events ON DELETE CASCADE,
    -- The absolute path's bytes: names need not be UTF-8.
    path           bytea NOT NULL CHECK (octet_length(path) > 0),
    size_bytes     bigint,
    mtime_ns       bigint,
    event_photo_id bigint,
    error          text,
    missing_since  timestamptz,
    CHECK (num_nonnulls(event_photo_id, error) >= 1),
    CHECK (num_nulls(size_bytes, mtime_ns) IN (0, 2)),
    FOREIGN KEY (event_photo_id, event_id) REFERENCES event_photos (id, event_id) ON DELETE CASCADE
);
-- By the path's hash: a path may have 4096 bytes, an index entry 2704.
CREATE UNIQUE INDEX event_paths_path ON event_paths (event_id, sha256(path));
CREATE INDEX event_paths_event_photo ON event_paths (event_photo_id, event_id);

-- Event, pipeline and dimension are repeated here for the search's filters and its partial indexes;
-- the two foreign keys keep them equal to the event's.
CREATE TABLE faces (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_photo_id bigint NOT NULL,
    event_id       bigint NOT NULL,
    pipeline       text NOT NULL,
    dimension      integer NOT NULL,
    x              real NOT NULL,
    y              real NOT NULL,
    w              real NOT NULL CHECK (w > 0),
    h              real NOT NULL CHECK (h > 0),
    landmarks      real[] CHECK (cardinality(landmarks) = 10),
    score          real NOT NULL,
    quality        real,
    -- Without a dimension, since pipelines differ. pgvector itself refuses NaN and infinity.
    embedding      vector NOT NULL,
    CHECK (vector_dims(embedding) = dimension),
    FOREIGN KEY (event_photo_id, event_id)
        REFERENCES event_photos (id, event_id) ON DELETE CASCADE,
    FOREIGN KEY (event_id, pipeline, dimension)
        REFERENCES events (id, pipeline, dimension) ON DELETE CASCADE
);
-- 768 floats pass PostgreSQL's 2 kB line and would be stored out of line: every scan would fetch
-- each vector on its own.
ALTER TABLE faces ALTER COLUMN embedding SET STORAGE PLAIN;
CREATE INDEX faces_event_photo ON faces (event_photo_id, event_id);
CREATE INDEX faces_event ON faces (event_id, pipeline, dimension);

CREATE TABLE people (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       text CHECK (name <> ''),
    created_at timestamptz NOT NULL DEFAULT now()
);

-- Who a face is, and whether a person or the program said so.
CREATE TABLE face_person (
    face_id    bigint PRIMARY KEY REFERENCES faces ON DELETE CASCADE,
    person_id  bigint NOT NULL REFERENCES people ON DELETE CASCADE,
    decided_by text NOT NULL CHECK (decided_by IN ('user', 'machine')),
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX face_person_person ON face_person (person_id);
