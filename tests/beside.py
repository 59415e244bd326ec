"""Another model of the same weights, trained at every update as the course does: padded, by its own forward, its mean loss.

Nothing of Byeori is in its losses: transformers' or peft's module, torch's AdamW, the pack's rows padded.

    beside = Beside(model, rate=1e-3); run = train(…, hooks=[beside]); losses(run) == pytest.approx(beside.losses)
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch

import byeori

COLLATED = ("input_ids", "attention_mask", "token_type_ids", "labels")


class Beside(byeori.Hook):
    """`frozen`: how the names of parameters begin that stay as they are. `wrapped(model, run)`: what trains in place of the copy."""

    def __init__(self, model: Any, rate: float, frozen: tuple[str, ...] = ()):
        self.model, self.rate, self.losses = copy.deepcopy(model), rate, list[float]()
        self.model.set_attn_implementation("eager")
        for name, parameter in self.model.named_parameters():
            parameter.requires_grad_(not name.startswith(frozen))

    def train_start(self, run):
        self.model = self.wrapped(self.model, run).train()
        trained = [p for p in self.model.parameters() if p.requires_grad]
        wide, narrow = ([p for p in trained if (p.ndim >= 2) is one] for one in (True, False))
        groups = [{"params": wide, "weight_decay": 0.01}, {"params": narrow, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW([one for one in groups if one["params"]], lr=self.rate)
        assert sum(len(group["params"]) for group in run.optimizer.param_groups) == len(trained)

    def wrapped(self, model, run):
        return model

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
