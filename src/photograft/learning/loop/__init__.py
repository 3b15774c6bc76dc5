"""The training loop: batches, targets, optimiser, checkpoints. Needs torch."""
