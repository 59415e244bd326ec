"""Loading body and head, packed attention, what can be wrong with a checkpoint."""
