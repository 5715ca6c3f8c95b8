"""What the trainer asks of the hub: weights to train, files of what it made, and how the engine reads a prompt."""
