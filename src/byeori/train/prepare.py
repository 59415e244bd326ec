"""Everything before the first update: rows, splits, labels, baselines, model, token stores, the resolved settings.

Invariants: data is checked in full before a model is loaded, and nothing is written; what `auto` stood for is in
`settings` afterwards, so that they repeat the run.

    ready = prepare(settings, task, progress=progress)
"""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial as partial_
from typing import TYPE_CHECKING, Any

from byeori.batches import budget, fixed
from byeori.batches.loader import Packing
from byeori.data.clean_function import reference
from byeori.data.cleaning import Cleaner
from byeori.data.rows import Rows
from byeori.doctor import brief
from byeori.errors import ModelError, SettingError
from byeori.models.checks import find_folder, length_for, position_table
from byeori.settings import Train
from byeori.text.normalizer import with_form
from byeori.text.store import TokenStore
from byeori.train import partial
from byeori.train.parts import read_parts

if TYPE_CHECKING:
    from byeori.doctor.findings import Finding
    from byeori.models.load import Loaded
    from byeori.predict.engine import Engine
    from byeori.tasks.base import Task
    from byeori.train.progress import Progress

DEFAULTS = {"max_length": None, "truncation": "head"}
WIDTHS = ("hidden_size", "d_model", "n_embd", "dim")
ATTENTION_DROPOUT = ("attention_probs_dropout_prob", "attention_dropout", "attn_pdrop", "attn_dropout")
BASELINES = ("trivial", "linear")


@dataclass
class Ready:
    """What a training starts from. `rows` and `stores` by part: train, validation, test (those there are)."""

    task: Task
    settings: Train
    rows: dict[str, Rows]
    stores: dict[str, TokenStore]
    loaded: Loaded
    engine: Engine
    packing: Packing
    baselines: dict[str, Any]  # kind → predictions for the part that is scored
    seconds: dict[str, float]
    decoding: dict[str, Any]
    findings: list[Finding] = dataclasses.field(default_factory=list)  # what the doctor saw in brief
    baseline_notes: list[str] = dataclasses.field(default_factory=list)  # what must be known of the baselines
    remember: Callable[[int], None] | None = None  # told of packs that memory sufficed for after it ran out

    @property
    def judged_part(self) -> str | None:
        """The part the final scores and the baselines are for."""
        return "test" if "test" in self.rows else "validation" if "validation" in self.rows else None


def prepare(settings: Train, task: Task, progress: Progress) -> Ready:
    """Raises SettingError, DataError, ModelError."""
    if settings.train is None:
        raise SettingError("no training data is named. Give --train a file, a folder, a glob or a Hub data set id.")
    if isinstance(settings.train, TokenStore):  # its rows are split and encoded again, as they were
        kept = settings.train.decoding
        settings = dataclasses.replace(settings, **{n: kept[n] for n in kept if getattr(settings, n) == DEFAULTS[n]})
    config = _named_model(settings, task)
    _check_early(settings)
    from byeori.data import disk

    seconds: dict[str, float] = {}
    clock = time.perf_counter()
    parts = read_parts(settings, task)
    for name, rows in parts.items():
        progress.note(f"{name}: {len(rows):,} rows")
        for note in rows.notes:
            progress.note(f"  {note}")
        for file in rows.origin.files:  # a large one is hashed when it is first asked for: now, before it can change
            if file.bytes is not None and file.sha256 is None:
                progress.note(
                    f"  {file.path}: it changed while it was read; settings.yaml can't say what this run learns from."
                )
    disk.give_back()
    seconds["read_seconds"] = time.perf_counter() - clock
    cleaner = task.cleaning or Cleaner()
    from byeori.models.load import load_model, take_label_order

    if config is None:
        take_label_order(settings.model, task, revision=settings.revision, trust_remote_code=settings.trust_remote_code)
    _tell_labels(task, progress)
    clock = time.perf_counter()
    told = len(parts["train"].notes)
    baselines = {} if task.counts_tokens else _baselines(parts, parts, task, settings)
    baseline_notes = parts["train"].notes[told:]
    del parts["train"].notes[told:]  # of the baseline, not of the data
    for note in baseline_notes:
        progress.note(note)
    disk.give_back()
    seconds["baseline_seconds"] = time.perf_counter() - clock

    from byeori.models.checks import check_contract, check_ids
    from byeori.models.device import device_for, precision_for, set_threads
    from byeori.models.packed import runner
    from byeori.predict.model_folder import cleaned_before
    from byeori.train.kept_costs import keep_limit, kept_limit, place_of
    from byeori.train.optimize import learning_rate_for

    clock = time.perf_counter()
    device = device_for(settings.device)
    precision = precision_for(settings.precision, device)
    threads = set_threads(settings.threads)
    if config is None:
        loaded = load_model(
            settings.model, task, tokenizer=settings.tokenizer, revision=settings.revision,
            trust_remote_code=settings.trust_remote_code, seed=settings.seed,
        )  # fmt: skip
    else:
        from byeori.models.scratch import fresh

        loaded = fresh(
            config, str(settings.from_scratch), task, tokenizer=settings.tokenizer, max_length=settings.max_length,
            seed=settings.seed, revision=settings.revision, trust_remote_code=settings.trust_remote_code,
        )  # fmt: skip
    texts = _some_texts(parts["train"], task)
    loaded.notes.extend(check_contract(loaded.model, loaded.tokenizer, texts, loaded.source))
    loaded.tokenizer, held = with_form(loaded.tokenizer, cleaner.form, loaded.model.config)
    if cleaner.form is not None:
        loaded.notes.append(_where_formed(cleaner.form, held, loaded.tokenizer))
    if before := cleaned_before(settings.model, cleaner):
        loaded.notes.append(before)
    for note in loaded.notes:
        progress.note(note)
    max_length = length_for(settings.max_length, loaded.max_length, loaded.source, task.default_length)
    seconds["load_seconds"] = time.perf_counter() - clock

    from byeori.predict.engine import Engine

    partial.settle(loaded, settings, task, progress)
    loaded.model.to(device)
    engine = Engine(
        task, loaded.model, loaded.tokenizer, max_length=max_length, truncation=settings.truncation, device=device,
        precision=precision, pad_to=settings.pad_to,
    )  # fmt: skip
    clock = time.perf_counter()
    said = {name: len(rows.notes) for name, rows in parts.items()}
    stores = {name: _store(name, rows, task, engine.encoder, settings, progress) for name, rows in parts.items()}
    engine.encoder.forget()
    disk.give_back()
    for name, store in stores.items():
        check_ids(store, loaded.model, loaded.tokenizer, parts[name])
    seconds["tokenize_seconds"] = time.perf_counter() - clock
    for name, rows in parts.items():
        tokens = stores[name].tokens
        progress.note(f"{name}: {tokens:,} tokens, {tokens / max(1, len(rows)):.1f} a row")
        for note in rows.notes[said[name] :]:
            progress.note(f"  {note}")
    for note in task.told():
        progress.note(note)
    clock = time.perf_counter()
    findings = brief.brief(parts, stores, task, loaded.tokenizer)
    for line in brief.lines(findings):
        progress.note(line)
    disk.give_back()
    seconds["inspect_seconds"] = time.perf_counter() - clock
    if task.counts_tokens:
        clock = time.perf_counter()
        baselines = _baselines(parts, stores, task, settings)
        seconds["baseline_seconds"] = time.perf_counter() - clock

    learning_rate = settings.learning_rate
    if isinstance(learning_rate, str):
        adapter = bool(settings.adapter or settings.adapter_config)
        learning_rate = learning_rate_for(
            settings.batch_size, width(loaded.model.config), fresh=config is not None, adapter=adapter
        )
        begun = " and an adapter" if adapter else " and new weights" if config is not None else ""
        progress.note(
            f"learning rate {learning_rate:.1e}, for {settings.batch_size} rows an update, this model's size{begun}"
        )
    run = runner(loaded.model)
    packed = run.packs_for(task)
    packing = Packing(
        group_cost=budget.of_a_group(packed, precision, device.type),
        varlen=packed and run.varlen(precision) and settings.pad_to is None,
        shapes=fixed.Shapes.of(settings.pad_to, max_length, position_table(loaded.model.config, "decoder")),
    )
    pack_tokens, place = settings.pack_tokens, None
    if isinstance(pack_tokens, str):
        clock = time.perf_counter()
        pack_tokens, short = _budget(
            loaded.model, task, stores["train"], packing, device, precision, max_length, progress, settings.cache
        )
        if settings.cache:
            place = place_of(loaded.model, task, stores["train"], packing, device, precision, max_length)
        if place is not None and (limit := kept_limit(place)) is not None and limit < pack_tokens:
            pack_tokens, short = limit, True
            progress.note(
                f"Packs of {limit:,} tokens, as memory did not suffice for more in an earlier training of this model here; --pack-tokens "
                f"says otherwise, or remove {place.with_suffix('.limit.json')}."
            )
        if short:
            # An evaluation keeps no activations, so that what a training can hold at once it can, too.
            engine.pack_tokens = min(engine.pack_tokens, pack_tokens)
        seconds["memory_seconds"] = time.perf_counter() - clock
    packing = dataclasses.replace(packing, pack_tokens=pack_tokens)
    if packing.varlen and any(getattr(loaded.model.config, name, 0) for name in ATTENTION_DROPOUT):
        progress.note(
            "Attention dropout is left out: attention of variable length has none on this device. --precision float32 trains with it."
        )
    resolved = dataclasses.replace(
        settings, device=device.type, precision=precision, threads=threads, max_length=max_length,
        pack_tokens=pack_tokens, learning_rate=learning_rate, normalize=cleaner.form or "none",
        clean=list(cleaner.steps) or None, clean_function=cleaner.function and (reference(cleaner.function) or cleaner.function),
    )  # fmt: skip
    decoding = {"max_length": max_length, "truncation": settings.truncation}
    return Ready(
        task, resolved, parts, stores, loaded, engine, packing, baselines, seconds, decoding, findings, baseline_notes,
        remember=partial_(keep_limit, place) if place is not None else None,
    )  # fmt: skip


def _named_model(settings: Train, task: Task) -> Any:
    """The configuration of a fresh model, None for a checkpoint. Raises SettingError, ModelError.

    A wrong path is said now, not after minutes of reading.
    """
    if settings.from_scratch is None:
        if settings.model is None:
            raise ModelError(
                "no model is named. Give --model a Hub id (klue/roberta-base), a folder or a run; or --from-scratch a shape "
                "(bert-mini), with --tokenizer."
            )
        if isinstance(settings.model, str | os.PathLike):
            find_folder(str(settings.model))
        return None
    if settings.model is not None:
        named = settings.model if isinstance(settings.model, str | os.PathLike) else type(settings.model).__name__
        raise SettingError(
            f"model={str(named)!r} and from_scratch={settings.from_scratch!r} are both given: --model goes on training a model that "
            f"there is, --from-scratch makes a new one with weights drawn at random. Give one of them."
        )
    from byeori.models.scratch import check_task, configuration, own_tokenizer

    if settings.tokenizer is None:
        own_tokenizer(settings.from_scratch)
    config = configuration(settings.from_scratch, settings.revision, settings.trust_remote_code)
    check_task(config, settings.from_scratch, task)
    return config


def _check_early(settings: Train) -> None:
    """What can be refused before a row is read."""
    from byeori.models.device import device_for, precision_for
    from byeori.text.cache import limit

    precision_for(settings.precision, device_for(settings.device))
    Cleaner.of(settings)
    partial.check(settings)
    fixed.check(settings.pad_to, settings.max_length, settings.pack_tokens)
    if settings.cache:
        limit()
    shares = [
        s
        for s, given in ((settings.validation_size, settings.validation), (settings.test_size, settings.test))
        if given is None
    ]
    if all(share < 1 for share in shares) and sum(shares) >= 1:
        raise SettingError(
            f"validation_size={settings.validation_size:g} and test_size={settings.test_size:g} leave nothing to train on. "
            f"Give smaller shares."
        )


def _where_formed(form: str, held: bool, tokenizer: Any) -> str:
    if held:
        return f"{form.upper()} is in the tokenizer's normalizer, so texts are read alike wherever the model is loaded."
    return (
        f"The tokenizer ({type(tokenizer).__name__}) can't hold {form.upper()}, so byeori.json says it, and Byeori does it to texts "
        f"before they are tokenized; whoever loads the model without Byeori has to."
    )


def _store(name: str, rows: Rows, task: Task, encoder: Any, settings: Train, progress: Progress) -> TokenStore:
    from byeori.text.cache import encode_cached
    from byeori.text.encode_rows import encode_rows

    try:
        if not settings.cache:
            return encode_rows(rows, task, encoder, watch=progress.encoding)
        return encode_cached(rows, task, encoder, lambda text: progress.note(f"{name}: {text}"), progress.encoding)
    except BaseException:
        progress.stop()
        raise


def _baselines(parts: Mapping[str, Rows], given: Mapping[str, Any], task: Task, settings: Train) -> dict[str, Any]:
    """Predictions of models that are no transformers, from rows or, `given`, from their token stores.

    From rows before the model is loaded, so that their memory is free again when its own is needed.
    """
    part = "test" if "test" in parts else "validation"
    if part not in parts or not settings.baselines or "input_ids" in parts["train"].table.column_names:
        return {}
    found = {kind: task.baseline(kind, given["train"], given[part], settings.seed) for kind in BASELINES}
    return {kind: predictions for kind, predictions in found.items() if predictions is not None}


def _some_texts(rows: Rows, task: Task, most: int = 100) -> list[str]:
    """Texts as people wrote them, to try tokenizer and model on; lists of words are joined."""
    few = rows.table[: min(most, len(rows))]
    roles = [role for role in task.roles if role in few and (role == "target" or role not in task.answers)]
    found: list[Any] = [text for role in roles for text in few[role]]
    joined = [" ".join(one) if isinstance(one, list) and all(isinstance(w, str) for w in one) else one for one in found]
    return [text for text in joined if isinstance(text, str)]


def _tell_labels(task: Task, progress: Progress) -> None:
    labels, kind = getattr(task, "labels", None), getattr(task, "problem_type", None)
    said = f"{task.name}, {kind}" if kind else task.name
    if labels:
        said += f": {len(labels)} labels ({', '.join(labels[:12])}{' …' if len(labels) > 12 else ''})"
    progress.note(said)


def _budget(
    model: Any,
    task: Task,
    store: TokenStore,
    packing: Packing,
    device: Any,
    precision: str,
    max_length: int,
    progress: Progress,
    keep: bool,
) -> tuple[int, bool]:
    """What `pack_tokens="auto"` stands for: a function of the model, the task, the kind of device and its total memory; and
    whether that memory is short."""
    from byeori.models.device import lost, total_memory
    from byeori.train.kept_costs import kept_cost
    from byeori.train.memory import measured, reckoned

    total, cost = total_memory(device), reckoned(model)
    if not budget.short(device.type, total, cost, max_length):
        return budget.auto_pack_tokens(device.type, total, cost, max_length), False
    try:
        cost = (kept_cost if keep else measured)(model, task, store, packing, device, precision, max_length)
    except (ValueError, TypeError, RuntimeError, LookupError, AttributeError, AssertionError) as error:
        if lost(error):
            raise
        progress.note(  # a task of somebody's own
            f"--pack-tokens goes by the model's size alone: made-up rows don't run ({type(error).__name__}: {error})."
        )
    short = budget.short(device.type, total, cost, max_length)
    return budget.auto_pack_tokens(device.type, total, cost, max_length), short


def width(config: Any) -> int:
    """The hidden size, by whatever name the family gives it."""
    return next((found for name in WIDTHS if (found := getattr(config, name, None))), 768)
