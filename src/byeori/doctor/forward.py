"""One batch through the model before anything is trained: its parts, its outputs' names and shapes, its loss, its best guesses.

Invariants: the batch is that of training without dropout: the task's own encoding, draw and loss, divided as the loop divides
it; the names and shapes of outputs are those of transformers' own call on the same rows, padded.

    print("\n".join(forward(task, loaded, rows).lines()))
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from byeori.data.wording import count, short
from byeori.doctor import sees_lines, sees_model
from byeori.doctor.sees import learns, stored
from byeori.doctor.sees_rows import views
from byeori.doctor.sees_table import table
from byeori.doctor.sees_tokens import lines_of, name_of
from byeori.tasks.base import DRAW_SEED, Task
from byeori.tasks.question_answering import QuestionAnswering
from byeori.tasks.token_classification import TokenClassification
from byeori.text.blocks import IGNORED
from byeori.text.store import LIST

if TYPE_CHECKING:
    from byeori.batches.pack import Pack
    from byeori.data.rows import Rows
    from byeori.models.load import Loaded
    from byeori.text.store import TokenStore

ROWS = 8
TOKENS = 4_096  # of the batch; one row at least
LOGITS = 1 << 27  # numbers of the whole vocabulary's size that transformers' own call may make: 512 MB
FAR = 1.5  # times what guessing costs
NEAR = 0.9
PLACES = ["start", "end"]  # of an answer
START, END = range(2)
KEYS = ("text", "word", "tag", "next", "seen", "drawn", "answer", "best")


@dataclass(frozen=True)
class Forward:
    """`data` is JSON-ready; `lines()` says the same to people."""

    data: dict[str, Any]

    def lines(self) -> list[str]:
        return _lines(self.data)


def forward(
    task: Task,
    loaded: Loaded,
    rows: Rows,
    *,
    most: int = ROWS,
    shown: int = 2,
    max_length: int | None = None,
    truncation: str = "head",
) -> Forward:
    """Run the first rows, `most` or as many as hold some thousand tokens, and show the guesses for the first `shown`.

    Raises DataError, ModelError, SettingError as training would.
    """
    import torch

    from byeori.batches import budget
    from byeori.batches.loader import Batch, Packing
    from byeori.models.packed import runner, unwrapped

    store, encoder, notes = stored(task, loaded, rows, most, max_length, truncation)
    store = _within(store, rows)
    model: Any = loaded.model
    run = runner(model)
    packed = run.packs_for(task)
    cost = budget.of_a_group(packed, "float32", "cpu")
    labelled = learns(task, rows)
    draw = task.drawing(DRAW_SEED, 0) if labelled else None
    batch = Batch(store, np.arange(len(store)), Packing(max(TOKENS, store.tokens), cost), draw=draw, apart=task.apart)
    training = model.training
    model.eval()
    judge = task.judging()
    total = 0.0
    best: dict[int, np.ndarray] = {}  # sequence → the likeliest at each of its places
    with torch.inference_mode():
        packs = list(batch)
        for pack in packs:
            outputs = task.outputs(model, pack)
            if labelled:
                total += float(judge.losses(outputs, pack).sum())
            best |= _best(task, outputs, pack)
        named, plain = _plain(unwrapped(model), run, packs[0])
        answers = _answers(task, packs, store, model) if not task.generates else None
    model.train(training)
    data: dict[str, Any] = {
        "kind": "forward", "task": task.name, "model": loaded.source, **sees_model.parts(model, loaded.new_weights),
        "batch": {
            "rows": len(store), "sequences": store.sequences, "tokens": store.tokens, "computed": sum(pack.computed for pack in packs),
            "packs": len(packs), "packed": packed, "reason": "" if packed else run.reason, "max_length": encoder.max_length,
        },
        "outputs": named, "loss": None, "notes": notes,
    }  # fmt: skip
    if labelled:
        data["loss"] = _judged(task, loaded, store, packs, total / max(1, batch.labels), batch.labels)
    data["rows"] = _guesses(task, loaded, rows, store, best, answers, plain, packs[0], min(shown, len(store)))
    return Forward(data)


def _within(store: TokenStore, rows: Rows) -> TokenStore:
    """The first rows of so many tokens, one at least."""
    ends = np.asarray(store.offsets)[np.asarray(store.row_offsets[1:])]
    keep = max(1, int(np.searchsorted(ends, TOKENS, side="right")))
    if keep >= len(store):
        return store
    few = store.select(np.arange(keep))
    few.source = rows.select(np.arange(keep)) if store.source is not None else None
    return few


# outputs --------------------------------------------------------------------------------------------------------------


def _best(task: Task, outputs: Any, pack: Pack) -> dict[int, np.ndarray]:
    """Sequence → the likeliest class (or token) at each of its places, int64, −1 where none is asked; of answers in a context
    START and END at the likeliest places."""
    values: np.ndarray | None = None
    if getattr(outputs, "best", None) is not None and pack.levels["labels"] == LIST:
        return {int(one): guesses for one, guesses in zip(pack.sequences, outputs.best.cpu().numpy(), strict=True)}
    if getattr(outputs, "best", None) is not None:
        values = np.full(pack.computed, -1, np.int64)
        values[outputs.places.cpu().numpy()] = outputs.best.cpu().numpy()
    elif isinstance(task, TokenClassification):
        values = outputs.logits.argmax(-1).cpu().numpy()
    starts, lengths = pack.layout.starts.tolist(), pack.layout.lengths.tolist()
    if isinstance(task, QuestionAnswering):
        values = np.full(pack.computed, -1, np.int64)
        for start, length in zip(starts, lengths, strict=True):
            first, last = (start + outputs.logits[start : start + length].argmax(0)).tolist()
            values[first], values[last] = START, END
    if values is None:
        return {}
    return {
        int(sequence): values[start : start + length]
        for sequence, start, length in zip(pack.sequences, starts, lengths, strict=True)
    }


def _plain(model: Any, run: Any, pack: Pack) -> tuple[list[dict[str, Any]], Any]:
    """What transformers' own call gives for the pack's rows, padded: names with shapes, and the outputs.

    Rows are left out, the longest first, where a vocabulary's logits for all of them would not fit.
    """
    from byeori.models.seq2seq import decoder_inputs, globally

    padded = pack.padded()
    written = pack.levels.get("labels") == LIST
    width = _width(model)
    each = width * (pack.labels.shape[1] if written else padded["input_ids"].shape[1])
    rows = max(1, min(len(pack), LOGITS // max(1, each)))
    padded = {name: values[:rows] for name, values in padded.items() if len(values) == len(pack)}
    if model.config.is_encoder_decoder:
        inputs = globally(model, padded)
        if written:
            inputs["decoder_input_ids"] = decoder_inputs(model, pack.labels[:rows])
        elif "decoder_input_ids" in run.accepts and not _fed(model):
            inputs["decoder_input_ids"] = inputs["input_ids"][:, :1]
    else:
        inputs = {
            n: padded[n] for n in ("input_ids", "attention_mask", "token_type_ids") if n in padded and n in run.accepts
        }
        if run.choices:
            inputs = {name: values.unsqueeze(1) for name, values in inputs.items()}
    found = model(**inputs)
    named = [{"name": f"input: {name}", "shape": list(values.shape)} for name, values in inputs.items()]
    return [*named, *({"name": name, **_shape(value)} for name, value in found.items())], found


def _width(model: Any) -> int:
    output = model.get_output_embeddings() if hasattr(model, "get_output_embeddings") else None
    return getattr(output, "out_features", 0) or 1


def _fed(model: Any) -> bool:
    """Whether a family's own heads make their decoder's input (BART's)."""
    from byeori.tasks.feature_extraction import _feeds_itself

    return _feeds_itself(model)


def _shape(value: Any) -> dict[str, Any]:
    if hasattr(value, "shape"):
        return {"shape": list(value.shape)}
    kind = type(value).__name__
    return {"of": f"{kind} of {len(value)}" if hasattr(value, "__len__") else kind}


def _answers(task: Task, packs: list[Pack], store: TokenStore, model: Any) -> list[Any] | None:
    """A prediction a row, as the pipeline gives it; of numbers alone (vectors) none."""
    from byeori.batches.answers import Gathered

    if task.name == "feature-extraction":
        return None
    gathered = Gathered(0, store.sequences)
    for pack in packs:
        values, counts = task.gather(task.outputs(model, pack), pack)
        gathered.add(pack, (values.float() if values.is_floating_point() else values).cpu().numpy(), counts)
    return task.decode(gathered.done(), store)


# loss -----------------------------------------------------------------------------------------------------------------


def _judged(
    task: Task, loaded: Loaded, store: TokenStore, packs: list[Pack], value: float, labels: int
) -> dict[str, Any]:
    guess, of = _guessing(task, loaded, store, packs)
    found: dict[str, Any] = {"value": value, "labels": labels, "guessing": guess, "of": of, "ratio": None, "said": ""}
    if not math.isfinite(value):
        found["said"] = "it is no number: the model's weights or these rows hold values that are none"
        return found
    if not guess:
        return found
    ratio = found["ratio"] = value / guess
    found["said"] = _verdict(ratio, bool(loaded.new_weights), labels)
    return found


def _guessing(task: Task, loaded: Loaded, store: TokenStore, packs: list[Pack]) -> tuple[float | None, str]:
    """What a guess without any knowledge costs in this loss, and its name."""
    names, kind = task.labels if hasattr(task, "labels") else None, getattr(task, "problem_type", None)
    if kind == "regression":
        values = np.asarray(store.columns["labels"], np.float64)
        if loaded.new_weights:
            return float((values**2).mean()), "the mean of the squared labels (a fresh head says about 0)"
        return float(values.var()), "the variance of these labels"
    if kind == "multi_label":
        return math.log(2), "ln(2), a coin for each label"
    level = store.levels.get("labels")
    if task.name == "question-answering":
        return float(np.log(np.diff(store.offsets)).mean()), "the mean of ln(tokens of a window)"
    if task.name in ("multiple-choice", "zero-shot-classification"):
        return float(np.log(np.diff(store.row_offsets)).mean()), "the mean of ln(choices)"
    if level == LIST or task.counts_tokens:
        size = _width(loaded.model) if _width(loaded.model) > 1 else loaded.model.get_input_embeddings().num_embeddings
        more = " + ln(2) for the next sentence" if getattr(task.settings, "next_sentence", False) else ""
        return math.log(size) + (math.log(2) if more else 0.0), f"ln({size:,} tokens){more}"
    if names and len(names) > 1:
        return math.log(len(names)), f"ln({len(names):,} labels)"
    return None, ""


def _verdict(ratio: float, fresh: bool, labels: int) -> str:
    if fresh and ratio > FAR:
        return "far above a guess, which a fresh head should make: are its first weights too large, or are labels mixed up?"
    if fresh:
        return (
            "about a guess, as a fresh head makes it"
            if ratio > 1 / FAR
            else "far below a guess, which a fresh head can't be by knowing"
        )
    if ratio > FAR:
        return "far above a guess: sure and wrong. Are the labels in the head's order, is the tokenizer the checkpoint's own?"
    if ratio > NEAR:
        return "no better than a guess: the head knows nothing of such rows" + (
            " (or they are few)" if labels < 20 else ""
        )
    return "below a guess: the checkpoint knows something of this already"


# guesses --------------------------------------------------------------------------------------------------------------


def _guesses(
    task: Task, loaded: Loaded, rows: Rows, store: TokenStore, best: dict[int, np.ndarray], answers: list[Any] | None,
    plain: Any, pack: Pack, shown: int,
) -> list[dict[str, Any]]:  # fmt: skip
    """The first rows with the likeliest class, tag, span or token beside the right one."""
    found = views(task, loaded, rows, store, shown)
    names = getattr(task, "labels", None)
    places = {int(row): place for place, row in enumerate(pack.rows)}
    for number, one in enumerate(found):
        if answers is not None:
            one["prediction"] = answers[number]
        for at, sequence in enumerate(range(int(store.row_offsets[number]), int(store.row_offsets[number + 1]))):
            if sequence in best and "decoder" in one["sequences"][at]:
                _write(one["sequences"][at]["decoder"], best[sequence].tolist(), loaded.tokenizer)
            elif sequence in best:
                tags = None if task.counts_tokens else PLACES if isinstance(task, QuestionAnswering) else names
                _mark(one["sequences"][at], best[sequence], loaded.tokenizer, tags)
        if "decoder" in one and number in places and places[number] < len(plain.logits):
            _write(one["decoder"], plain.logits[places[number]].argmax(-1).tolist(), loaded.tokenizer)
    return found


def _write(decoder: dict[str, Any], ids: list[int], tokenizer: Any) -> None:
    """The likeliest token at each place of a target that counts."""
    best = [token for token, right in zip(ids, decoder["labels"], strict=False) if right != IGNORED]
    decoder |= {"best_ids": best, "best": [name_of(tokenizer, token) for token in best]}


def _mark(sequence: dict[str, Any], best: np.ndarray, tokenizer: Any, names: list[str] | None) -> None:
    for token, guess in zip(sequence["tokens"], best.tolist(), strict=True):
        if guess >= 0:
            token["best_id"] = guess
            token["best"] = names[guess] if names is not None else name_of(tokenizer, guess)


# lines ----------------------------------------------------------------------------------------------------------------


def _lines(data: dict[str, Any]) -> list[str]:
    batch = data["batch"]
    found = [*sees_model.lines(data), ""]
    how = "packed end to end" if batch["packed"] else f"in rectangles: {batch['reason']}"
    found.append(
        f"one batch: {count(batch['rows'], 'row')}, {count(batch['sequences'], 'sequence')}, {batch['tokens']:,} tokens ({how}); without "
        f"dropout"
    )
    found += [f"of these rows: {note}" for note in data["notes"]]
    rows = [
        (one["name"], " × ".join(f"{n:,}" for n in one["shape"]) if "shape" in one else one["of"])
        for one in data["outputs"]
    ]
    found += ["", *table(("transformers' own call", "shape"), rows), ""]
    found += [*_loss(data["loss"])] if data["loss"] else ["no loss: the rows have no right answers"]
    for row in data["rows"]:
        found += ["", f"── {row['where']}{_label(row)}"]
        marked = {token.get("best") for one in row["sequences"] for token in one["tokens"]} - {None}
        if "prediction" in row and marked <= set(PLACES):
            found.append(f"   predicted: {short(_said(row['prediction']), 160)}")
        for one in row["sequences"]:
            if any("best" in token for token in one["tokens"]):
                found += lines_of(one["tokens"], KEYS, unit=one.get("unit", "word"))
            if "decoder" in one:
                found += sees_lines.decoder(one["decoder"])
        if "decoder" in row:
            found += sees_lines.decoder(row["decoder"])
    return found


def _loss(loss: dict[str, Any]) -> list[str]:
    found = f"loss {loss['value']:.4f}, the mean over {count(loss['labels'], 'label')}"
    if loss["guessing"] is not None:
        found += f"; a guess costs {loss['guessing']:.4f}, {loss['of']}"
    return [found, *([f"  {loss['said']}"] if loss["said"] else [])]


def _label(row: dict[str, Any]) -> str:
    return sees_lines.label(row)


def _said(prediction: Any) -> str:
    if isinstance(prediction, list):
        return "; ".join(_said(one) for one in prediction) or "nothing"
    if isinstance(prediction, dict):
        return ", ".join(
            f"{name} {value:.4f}" if isinstance(value, float) else f"{name} {_said(value)}"
            for name, value in prediction.items()
        )
    return f"{prediction:.4f}" if isinstance(prediction, float) else str(prediction)
