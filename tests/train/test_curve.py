"""A whole training in packs beside transformers' own modules on padded rows: the same loss at every update, float32, dropout 0."""

from __future__ import annotations

import numpy as np
import pytest

import byeori
from beside import Beside
from plain import JOBS, losses, train

STEPS = 20
CASES = {
    "text-classification": ("bert", "roberta", "modernbert", "gpt2", "deberta-v2"),
    "pairs": ("albert",),
    "token-classification": ("electra",),
    "question-answering": ("xlm-roberta",),
    "fill-mask": ("distilbert",),
    "multiple-choice": ("bert",),
    "text-generation": ("gpt2", "llama"),
    "summarization": ("t5", "bart", "led"),
}
LABELS = {
    "text-classification": ["English", "한국어"], "pairs": ["English", "한국어"],
    "token-classification": ["O", "B-EN", "I-EN", "B-KO", "I-KO"],
}  # fmt: skip
RATE = 1e-3


@pytest.mark.parametrize(("job", "name"), [(job, name) for job, names in CASES.items() for name in names])
def test_the_loss_curve_is_that_of_padded_rows(tiny, tmp_path, job, name):
    task = byeori.tasks.find(JOBS[job].task)(**({"labels": LABELS[job]} if job in LABELS else {}))
    model, tokenizer = byeori.load(str(tiny(name, auto=JOBS[job].auto)), task, seed=0)
    beside = Beside(model, RATE)
    run = train(
        job, model, tmp_path / "run", task=task, tokenizer=tokenizer, max_steps=STEPS, learning_rate=RATE, batch_size=4,
        order="random", hooks=[beside],
    )  # fmt: skip
    found = losses(run)
    assert found == pytest.approx(beside.losses, rel=2e-5, abs=1e-6)
    assert min(found) < 0.9 * found[0]


@pytest.mark.parametrize("job", ["text-classification", "fill-mask"])
def test_16_bits_end_within_the_spread_of_seeds(tiny, tmp_path, job):
    source = tiny("bert", auto="AutoModel", dropout=0.1)

    def ends(precision):
        for seed in range(4):
            place = tmp_path / f"{precision}-{seed}"
            run = train(job, source, place, precision=precision, seed=seed, batch_size=4, learning_rate=RATE)
            yield np.mean(losses(run)[-4:])

    wide, narrow = (np.array(list(ends(precision))) for precision in ("float32", "bfloat16"))
    assert not np.array_equal(wide, narrow)
    assert np.abs(wide - narrow).max() < np.ptp(wide)
