-- The program's own bookkeeping: versions, extension, migrations.

-- name: server_version
SELECT current_setting('server_version_num')::integer, current_setting('server_version');

-- The extension's version in this database, null where it is not created; and the one that
-- CREATE EXTENSION would bring, null where the server has no pgvector at all.
-- name: vector_versions
SELECT (SELECT extversion FROM pg_extension WHERE extname = 'vector'),
       (SELECT default_version FROM pg_available_extensions WHERE name = 'vector');

-- Not to_regclass: it may answer from a cache of before the lock was waited for.
-- name: migrations_table
SELECT EXISTS (SELECT FROM pg_catalog.pg_tables
               WHERE tablename = 'schema_migrations'
                 AND schemaname = ANY(current_schemas(false)));

-- name: create_migrations_table
CREATE TABLE IF NOT EXISTS schema_migrations (
    version    integer PRIMARY KEY,
    name       text NOT NULL,
    sha256     text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- name: applied_migrations
SELECT version, name, sha256 FROM schema_migrations ORDER BY version;

-- name: record_migration
INSERT INTO schema_migrations (version, name, sha256)
VALUES (%(version)s, %(name)s, %(sha256)s);

-- One program migrates at a time; the lock ends with the transaction. The number is arbitrary.
-- name: migration_lock
SELECT pg_advisory_xact_lock(7463284012);

-- How many tables of anyone's there are, and whether facefind's are among them.
-- name: tables
SELECT count(*), to_regclass('events') IS NOT NULL AND to_regclass('schema_migrations') IS NOT NULL
FROM pg_catalog.pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema');

-- name: holds_events
SELECT EXISTS (SELECT FROM events);

-- name: create_extension
CREATE EXTENSION IF NOT EXISTS vector;
