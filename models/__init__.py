"""The records of facefind's weight files, and the build step that collects the bundled ones."""
