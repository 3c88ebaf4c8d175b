"""Does a model go live? The gate's decision, and people's."""
