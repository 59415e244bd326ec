"""A plain Trainer on questions: windows with stride, start and end tokens, the n best spans (the course's chapter on it).

questions(job, task, train, test)["scores"]["f1"]
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.tasks.theirs import RESAMPLES, loss, seeded, trained

N_BEST, LONGEST = 20, 30


def questions(job: dict, task: Any, train: Any, test: Any) -> dict:
    import datasets
    import transformers

    own = job["settings"]
    tokenizer = seeded(job)
    model = transformers.AutoModelForQuestionAnswering.from_pretrained(job["model"])

    def encoded(table: Any) -> Any:
        found = tokenizer(
            [question.strip() for question in table["question"][:]], table["context"][:], max_length=own["max_length"],
            truncation="only_second", stride=own["stride"], return_overflowing_tokens=True, return_offsets_mapping=True,
        )  # fmt: skip
        answers = table["answers"][:]
        starts, ends, offsets = [], [], []
        for place, row in enumerate(found["overflow_to_sample_mapping"]):
            inside = [at for at, side in enumerate(found.sequence_ids(place)) if side == 1]
            where = found["offset_mapping"][place]
            offsets.append([one if at in set(inside) else None for at, one in enumerate(where)])
            start, end = _answer(answers[row], where, inside)
            starts.append(start)
            ends.append(end)
        found["start_positions"], found["end_positions"], found["offset_mapping"] = starts, ends, offsets
        return found

    def dataset(found: Any) -> datasets.Dataset:
        names = (*tokenizer.model_input_names, "start_positions", "end_positions")
        return datasets.Dataset.from_dict({name: found[name] for name in names})

    collator = transformers.DataCollatorWithPadding(tokenizer)
    impossible = any(not answers["text"] for answers in train["answers"][:])
    with trained(job, model, tokenizer, dataset(encoded(train)), collator) as (trainer, took):
        asked = encoded(test)
        judged = trainer.predict(dataset(asked))
        start, end = judged.predictions
        windows: dict[int, list[int]] = {}
        for place, row in enumerate(asked["overflow_to_sample_mapping"]):
            windows.setdefault(row, []).append(place)
        predictions = [
            _best(context, [(start[at], end[at], asked["offset_mapping"][at]) for at in windows[row]], impossible)
            for row, context in enumerate(test["context"][:])
        ]
        scores = task.score(predictions, task.references(test), resamples=RESAMPLES)
        return {"scores": scores | loss(judged.metrics), **took}


def _answer(answers: dict[str, list], offsets: list[tuple[int, int]], inside: list[int]) -> tuple[int, int]:
    """First and last token of the first answer, or [CLS] twice where it isn't all in the window."""
    if not answers["text"]:
        return 0, 0
    first = answers["answer_start"][0]
    last = first + len(answers["text"][0])
    if offsets[inside[0]][0] > first or offsets[inside[-1]][1] < last:
        return 0, 0
    start = max(at for at in inside if offsets[at][0] <= first)
    end = min(at for at in inside if offsets[at][1] >= last)
    return start, end


def _best(context: str, windows: list[tuple[np.ndarray, np.ndarray, list]], impossible: bool) -> str:
    """The best span of a question's windows; "" where no answer scores higher."""
    found, score, null = "", -np.inf, np.inf
    for start, end, offsets in windows:
        null = min(null, float(start[0] + end[0]))
        for first in np.argsort(start)[-1 : -N_BEST - 1 : -1]:
            for last in np.argsort(end)[-1 : -N_BEST - 1 : -1]:
                if max(first, last) >= len(offsets) or offsets[first] is None or offsets[last] is None:
                    continue
                if last < first or last - first + 1 > LONGEST:
                    continue
                if start[first] + end[last] > score:
                    score = float(start[first] + end[last])
                    found = context[offsets[first][0] : offsets[last][1]]
    return "" if impossible and null > score else found
