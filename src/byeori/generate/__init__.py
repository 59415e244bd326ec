"""Decoding: new tokens from encoder-decoder and decoder models."""
