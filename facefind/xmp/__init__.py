"""Names and faces exchanged with other photo programs."""
