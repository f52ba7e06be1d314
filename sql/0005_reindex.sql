-- Moving an event to other vectors. What an event is bound to never changes; a move makes another
-- event, its successor, which is hidden until it is whole and then takes the event's place.

ALTER TABLE events
    -- The event whose place this one is to take. Null for those that users see.
    ADD COLUMN replaces bigint REFERENCES events ON DELETE CASCADE CHECK (replaces <> id),
    DROP CONSTRAINT events_name_key;
CREATE UNIQUE INDEX events_name ON events (name) WHERE replaces IS NULL;
CREATE UNIQUE INDEX events_replaces ON events (replaces) WHERE replaces IS NOT NULL;

ALTER TABLE event_photos
    -- In a successor, the content in the event that this one is the same as. What is forgotten there
    -- is forgotten here.
    ADD COLUMN replaces bigint REFERENCES event_photos ON DELETE CASCADE CHECK (replaces <> id);
CREATE UNIQUE INDEX event_photos_replaces ON event_photos (replaces) WHERE replaces IS NOT NULL;
