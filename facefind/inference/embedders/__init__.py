"""One file per face embedder, each with the alignment it was trained for."""
