"""Token store → packed batches: order, budget, packing."""
