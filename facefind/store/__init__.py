"""Where events, photos, faces and people are kept: PostgreSQL with pgvector, embedded or given."""
