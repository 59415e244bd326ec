"""Byeori beside a plain transformers Trainer on each task's real data: `python -m benchmarks.tasks`."""
