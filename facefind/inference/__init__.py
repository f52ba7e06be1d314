"""Models: finding faces in pixels and turning them into vectors."""
