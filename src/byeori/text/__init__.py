"""rows → token store: encoding, and the flat arrays on disk."""
