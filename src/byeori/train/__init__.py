"""The loop, optimisation, checkpoints, hooks, progress."""
