"""What a task that writes a text does with its model: meeting it, its first tokens, writing the texts of a pack.

Invariants: a model writes from the tokens it was trained to begin with: the decoder's start and the first token are
those of a target as the tokenizer encodes it, shifted as the family shifts it.

    values, counts = write(task, model, tokenizer, pack)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from byeori.errors import ModelError, SettingError
from byeori.generate.decoding import own_way, resolve, room
from byeori.models.checks import position_table
from byeori.models.outside import Outside
from byeori.models.shortage import placed
from byeori.text import language_tokens as languages
from byeori.text.targets import adds_end

if TYPE_CHECKING:
    import torch

    from byeori.batches.pack import Pack
    from byeori.tasks.seq2seq import Seq2Seq

PREFIXED = ("t5", "longt5")  # families whose checkpoints learnt their tasks by a prefix
BETWEEN = -1  # stands between several texts of one row


def check_kind(model: Any, task: str) -> None:
    """Raises ModelError for a model that has no decoder beside its encoder."""
    from byeori.models.packed import unwrapped

    inner: Any = unwrapped(model)
    if not getattr(inner.config, "is_encoder_decoder", False) or inner.get_output_embeddings() is None:
        raise ModelError(
            f"{type(inner).__name__} ({inner.config.model_type}): {task} needs an encoder-decoder that writes (T5, mT5, BART, mBART, "
            f"Marian, Pegasus, LED: AutoModelForSeq2SeqLM). Name such a checkpoint, or train this one for another task."
        )


def meet(task: Seq2Seq, model: Any, tokenizer: Any) -> list[str]:
    """See `Seq2Seq.meet`; returns what there is to say."""
    if isinstance(model, Outside):  # what there is to say was said when it was exported
        task.adopt(model.config)
        return []
    check_kind(model, task.name)
    task.adopt(model.config)
    notes = _of_prefix(task, model)
    if not task.trained:
        return notes
    source, target = task.speak(tokenizer, None, True)
    if source or target:
        notes.append(f"Language tokens: {' → '.join(filter(None, (source, target)))}.")
    elif languages.marks(tokenizer):
        listed = ", ".join(list(languages.marks(tokenizer))[:12])
        notes.append(
            f"The model writes several languages ({listed}); --target-lang puts the mark of one before each source."
        )
    if not adds_end(tokenizer) and tokenizer.eos_token is not None:
        notes.append(
            f"The tokenizer ends no target in {tokenizer.eos_token}; it is added, or the model would not learn to stop."
        )
    limit, most = position_table(model.config, "decoder"), task.settings.max_target_length
    if limit is not None and most > limit:
        raise SettingError(
            f"max_target_length={most}: the decoder of this model takes {limit} tokens. Give --max-target-length {limit} or less."
        )
    config = resolve(task.decoding(room(model, 1)), model, room(model, 1))
    for name, value in first_tokens(task, model, tokenizer, None).items():
        setattr(config, name, value)
    least = config.min_new_tokens or 0
    if task.settings.min_new_tokens is None and least:
        if least >= config.max_new_tokens:
            raise SettingError(
                f"the checkpoint's generation_config wants at least {least} tokens of every text, and {config.max_new_tokens} are the "
                f"most here. Give --min-new-tokens 0, or a longer --max-target-length."
            )
        notes.append(
            f"The checkpoint writes at least {least} tokens into every text; --min-new-tokens 0 if yours are shorter."
        )
    # Goes with the saved model: transformers alone then writes the same. Under the older names, which both of those that
    # `generate` may be given there win over.
    config.max_length, config.max_new_tokens = config.max_new_tokens + 1, None
    config.min_length, config.min_new_tokens = least + 1 if least else None, None
    model.generation_config = config
    _name_prefix(task, model)
    return notes


def _of_prefix(task: Seq2Seq, model: Any) -> list[str]:
    if task.prefix:
        whose = "" if task.settings.source_prefix is not None else ", the checkpoint's own"
        return [f'Before each source stands "{task.prefix}"{whose} (--source-prefix).']
    if task.settings.source_prefix is None and model.config.model_type in PREFIXED:
        named = [
            name for name, own in (getattr(model.config, "task_specific_params", None) or {}).items() if "prefix" in own
        ]
        known = f" Its configuration names prefixes for {', '.join(named)}." if named else ""
        return [
            f'No source prefix: T5 checkpoints that learnt several tasks tell them apart by one ("summarize: "); give --source-prefix '
            f"if this one did.{known}"
        ]
    return []


def _name_prefix(task: Seq2Seq, model: Any) -> None:
    """Into the model's own configuration, where pipelines and a later training find it; what it said of writing is old."""
    params = dict(getattr(model.config, "task_specific_params", None) or {})
    key = next((key for key in task.task_keys if key in params), task.task_keys[0])
    params.pop(key, None)
    if task.prefix:
        params[key] = {"prefix": task.prefix}
    if params or getattr(model.config, "task_specific_params", None):
        model.config.task_specific_params = params or None


def first_tokens(task: Seq2Seq, model: Any, tokenizer: Any, call: Any | None) -> dict[str, Any]:
    """The start token and the forced first token of a model of many languages; {} for others, or where the checkpoint
    says its target language itself. Raises SettingError where nobody says it."""
    known = languages.codes(tokenizer)
    if not known:
        return {}
    _, target = task.speak(tokenizer, call, False)
    own = model.generation_config
    if target is None and {own.forced_bos_token_id, own.decoder_start_token_id} & set(known.values()):
        return {}
    import torch

    from byeori.models.seq2seq import decoder_inputs

    _, target = task.speak(tokenizer, call, True)
    token = known[str(target)]
    labels = torch.tensor([tokenizer(text_target="a", verbose=False)["input_ids"]])
    start = int(decoder_inputs(model, labels)[0, 0])
    if (
        start == token and int(labels[0, 0]) != token
    ):  # mBART: the language token stands last, and shifting turns it first
        return {"decoder_start_token_id": token, "forced_bos_token_id": None}
    return {"decoder_start_token_id": start, "forced_bos_token_id": token}


def write(task: Seq2Seq, model: Any, tokenizer: Any, pack: Pack, call: Any | None) -> tuple[torch.Tensor, np.ndarray]:
    """See `Seq2Seq.generate`."""
    inner: Any = model
    if not isinstance(model, Outside):
        from byeori.models.packed import unwrapped

        inner = unwrapped(model)
        check_kind(inner, task.name)
    decoding, own, forced = task.way(inner, tokenizer, call)
    with own_way(inner, own):
        return written(
            inner,
            tokenizer,
            pack,
            decoding,
            most=task.most_rows(call),
            ends=task.with_ends(call),
            **forced,
        )


def written(
    inner: Any, tokenizer: Any, pack: Pack, decoding: Any, *, most: float = np.inf, ends: bool = False, **forced: Any
) -> tuple[torch.Tensor, np.ndarray]:
    """(ids int64 flat, how many a sequence) of what a model writes, −1 between several of one row; none of rows from `most` on."""
    starts, lengths = pack.starts.tolist(), pack.lengths.tolist()
    ids = pack.input_ids.tolist()
    wanted = np.flatnonzero(pack.rows < most).tolist()
    sources = [ids[starts[place] : starts[place] + lengths[place]] for place in wanted]
    found: list[list[int]] = [[] for _ in range(len(pack))]
    with placed(wanted.__getitem__):
        if isinstance(inner, Outside):
            texts = inner.write(sources, decoding, ends=ends)
        else:
            from byeori.generate.write import write as write_texts

            texts = write_texts(
                inner, sources, decoding, pad=pack.pad_token_id, tokenizer=tokenizer, ends=ends, **forced
            )
    for place, several in zip(wanted, texts, strict=True):
        found[place] = joined(several)
    flat: Any = np.array([one for ids in found for one in ids], np.int64)
    if not isinstance(inner, Outside):
        import torch

        flat = torch.from_numpy(flat)
    return flat, np.array([len(ids) for ids in found], np.int64)


def joined(texts: list[list[int]]) -> list[int]:
    """Several texts as one list, −1 between them."""
    found = list(texts[0])
    for text in texts[1:]:
        found += [BETWEEN, *text]
    return found


def apart(ids: list[int]) -> list[list[int]]:
    """Texts with −1 between them → a list each."""
    found: list[list[int]] = [[]]
    for one in ids:
        if one == BETWEEN:
            found.append([])
        else:
            found[-1].append(one)
    return found
