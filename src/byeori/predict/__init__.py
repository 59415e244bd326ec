"""The engine over encoded rows, evaluation, the pipeline, file → file."""
