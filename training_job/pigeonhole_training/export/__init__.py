"""What a job leaves: the artifact that is served, whole or not at all."""
