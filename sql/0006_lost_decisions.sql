-- Who a face is, where that face was not found again when its photo was searched anew: kept with
-- the face's box, in pixels of the upright photo, until a face is found there.

CREATE TABLE lost_decisions (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_photo_id bigint NOT NULL REFERENCES event_photos ON DELETE CASCADE,
    person_id      bigint NOT NULL REFERENCES people ON DELETE CASCADE,
    x              real NOT NULL,
    y              real NOT NULL,
    w              real NOT NULL CHECK (w > 0),
    h              real NOT NULL CHECK (h > 0),
    decided_by     text NOT NULL CHECK (decided_by IN ('user', 'machine')),
    -- When it was decided, not when it was lost.
    created_at     timestamptz NOT NULL
);
CREATE INDEX lost_decisions_event_photo ON lost_decisions (event_photo_id);
CREATE INDEX lost_decisions_person ON lost_decisions (person_id);
