"""A whole training in packs beside transformers' own modules on padded rows: the same loss at every update, float32, dropout 0."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

import byeori
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
COLLATED = ("input_ids", "attention_mask", "token_type_ids", "labels")


class Beside(byeori.Hook):
    """Another model of the same weights, trained as the course does: padded, by its own forward, its mean loss."""

    def __init__(self, model):
        self.model, self.losses = copy.deepcopy(model).train(), []
        self.model.set_attn_implementation("eager")
        wide, narrow = ([p for p in self.model.parameters() if (p.ndim >= 2) is wide] for wide in (True, False))
        groups = [{"params": wide, "weight_decay": 0.01}, {"params": narrow, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=RATE)

    def step_end(self, run, pack, outputs):
        inputs = self.inputs(run.task.name, pack)
        loss = self.asked(inputs) if run.task.name == "question-answering" else self.model(**inputs).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.losses.append(loss.item())

    def asked(self, inputs):
        """Without the places of padding, which transformers takes for tokens that could be the answer."""
        places, outputs = inputs.pop("labels"), self.model(**inputs)
        logits = torch.stack([outputs.start_logits, outputs.end_logits], 1)
        logits = logits.masked_fill(inputs["attention_mask"][:, None] == 0, -torch.inf)
        return torch.nn.functional.cross_entropy(logits.flatten(0, 1), places.flatten())

    def inputs(self, task, pack):
        """The pack as the course's collators give it."""
        found = {name: values for name, values in pack.padded().items() if name in COLLATED}
        labels = found["labels"]
        if task == "text-generation":  # ours stand where they are foretold, theirs at their own token
            found["labels"] = torch.nn.functional.pad(labels[:, :-1], (1, 0), value=-100)
        if task == "multiple-choice":
            order = torch.from_numpy(np.argsort(pack.sequences))
            found = {name: values[order].unflatten(0, (-1, 2)) for name, values in found.items()}
            found["labels"] = found["labels"].argmax(1)
        if self.model.config.model_type == "led":  # the first token sees all
            found["global_attention_mask"] = torch.zeros_like(found["attention_mask"])
            found["global_attention_mask"][:, 0] = 1
        return found


@pytest.mark.parametrize(("job", "name"), [(job, name) for job, names in CASES.items() for name in names])
def test_the_loss_curve_is_that_of_padded_rows(tiny, tmp_path, job, name):
    task = byeori.tasks.find(JOBS[job].task)(**({"labels": LABELS[job]} if job in LABELS else {}))
    model, tokenizer = byeori.load(str(tiny(name, auto=JOBS[job].auto)), task, seed=0)
    beside = Beside(model)
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
