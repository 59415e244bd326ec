"""Scores, their intervals, and the baselines they stand beside.

A score is a function of (predicted, reference) as arrays in row order. Nothing here knows a model, a tokenizer or a
file; importing the room loads nothing but the standard library, each file loads what it needs (NumPy; SciPy and
scikit-learn inside the functions that call them).

    from byeori.metrics.scores import scores; scores("single_label", [0, 1, 1], [0, 1, 0], ["no", "yes"])["accuracy"]
"""
