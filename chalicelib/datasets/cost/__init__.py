"""What a training job costs: prices of instances, how long it takes, and what a month has cost."""
