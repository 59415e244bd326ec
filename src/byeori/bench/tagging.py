"""A plain Trainer on tagged words: the tag of a word at its first token, −100 elsewhere (`word_ids`).

tagging(recipe, task, train, test)["scores"]["f1"]
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from byeori.bench.trainer import RESAMPLES, Recipe, longest, loss, prepared, trained
from byeori.tasks.label_names import names_in

if TYPE_CHECKING:
    from byeori.data.rows import Rows

IGNORED = -100


def tagging(recipe: Recipe, task: Any, train: Rows, test: Rows) -> dict[str, Any]:
    """Each token of the file is a word to the tokenizer, also where the file tags characters."""
    return _tagged(recipe, task, train.table, test.table, _words)


def by_offsets(recipe: Recipe, task: Any, train: Rows, test: Rows) -> dict[str, Any]:
    """Of characters: the text is tokenized as it stands, and a token gets the tag of the character it begins with."""
    return _tagged(recipe, task, train.table, test.table, _characters)


def _tagged(recipe: Recipe, task: Any, train: Any, test: Any, way: Any) -> dict[str, Any]:
    import datasets
    import transformers

    tokenizer = prepared(recipe)
    names = sorted({tag for tags in train["tags"][:] for tag in tags})
    own = names_in(transformers.AutoConfig.from_pretrained(recipe.model))
    names = own if sorted(own) == names else names  # a head that is kept knows its tags by their numbers
    ids = {name: number for number, name in enumerate(names)}
    model = transformers.AutoModelForTokenClassification.from_pretrained(
        recipe.model, id2label=dict(enumerate(names)), label2id=ids, ignore_mismatched_sizes=True
    )
    length = longest(recipe, task, model, tokenizer)

    def encoded(table: Any) -> tuple[datasets.Dataset, list[list[int | None]]]:
        found, owners = way(tokenizer, table["tokens"][:], length)
        labels = []
        for tags, owner in zip(table["tags"][:], owners, strict=True):
            firsts = _firsts(owner)
            labels.append([
                ids.get(tags[unit], IGNORED) if unit is not None and firsts[unit] == at else IGNORED
                for at, unit in enumerate(owner)
            ])  # fmt: skip
        return datasets.Dataset.from_dict({**found, "labels": labels}), owners

    rows, _ = encoded(train)
    collator = transformers.DataCollatorForTokenClassification(tokenizer)
    filler = "O" if "O" in ids else Counter(tag for tags in train["tags"][:] for tag in tags).most_common(1)[0][0]
    with trained(recipe, model, tokenizer, rows, collator) as (trainer, took):
        asked, owners = encoded(test)
        judged = trainer.predict(asked)
        best = judged.predictions.argmax(-1)
        predictions = []
        for place, (words, owner) in enumerate(zip(test["tokens"][:], owners, strict=True)):
            firsts = _firsts(owner)
            tags: list[Any] = [
                names[best[place][firsts[unit]]] if unit in firsts else None for unit in range(len(words))
            ]
            tags = _continued(tags, words) if way is _characters else [tag or filler for tag in tags]
            if task.unit == "character":  # a space is no character to score
                tags = [tag for tag, word in zip(tags, words, strict=True) if not word.isspace()]
            predictions.append(tags)
        scores = task.score(predictions, task.references(test), resamples=RESAMPLES)
        return {"scores": scores | loss(judged.metrics), **took}


def _firsts(owner: list[int | None]) -> dict[int, int]:
    """unit → its first token."""
    found: dict[int, int] = {}
    for at, unit in enumerate(owner):
        if unit is not None:
            found.setdefault(unit, at)
    return found


def _words(tokenizer: Any, rows: list[list[str]], length: int) -> tuple[Any, list[list[int | None]]]:
    found = tokenizer(rows, is_split_into_words=True, truncation=True, max_length=length)
    return found, [found.word_ids(place) for place in range(len(rows))]


def _characters(tokenizer: Any, rows: list[list[str]], length: int) -> tuple[Any, list[list[int | None]]]:
    texts = ["".join(words) for words in rows]
    found = tokenizer(texts, truncation=True, max_length=length, return_offsets_mapping=True)
    owners: list[list[int | None]] = []
    for offsets in found.pop("offset_mapping"):
        owners.append([start if start < end else None for start, end in offsets])
    return found, owners


def _continued(tags: list[str | None], words: list[str]) -> list[str]:
    """Characters inside a token go on with its tag."""
    found: list[str] = []
    for tag, word in zip(tags, words, strict=True):
        if tag is None:
            before = found[-1] if found and not word.isspace() else "O"
            tag = f"I-{before[2:]}" if before != "O" else "O"
        found.append(tag)
    return found
