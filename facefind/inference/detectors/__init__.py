"""One file per face detector."""
