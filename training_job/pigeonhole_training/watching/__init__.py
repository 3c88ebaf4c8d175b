"""Watching a training run: what each step's time goes into, and what that says."""
