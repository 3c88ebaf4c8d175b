"""The training loop: batches, steps, schedule, checkpoints, and the devices that it runs on."""
