"""Tiny models of each family, trained for a moment: their texts differ and end at their own lengths.

Invariants: a model is made once a session, and is a function of its family's name; ids only, the first eight of them
special; float32, no dropout. The rule they learn in part: the distinct words of a source, ascending, then the end. What
was written says what may come, the source says which of it and how long it gets. One word in twelve is wrong, so that
rivals stay near each other.

    model = trained("marian"); found = model.generate(torch.tensor([prompts("marian", 24)[5]]))
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch

from families import Family

PAD, END, START, BAR = 0, 1, 2, 3  # BAR: in a decoder's prompt, between source and text
FIRST, WORDS = 8, 40  # ids from FIRST up to WORDS are words
UNSEEN = 5  # one of those before, in no source and no text
LONGEST = 40
KINDS = 24  # most distinct words of a source
MISTAKES = 1 / 12

SEQ2SEQ = ("t5", "mt5", "bart", "mbart", "marian", "pegasus", "led")
DECODERS = ("gpt2", "ctrl", "llama", "qwen2", "qwen3", "gemma", "gemma2", "gemma3_text")
FAMILIES = (*SEQ2SEQ, *DECODERS)
ROWS, STEPS, RATE = 16, 70, 1.5e-2
SLOWER = {
    "t5": (120, 8e-3),
    "mt5": (110, 1e-2),
    "gpt2": (100, 1.2e-2),
    "ctrl": (120, 1.5e-2),
}  # steps and rate where it takes more
SPREAD = 0.1  # standard deviation of fresh weights


@cache
def trained(name: str) -> Any:
    """The family's model, in evaluation mode. Tests must leave it as it is."""
    generator = torch.Generator().manual_seed(1)
    model = fresh(name).train()
    steps, rate = SLOWER.get(name, (STEPS, RATE))
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.0, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, steps, pct_start=0.2)
    for _ in range(steps):
        model(**_batch(name, generator)).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    return model.eval().requires_grad_(False)


def fresh(name: str) -> Any:
    """With fresh weights: the shape that the batteries over families have, with a small vocabulary of its own."""
    import transformers

    built = Family(name).built
    values = dict(built.config) | dict.fromkeys(built.dropout, 0.0)
    values |= {key: SPREAD for key in ("init_std", "initializer_range") if key in values}
    values |= {"vocab_size": WORDS, "pad_token_id": PAD, "eos_token_id": END, "bos_token_id": START}
    if name in SEQ2SEQ:
        values["decoder_start_token_id"] = PAD if built.start == "<pad>" else END
    torch.manual_seed(0)
    auto = transformers.AutoModelForSeq2SeqLM if name in SEQ2SEQ else transformers.AutoModelForCausalLM
    model = auto.from_config(transformers.AutoConfig.for_model(built.model_type, **values))
    model.generation_config = transformers.GenerationConfig(
        pad_token_id=PAD, eos_token_id=END, bos_token_id=START,
        decoder_start_token_id=values.get("decoder_start_token_id"),
    )  # fmt: skip
    return model


def prompts(name: str, count: int, seed: int = 5) -> list[list[int]]:
    """Sources, or a decoder's prompts: 1 to 40 ids, short and long ones beside each other."""
    generator = torch.Generator().manual_seed(seed)
    spread = torch.linspace(1, LONGEST, count).long()[torch.randperm(count, generator=generator)].tolist()
    if name in SEQ2SEQ:
        return [_source(length, generator) for length in spread]
    return [[*_source(length - 1, generator), BAR] for length in spread]


def _source(length: int, generator: torch.Generator) -> list[int]:
    kinds = int(torch.randint(1, KINDS, (), generator=generator))
    known = torch.randperm(WORDS - FIRST, generator=generator)[:kinds] + FIRST
    return known[torch.randint(0, kinds, (length,), generator=generator)].tolist()


def _target(source: list[int], generator: torch.Generator) -> list[int]:
    right = torch.tensor(sorted(set(source)))
    wrong = torch.rand(right.shape, generator=generator) < MISTAKES
    return [*torch.where(wrong, torch.randint(FIRST, WORDS, right.shape, generator=generator), right).tolist(), END]


def _batch(name: str, generator: torch.Generator) -> dict[str, torch.Tensor]:
    """What a step learns from: more short sources than long ones, which is cheaper."""
    lengths = (1 + LONGEST * torch.rand(ROWS, generator=generator) ** 2).long().tolist()
    sources = [_source(length, generator) for length in lengths]
    targets = [_target(source, generator) for source in sources]
    if name in SEQ2SEQ:
        inputs, labels = sources, targets
    else:
        pairs = list(zip(sources, targets, strict=True))
        inputs = [[*source, BAR, *target] for source, target in pairs]
        labels = [[-100] * (len(source) + 1) + target for source, target in pairs]
    seen = [[1] * len(row) for row in inputs]
    return {
        "input_ids": _rectangle(inputs, PAD), "attention_mask": _rectangle(seen, 0), "labels": _rectangle(labels, -100)
    }  # fmt: skip


def _rectangle(rows: list[list[int]], fill: int) -> torch.Tensor:
    longest = max(map(len, rows))
    return torch.tensor([row + [fill] * (longest - len(row)) for row in rows])
