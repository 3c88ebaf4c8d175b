"""The training job: asked for, followed, its outputs published and registered."""
