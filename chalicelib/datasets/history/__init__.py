"""What became of each version, and whom it is told."""
