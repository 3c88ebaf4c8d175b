"""Is a version of the data fit to train with? Read, checked, reported before a cent is spent."""
