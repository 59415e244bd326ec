"""Checks: the data, the contract of model, tokenizer and data, what the model sees."""
