"""What all tasks share of a plain transformers Trainer, as the course sets it up.

with trained(recipe, model, tokenizer, rows, collator) as (trainer, took): trainer.predict(test)
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from byeori.bench.clock import Clock, peak_mb
from byeori.bench.padding import Padding

RESAMPLES = 1_000


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a Trainer is set, in Byeori's names; as it stands here, the tutorials' way."""

    model: str
    epochs: float = 3.0
    batch_size: int = 8
    learning_rate: float = 5e-5
    warmup_ratio: float = 0.0
    order: str = "random"
    precision: str = "float32"
    device: str = "cpu"
    max_length: int | None = None
    seed: int = 0
    log_every: int | None = None


@contextlib.contextmanager
def trained(
    recipe: Recipe, model: Any, tokenizer: Any, rows: Any, collator: Any, **more: Any
) -> Iterator[tuple[Any, dict[str, Any]]]:
    """A Trainer that is done, and what it took: what `Clock.found` gives, "memory_mb", "padding", "steps", "losses".

    `more` are further arguments (of Seq2SeqTrainingArguments). The clock runs from before the first batch is fetched to the
    last update; loading and tokenizing are done by then.
    """
    import transformers

    kinds = ("Seq2SeqTrainer", "Seq2SeqTrainingArguments") if more else ("Trainer", "TrainingArguments")
    trainer_class, arguments_class = (getattr(transformers, name) for name in kinds)
    clock, padding = Clock(), Padding()

    class Timed(transformers.TrainerCallback):
        def on_train_begin(self, *arguments: Any, **named: Any) -> None:
            clock.start()

        def on_train_end(self, *arguments: Any, **named: Any) -> None:
            _wait(model)
            clock.stop()

    logging = {"logging_strategy": "no"} if recipe.log_every is None else {"logging_steps": recipe.log_every}
    with tempfile.TemporaryDirectory() as folder:
        arguments = arguments_class(
            output_dir=folder, per_device_train_batch_size=recipe.batch_size, per_device_eval_batch_size=32,
            num_train_epochs=recipe.epochs, learning_rate=recipe.learning_rate,
            warmup_steps=recipe.warmup_ratio,  # a share, where it is below 1
            use_cpu=recipe.device == "cpu", bf16=recipe.precision == "bfloat16", fp16=recipe.precision == "float16",
            train_sampling_strategy="group_by_length" if recipe.order == "grouped" else "random",
            optim="adamw_torch_fused", save_strategy="no", report_to="none", disable_tqdm=True, seed=recipe.seed,
            **logging, **more,
        )  # fmt: skip
        trainer = trainer_class(
            model, arguments, train_dataset=rows, data_collator=padding.collating(collator), processing_class=tokenizer,
            callbacks=[Timed()],
        )  # fmt: skip
        trainer.remove_callback(transformers.PrinterCallback)  # it writes to standard output, where results go
        trainer.train()
        took = {
            **clock.found(), "memory_mb": peak_mb(trainer.args.device), "padding": padding.share,
            "steps": trainer.state.global_step, "losses": _ends(trainer.state.log_history),
        }  # fmt: skip
        # Grouped, it would predict in an order of its own, and not say which row is which.
        trainer.args.train_sampling_strategy = "random"
        yield trainer, took


def prepared(recipe: Recipe) -> Any:
    """The tokenizer; transformers quiet, and seeded as its Trainer would be."""
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.set_seed(recipe.seed)
    return transformers.AutoTokenizer.from_pretrained(recipe.model)


def longest(recipe: Recipe, task: Any, model: Any, tokenizer: Any) -> int:
    """Tokens of an input at most: what Byeori takes for this model where nobody says."""
    from byeori.models.checks import length_for, usable_length

    return length_for(recipe.max_length, usable_length(model, tokenizer), recipe.model, task.default_length)


def loss(judged: Any) -> dict[str, Any]:
    """The test loss as the Trainer says it: the mean of its batches."""
    name = next((name for name in judged if name.endswith("_loss")), None)
    return {} if name is None else {"loss": {"value": float(judged[name]), "low": None, "high": None}}


def _ends(history: list[dict[str, Any]]) -> list[float]:
    """The first and the last loss that were logged."""
    losses = [line["loss"] for line in history if "loss" in line]
    return [losses[0], losses[-1]] if losses else []


def _wait(model: Any) -> None:
    """A GPU runs behind: until it has done what it was given, nothing is over."""
    if model.device.type == "cuda":
        import torch

        torch.cuda.synchronize(model.device)
