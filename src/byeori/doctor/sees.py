"""What the model sees of a text or of a row: tokens and ids as they go into it, with what is learnt beside them.

Invariants: what is shown was encoded by the task itself into the token store that training reads, and drawn as evaluation
draws it; nothing here makes ids, labels or windows of its own.

    print("\n".join(of_texts(loaded, "번역이 어색하다.").lines()))
    print("\n".join(of_rows(task, loaded, rows, most=3).lines()))
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from byeori.doctor import sees_lines
from byeori.doctor.sees_tokens import counts, described, fertility, name_of, placed
from byeori.errors import DataError
from byeori.models.checks import length_for
from byeori.models.contract import contract
from byeori.models.load import load_model, uses_token_types
from byeori.run import read_json
from byeori.tasks.base import DEFAULT_LENGTH, Task
from byeori.text.encode import Encoder, kept_places
from byeori.text.encode_rows import CHUNK, encode_rows
from byeori.text.marks import with_marks

if TYPE_CHECKING:
    from byeori.data.rows import Rows
    from byeori.models.load import Loaded
    from byeori.text.store import TokenStore

DOCUMENTS = 64  # texts that are cut into blocks, of which a few are shown


@dataclass(frozen=True)
class Seen:
    """`data` is JSON-ready; `lines()` says the same to people."""

    data: dict[str, Any]

    def lines(self) -> list[str]:
        return sees_lines.lines(self.data)


def opened(name: Any, task: Task | None = None, **options: Any) -> Loaded:
    """The model of a name with its tokenizer, as training loads it; without a task its body. Raises ModelError.

    options: tokenizer, revision, trust_remote_code. A task that is trained must be prepared, so that its head has its size.
    """
    from byeori.tasks.feature_extraction import FeatureExtraction

    return load_model(
        name, FeatureExtraction() if task is None else task, for_training=task is None or task.trains, **options
    )


def of_texts(
    model: Any,
    text: str,
    text_pair: str | None = None,
    task: Task | None = None,
    *,
    max_length: int | None = None,
    truncation: str = "head",
    **options: Any,
) -> Seen:
    """One text, or a pair, as the model gets it: no file is needed.

    model: a name, which is loaded (`options`: tokenizer, revision, trust_remote_code), or what `load_model` gave. Of an
    encoder-decoder the second text is what its decoder is to write. A prepared task says how its own rows are encoded;
    without one it is the tokenizer's own way. `data["contract"]`: what of model, tokenizer and these texts doesn't fit.
    Raises ModelError, SettingError for a longer max_length than the model takes.
    """
    from byeori.models.load import Loaded
    from byeori.tasks.seq2seq import Seq2Seq

    loaded = (
        model
        if isinstance(model, Loaded)
        else opened(model, task if task is not None and task.prepared else None, **options)
    )
    seq2seq = bool(loaded.model.config.is_encoder_decoder) and text_pair is not None
    if isinstance(task, Seq2Seq):
        role: dict[str, Any] = {"source": [text]} if text_pair is None else {"source": [text], "target": [text_pair]}
        return of_rows(task, loaded, _rows(role), 1, max_length=max_length, truncation=truncation)
    encoder = encoder_of(loaded, task, max_length, truncation)
    tokenizer = loaded.tokenizer
    pairs: list[str | None] | None = None if text_pair is None or seq2seq else [text_pair]
    encoded = encoder([text], pairs)
    tokens = described(tokenizer, encoded.input_ids.tolist(), encoded.columns.get("token_type_ids"))
    data: dict[str, Any] = {
        "kind": "texts", "model": loaded.source, "tokenizer": type(tokenizer).__name__, "text": text, "text_pair": text_pair,
        "max_length": encoder.max_length, "limit": loaded.max_length, "truncated": bool(encoded.truncated),
        "segments": encoder.token_types, "tokens": tokens, **{"counts": counts(tokens)},
    }  # fmt: skip
    every = place(tokenizer, tokens, text, None if pairs is None else text_pair, encoder.max_length, encoder.truncation)
    if every is not None:
        found = [one for side, own in zip(every, (text, text_pair), strict=True) for one in fertility(own or "", side)]
        data["words"] = [{"word": word, "tokens": number} for word, number in found]
        data["fertility"] = round(sum(number for _, number in found) / len(found), 4) if found else None
    ids = [one["id"] for one in tokens]
    back = tokenizer.decode(ids, skip_special_tokens=True)
    data["decoded"], data["decoded_with_special"] = back, tokenizer.decode(ids)
    data["same"] = back == (text if pairs is None else " ".join([text, text_pair or ""]))
    data["contract"] = [one.data for one in contract(loaded.model, tokenizer, [text, text_pair or ""], loaded.source)]
    if seq2seq:
        from byeori.text.targets import encode_targets

        limit = loaded.max_length or DEFAULT_LENGTH
        ids_of_target = encode_targets(tokenizer, [text_pair or ""], limit)[0].tolist()
        data["decoder"] = decoder_of(loaded.model, tokenizer, [ids_of_target])[0]
    return Seen(data)


def encoder_of(loaded: Loaded, task: Task | None, max_length: int | None, truncation: str) -> Encoder:
    """As training has it; of a model trained here, unless another length is asked for, as its predictions have it.

    Raises SettingError for a longer max_length than the model takes.
    """
    if max_length is None:
        kept = _kept(loaded.source)
        max_length, truncation = kept.get("max_length"), kept.get("truncation", truncation)
    default = DEFAULT_LENGTH if task is None else task.default_length
    length = length_for(max_length, loaded.max_length, loaded.source, default)
    return Encoder(loaded.tokenizer, length, truncation, uses_token_types(loaded.model, loaded.tokenizer))


def _kept(source: str) -> dict[str, Any]:
    """The max_length and truncation that a model of ours was trained with; {} for any other."""
    path = Path(source)
    file = next((one for one in (path / "model" / "byeori.json", path / "byeori.json") if one.is_file()), None)
    return {} if file is None else read_json(file).get("decoding") or {}


def place(
    tokenizer: Any, tokens: list[dict[str, Any]], text: str, pair: str | None, max_length: int, truncation: str
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]] | None:
    """Give tokens of a text, or of a pair, their words and characters; returns the characters of both texts' whole tokens.

    None, and nothing done, where the tokenizer doesn't say them, or gives other ids for these texts than the tokens have.
    """
    if not tokenizer.is_fast:
        return None
    backend = tokenizer.backend_tokenizer
    backend.no_padding()
    backend.no_truncation()
    whole = backend.encode(text, pair, add_special_tokens=True)
    kept = kept_places(whole, max_length, truncation)
    if not len(kept) or [whole.ids[at] for at in kept] != [one["id"] for one in tokens]:
        return None
    spans, words = np.array(whole.offsets, np.int64).reshape(-1, 2), whole.word_ids
    every: tuple[list[dict[str, Any]], list[dict[str, Any]]] = ([], [])
    of_place = dict(zip(kept.tolist(), tokens, strict=True))
    for side, own in enumerate((text, pair)):
        mine = [at for at, of in enumerate(whole.sequence_ids) if of == side]
        if own is None or not mine:
            continue
        starts = spans[mine, 0]
        ends = with_marks(own, starts, spans[mine, 1])
        for at, start, end in zip(mine, starts.tolist(), ends.tolist(), strict=True):
            every[side].append({"start": start, "end": end})
            if at in of_place:
                placed([of_place[at]], own, [start], [end])
                of_place[at]["word"] = words[at]
    return every


def decoder_of(model: Any, tokenizer: Any, targets: Sequence[Sequence[int]]) -> list[dict[str, Any]]:
    """What the decoder is fed over what it is to write, a dict a target: names, ids, and labels padded with −100.

    The inputs are the family's own shift of the batch's padded labels, as in training. Raises ModelError.
    """
    import torch

    from byeori.models.seq2seq import decoder_inputs
    from byeori.text.blocks import IGNORED

    longest = max(len(one) for one in targets)
    labels = torch.full((len(targets), longest), IGNORED, dtype=torch.int64)
    for place, one in enumerate(targets):
        labels[place, : len(one)] = torch.tensor(list(one), dtype=torch.int64)
    inputs = decoder_inputs(model, labels).tolist()
    pad = tokenizer.pad_token_id
    found = []
    for fed, right in zip(inputs, labels.tolist(), strict=True):
        names = _names(tokenizer, right)
        found.append({
            "inputs": _names(tokenizer, fed), "input_ids": fed,
            "targets": names, "labels": right, "ignored": right.count(IGNORED),
            "ignored_in_inputs": fed.count(IGNORED), "start": name_of(tokenizer, fed[0]),
            "pad": pad,
        })  # fmt: skip
    return found


def _names(tokenizer: Any, ids: Sequence[int]) -> list[str]:
    """Tokens as they are read; "" for −100."""
    return ["" if one < 0 else name_of(tokenizer, one) for one in ids]


def of_rows(
    task: Task, loaded: Loaded, rows: Rows, most: int = 3, *, max_length: int | None = None, truncation: str = "head"
) -> Seen:
    """The first `most` rows as the model gets them; of running text the first blocks.

    A task that isn't prepared (`ready`) is prepared on `rows`, or adopts the model's own labels. Rows without right answers are shown as
    a prediction sees them. Raises DataError, ModelError, SettingError as training would.
    """
    store, encoder, notes = stored(task, loaded, rows, most, max_length, truncation)
    from byeori.doctor.sees_rows import views

    found = views(task, loaded, rows, store, min(most, len(store)))
    return Seen({
        "kind": "rows", "task": task.name, "model": loaded.source, "tokenizer": type(loaded.tokenizer).__name__,
        "max_length": encoder.max_length, "segments": encoder.token_types, "rows": found, "notes": notes,
    })  # fmt: skip


def stored(
    task: Task, loaded: Loaded, rows: Rows, most: int, max_length: int | None = None, truncation: str = "head"
) -> tuple[TokenStore, Encoder, list[str]]:
    """(the rows' token store, their encoder, what encoding said of them). As `of_rows`."""
    if not len(rows):
        raise DataError("there is no row to show: the data has none.")
    if not (task.prepared and task.trains):
        ready(task, rows, loaded.model.config)
    task.meet(loaded.model, loaded.tokenizer)
    encoder = encoder_of(loaded, task, max_length, truncation)
    # What other rows decide: where a block ends, which sentence stands in for the next one (drawn among CHUNK rows).
    blocks = "text" in rows.table.column_names and task.name == "text-generation"
    others = CHUNK if getattr(task.settings, "next_sentence", False) else DOCUMENTS if blocks else most
    few = rows.select(np.arange(min(len(rows), max(most, others))))
    few.notes = []
    store = encode_rows(few, task, encoder, labels=learns(task, rows))
    if len(store) > most:
        known = store.source is not None
        store = store.select(np.arange(most))
        store.source = few.select(np.arange(most)) if known else None
    return store, encoder, [*few.notes, *task.told()]


def ready(task: Task, rows: Rows, config: Any = None) -> None:
    """Make a task ready for rows before its model is loaded, as training does: label names and what else it learns of them.

    Without right answers it adopts the labels of a model's `config`, where that is given. Raises DataError, SettingError.
    """
    if learns(task, rows):
        if task.trains:
            task.prepare(rows)
        else:
            task.check(rows)  # takes the candidate labels of the file
    elif config is not None and not task.prepared:
        task.adopt(config)


def learns(task: Task, rows: Rows) -> bool:
    """Whether rows have what the task learns from: right answers, or texts where the text is its own answer."""
    has = set(rows.table.column_names)
    if "input_ids" in has:
        return bool(has & set(task.answers))
    if task.forms:
        return any(set(form) <= has for form in task.forms)
    return bool(has & set(task.answers)) if task.answers else task.trains


def _rows(columns: dict[str, list[Any]]) -> Rows:
    """Texts of a person as rows, to be encoded as rows of a file are."""
    import datasets

    from byeori.data.rows import Origin, Rows

    size = len(next(iter(columns.values())))
    return Rows(
        datasets.Dataset.from_dict(columns), Origin.of("the texts given", size), {name: name for name in columns}
    )
