"""A plain Trainer on questions: windows with stride, start and end tokens, the n best spans (the course's chapter on it).

questions(recipe, task, train, test)["scores"]["f1"]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from byeori.bench.trainer import RESAMPLES, Recipe, longest, loss, prepared, trained

if TYPE_CHECKING:
    from byeori.data.rows import Rows

N_BEST, LONGEST = 20, 30


def questions(recipe: Recipe, task: Any, train: Rows, test: Rows) -> dict[str, Any]:
    import datasets
    import transformers

    tokenizer = prepared(recipe)
    model = transformers.AutoModelForQuestionAnswering.from_pretrained(recipe.model)
    length = longest(recipe, task, model, tokenizer)

    def encoded(table: Any) -> Any:
        found = cut(tokenizer, table["question"][:], table["context"][:], length, task.settings.stride)
        answers = table["answers"][:]
        places = zip(found["overflow_to_sample_mapping"], found["whole_offsets"], found["inside"], strict=True)
        both = [_answer(answers[row], where, inside) for row, where, inside in places]
        found["start_positions"], found["end_positions"] = [start for start, _ in both], [end for _, end in both]
        return found

    def dataset(found: Any) -> datasets.Dataset:
        names = (*tokenizer.model_input_names, "start_positions", "end_positions")
        return datasets.Dataset.from_dict({name: found[name] for name in names if name in found})

    collator = transformers.DataCollatorWithPadding(tokenizer)
    impossible = any(not answers["text"] for answers in train.table["answers"][:])
    with trained(recipe, model, tokenizer, dataset(encoded(train.table)), collator) as (trainer, took):
        asked = encoded(test.table)
        judged = trainer.predict(dataset(asked))
        start, end = judged.predictions
        predictions = answered(test.table["context"][:], asked, start, end, impossible)
        scores = task.score(predictions, task.references(test.table), resamples=RESAMPLES)
        return {"scores": scores | loss(judged.metrics), **took}


def cut(tokenizer: Any, questions: list[str], contexts: list[str], length: int, stride: int | None, **more: Any) -> Any:
    """Windows of at most `length` tokens that share `stride` tokens of context, as the tokenizer returns them.

    Beside its own columns: "whole_offsets" as the tokenizer says them, "offset_mapping" with None where a token is none of
    the context, "inside" the places of the tokens that are. `more` are further arguments of the tokenizer.
    """
    found = tokenizer(
        [question.strip() for question in questions], contexts, max_length=length, truncation="only_second",
        stride=min(128, length // 4) if stride is None else stride, return_overflowing_tokens=True,
        return_offsets_mapping=True, **more,
    )  # fmt: skip
    inside = [
        [at for at, side in enumerate(found.sequence_ids(place)) if side == 1]
        for place in range(len(found["input_ids"]))
    ]
    found["inside"], found["whole_offsets"] = inside, found["offset_mapping"]
    found["offset_mapping"] = [
        [one if at in places else None for at, one in enumerate(where)]
        for where, places in zip(found["whole_offsets"], map(set, inside), strict=True)
    ]
    return found


def answered(contexts: list[str], windows: Any, start: Any, end: Any, impossible: bool) -> list[str]:
    """The best span of each question's windows; `start` and `end` are logits, a row a window."""
    own: dict[int, list[int]] = {}
    for place, row in enumerate(windows["overflow_to_sample_mapping"]):
        own.setdefault(row, []).append(place)
    return [
        _best(context, [(start[at], end[at], windows["offset_mapping"][at]) for at in own[row]], impossible)
        for row, context in enumerate(contexts)
    ]


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
