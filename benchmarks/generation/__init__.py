"""Decoding beside what people use today: `python -m benchmarks.generation --help`."""
