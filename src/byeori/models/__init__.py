"""Loading body and head, packed attention, what can be wrong with a checkpoint."""

from byeori.models.heap import few_kernels

few_kernels()
