"""The Trainer's side: what all tasks share of a plain transformers Trainer.

with trained(job, model, tokenizer, rows, collator) as (trainer, took): trainer.predict(test)
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterator
from typing import Any

RESAMPLES = 1_000


@contextlib.contextmanager
def trained(job: dict, model: Any, tokenizer: Any, rows: Any, collator: Any, **more: Any) -> Iterator[tuple[Any, dict]]:
    """A Trainer that is done, and what it took: {"seconds" of the processor, "losses"}; `more` are further arguments (Seq2Seq…)."""
    import transformers

    own = job["settings"]
    kinds = ("Seq2SeqTrainer", "Seq2SeqTrainingArguments") if more else ("Trainer", "TrainingArguments")
    trainer_class, arguments_class = (getattr(transformers, name) for name in kinds)
    grouped = own.get("order", "grouped") == "grouped"
    with tempfile.TemporaryDirectory() as folder:
        arguments = arguments_class(
            output_dir=folder, per_device_train_batch_size=own["batch_size"], per_device_eval_batch_size=32,
            num_train_epochs=own["epochs"], learning_rate=own["learning_rate"], warmup_steps=0.1, use_cpu=True,
            train_sampling_strategy="group_by_length" if grouped else "random", save_strategy="no", report_to="none",
            disable_tqdm=True, logging_steps=10, logging_first_step=False, seed=own.get("seed", 0), **more,
        )  # fmt: skip
        trainer = trainer_class(
            model, arguments, train_dataset=rows, data_collator=collator, processing_class=tokenizer
        )
        began = time.process_time()
        trainer.train()
        seconds = time.process_time() - began
        # Grouped, it would predict in an order of its own, and not say which row is which.
        trainer.args.train_sampling_strategy = "random"
        losses = [line["loss"] for line in trainer.state.log_history if "loss" in line]
        yield trainer, {"seconds": seconds, "losses": [losses[0], losses[-1]] if losses else []}


def seeded(job: dict) -> Any:
    """The tokenizer; transformers quiet and seeded as its Trainer would be."""
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.set_seed(job["settings"].get("seed", 0))
    return transformers.AutoTokenizer.from_pretrained(job["model"])


def loss(judged: Any) -> dict[str, Any]:
    """The test loss as the Trainer says it: the mean of its batches."""
    name = next((name for name in judged if name.endswith("_loss")), None)
    return {} if name is None else {"loss": {"value": float(judged[name]), "low": None, "high": None}}
