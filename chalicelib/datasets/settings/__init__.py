"""dataset.json, understood."""
