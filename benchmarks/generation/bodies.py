"""The benchmark's models, trained from nothing by `byeori.train`, and what they are asked, in a folder of their own.

    DIR/t5/, DIR/t5.json        an encoder-decoder that translates, its 500 sources
    DIR/gpt2/, DIR/gpt2.json    a decoder that goes on with 500 prompts

Outputs end by themselves, at lengths of their own: `check` says how many don't.

    make("models", ["t5"])
"""

from __future__ import annotations

import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.generation import texts

WIDTH, LAYERS, HEADS, PIECES = 256, 3, 4, 8_000
POSITIONS = 256
QUIET = {"validation_size": 0, "test_size": 0, "evaluate_every": "end", "previews": 0, "baselines": False}


@dataclass(frozen=True)
class Body:
    task: str
    rows: Callable[[], texts.Learnt]
    algorithm: str
    recipe: str
    config: Callable[[Any], Any]  # of a tokenizer
    kind: str
    settings: dict[str, Any]


def _t5(tokenizer: Any) -> Any:
    import transformers

    return transformers.T5Config(
        vocab_size=len(tokenizer), d_model=WIDTH, d_kv=WIDTH // HEADS, d_ff=4 * WIDTH, num_layers=LAYERS, num_heads=HEADS,
        pad_token_id=tokenizer.pad_token_id, eos_token_id=tokenizer.eos_token_id, dropout_rate=0.0,
        decoder_start_token_id=tokenizer.pad_token_id,
    )  # fmt: skip


def _gpt2(tokenizer: Any) -> Any:
    import transformers

    end = tokenizer.eos_token_id
    return transformers.GPT2Config(
        vocab_size=len(tokenizer), n_positions=POSITIONS, n_embd=WIDTH, n_layer=LAYERS + 1, n_head=HEADS, bos_token_id=end,
        eos_token_id=end, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
    )  # fmt: skip


BODIES = {
    "t5": Body(
        "translation", texts.pairs, "unigram", "t5", _t5, "T5ForConditionalGeneration",
        {"epochs": 40, "learning_rate": 1e-3, "batch_size": 8, "max_length": 160, "max_target_length": 160},
    ),
    "gpt2": Body(
        "text-generation", texts.lines, "bpe", "gpt2", _gpt2, "GPT2LMHeadModel",
        {"epochs": 16, "learning_rate": 2e-3, "batch_size": 4, "max_length": POSITIONS, "block_length": POSITIONS},
    ),
}  # fmt: skip


def make(folder: str, names: Sequence[str]) -> None:
    """Trains and saves each; what it took and the lengths of what it writes are printed."""
    for name in names:
        body = BODIES[name]
        learnt, asked = body.rows()
        began, clock = time.process_time(), time.perf_counter()
        with tempfile.TemporaryDirectory() as fresh:
            _fresh(body, learnt, fresh)
            _trained(body, learnt, fresh, f"{folder}/{name}")
        took = f"{time.process_time() - began:.0f} s of the processor, {time.perf_counter() - clock:.0f} s"
        _write(folder, name, asked)
        print(f"{name}: {len(learnt):,} rows learnt in {took}; {len(asked)} to be asked", flush=True)
        print(check(f"{folder}/{name}", asked), flush=True)


def _fresh(body: Body, learnt: list[dict[str, str]], folder: str) -> None:
    """A vocabulary learnt from the rows and weights drawn with one seed."""
    import torch
    import transformers

    import byeori

    given = [text for row in learnt for text in row.values()]
    made = byeori.train_tokenizer(
        given, algorithm=body.algorithm, recipe=body.recipe, vocab_size=PIECES, max_length=512, output=folder,
        overwrite=True, **({"extra_ids": 0} if body.recipe == "t5" else {}),
    )  # fmt: skip
    torch.manual_seed(0)
    getattr(transformers, body.kind)(body.config(made.tokenizer)).save_pretrained(folder)


def _trained(body: Body, learnt: list[dict[str, str]], fresh: str, output: str) -> None:
    import byeori

    with tempfile.TemporaryDirectory() as run:
        byeori.train(body.task, fresh, train=learnt, output=f"{run}/run", weight_decay=0.0, **QUIET, **body.settings)
        shutil.copytree(f"{run}/run/model", output, dirs_exist_ok=True)


def _write(folder: str, name: str, asked: list[str]) -> None:
    Path(folder, f"{name}.json").write_text(json.dumps(asked, ensure_ascii=False, indent=0), encoding="utf-8")


def check(folder: str, asked: list[str], most: int = 200) -> str:
    """The lengths of greedy outputs, and how many end only at the maximum."""
    from benchmarks.generation import contestants

    found = contestants.work({
        "who": "tuned", "model": folder, "asked": asked, "batch": 64, "settings": {"num_beams": 1, "max_new_tokens": most},
    })  # fmt: skip
    lengths = found["lengths"]
    tenths = statistics.quantiles(lengths, n=10)
    full = sum(length >= most for length in lengths) / len(lengths)
    return (
        f"greedy: {min(lengths)} to {max(lengths)} tokens, {statistics.mean(lengths):.1f} on average, tenths "
        f"{' '.join(f'{one:.0f}' for one in tenths)}; {100 * full:.1f}% end at the {most} they may have"
    )
