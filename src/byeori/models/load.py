"""A checkpoint → model and tokenizer, checked against each other and against the task.

Invariants: weights are float32 masters whatever the checkpoint holds; what is new (a fresh head) is named; a head whose
labels are the task's is kept, any other is made anew; nothing is unpickled (`pytorch_model.bin` loads with
`weights_only`) and no code of a checkpoint runs unless asked.

    loaded = load_model("klue/roberta-base", task, seed=0)
"""

from __future__ import annotations

import contextlib
import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from byeori.errors import ModelError
from byeori.models import adapter_folder, attention
from byeori.models.checks import (
    explain,
    find_folder,
    licence,
    usable_length,
)  # fmt: skip
from byeori.models.heads import check_kind
from byeori.models.packed import runner
from byeori.models.tokenizers import load_tokenizer, quiet

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from byeori.tasks.base import Task


@dataclass
class Loaded:
    """A model, its tokenizer, and what there is to say about them."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    source: str
    revision: str | None
    new_weights: list[str]
    notes: list[str] = field(default_factory=list)
    licence: str | None = None
    languages: list[str] = field(default_factory=list)

    @property
    def max_length(self) -> int | None:
        """Longest input in tokens that model and tokenizer take; None where there is no limit."""
        return usable_length(self.model, self.tokenizer)


def load_model(
    name: Any,
    task: Task,
    *,
    tokenizer: Any = None,
    revision: str | None = None,
    trust_remote_code: bool = False,
    seed: int = 0,
    for_training: bool = True,
) -> Loaded:
    """Load body and head. Raises ModelError.

    `name`: a Hub id, a folder, a run, or a transformers model (then `tokenizer` must be given too). Without
    `for_training` a head that the checkpoint lacks is an error: its predictions would be random.
    """
    if isinstance(name, nn.Module):
        return _given(name, tokenizer, task)
    if not name:
        raise ModelError("no model is named. Give --model a Hub id (klue/roberta-base), a folder or a run.")
    folder = find_folder(str(name))
    options = {"revision": revision, "trust_remote_code": trust_remote_code}
    onto = adapter_folder.standing(folder)
    base, of_base = (folder, options) if onto is None else (onto.base, {**options, "revision": onto.revision})
    with quiet(), explain(str(name), base):
        from transformers import AutoConfig

        config = AutoConfig.from_pretrained(folder if onto is None else onto.config, **of_base)
    check_kind(config, task, str(name))
    if tokenizer is None:
        loaded_tokenizer = load_tokenizer(folder if onto is None else onto.tokenizer, str(name), of_base)
    else:  # of another checkpoint: the model's revision says nothing about it
        options_of_it = {"trust_remote_code": trust_remote_code}
        loaded_tokenizer = load_tokenizer(tokenizer, str(tokenizer), options_of_it, config.model_type)
    kept = _match_labels(config, task) if for_training else True
    if not for_training:
        task.adopt(config)
    torch.manual_seed(seed)
    with quiet(), explain(str(name), base):
        model, info = _from_pretrained(task, base, config, of_base)
    new = sorted(info["missing_keys"]) + sorted(str(k[0]) for k in info["mismatched_keys"])
    new = [weights for weights in new if not (task.unread and weights.startswith(task.unread))]
    if onto is not None:
        new = onto.put_on(model, new, str(name))
    if new and not for_training:
        raise ModelError(
            f"{name}: this checkpoint ({', '.join(config.architectures or ['no head named'])}) has no head for {task.name}: "
            f"{', '.join(new[:4])} would be random. Train it first with `byeori train`, name a checkpoint made for the "
            f"task, or (in Python) give the task what it is to learn, such as its labels=[…]."
        )
    if for_training and not kept:
        new = _renew_head(model, new)
    found = Loaded(model, loaded_tokenizer, str(name), resolved(str(folder), revision), new)
    found.licence, found.languages = licence(str(folder), revision)
    _tell(found, config, task, info)
    settle(found)
    return found


def resolved(name: str, revision: str | None) -> str | None:
    """The commit of a Hub model that was just loaded, by its place in the cache; None for what is no Hub model."""
    from huggingface_hub import try_to_load_from_cache

    if Path(name).exists() or name.count("/") > 1:
        return None
    found = try_to_load_from_cache(name, "config.json", revision=revision)
    return Path(found).parent.name if isinstance(found, str) else None


def settle(found: Loaded) -> None:
    """Attention, segment ids and padding that model and tokenizer agree on."""
    _settle_attention(found)
    _match_token_types(found)
    _match_pads(found)


def take_label_order(name: Any, task: Task, *, revision: str | None = None, trust_remote_code: bool = False) -> None:
    """Give the task the labels' order of a checkpoint whose head will be kept, before anything is counted by labels.

    Raises ModelError.
    """
    if isinstance(name, nn.Module):
        config = copy.deepcopy(name.config)
    else:
        folder = find_folder(str(name))
        if (onto := adapter_folder.standing(folder)) is not None:
            folder, revision = onto.config, onto.revision
        with quiet(), explain(str(name), folder):
            from transformers import AutoConfig

            config = AutoConfig.from_pretrained(folder, revision=revision, trust_remote_code=trust_remote_code)
    _match_labels(config, task)


def _given(model: nn.Module, tokenizer: Any, task: Task) -> Loaded:
    from transformers import PreTrainedTokenizerBase

    if not isinstance(tokenizer, PreTrainedTokenizerBase):
        if tokenizer is None:
            raise ModelError("a model object was given without its tokenizer: pass tokenizer= as well.")
        tokenizer = load_tokenizer(str(tokenizer), str(tokenizer), {})
    config: Any = model.config
    wanted = task.config()
    if wanted and len(wanted["id2label"]) != config.num_labels:
        raise ModelError(
            f"the model's head has {config.num_labels} outputs, the data {len(wanted['id2label'])} labels "
            f"({', '.join(list(wanted['id2label'].values())[:6])}). Load it with num_labels={len(wanted['id2label'])}, or pass its name."
        )
    if task.config():
        _match_labels(config, task)
    model.float()
    with quiet(), contextlib.suppress(ValueError):  # a family that takes no attention from outside keeps its own
        model.set_attn_implementation(attention.NAME)  # type: ignore[operator]
    found = Loaded(model, tokenizer, getattr(config, "_name_or_path", "") or type(model).__name__, None, [])
    settle(found)
    return found


def _from_pretrained(task: Task, folder: str, config: Any, options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    import transformers

    auto = getattr(transformers, task.auto_class)
    common = {
        "config": config,
        "dtype": torch.float32,
        "ignore_mismatched_sizes": True,
        "output_loading_info": True,
        **options,
    }
    try:
        return auto.from_pretrained(folder, attn_implementation=attention.NAME, **common)
    except ValueError as error:
        # A family that takes no attention from outside says so; it runs with its own.
        if (
            attention.NAME not in str(error)
            and "attn_implementation" not in str(error)
            and "attention" not in str(error)
        ):
            raise
        config._attn_implementation = None
        return auto.from_pretrained(folder, **common)


def _match_labels(config: Any, task: Task) -> bool:
    """Write the task's labels into the config; True if the checkpoint's head was made for just these labels."""
    wanted = task.config()
    if not wanted:
        return True
    theirs = [config.id2label[i] for i in sorted(config.id2label, key=int)] if config.id2label else []
    ours = list(wanted["id2label"].values())
    numbered = theirs == [f"LABEL_{i}" for i in range(len(theirs))]
    has_head = any(name.endswith(task.auto_class.removeprefix("AutoModel")) for name in config.architectures or [])
    same_kind = getattr(config, "problem_type", None) in (None, wanted["problem_type"])
    kept = (
        has_head
        and same_kind
        and (sorted(theirs) == sorted(ours) or (numbered and [f"LABEL_{name}" for name in ours] == theirs))
    )
    if kept and not numbered and theirs != ours:
        kept = task.reorder(theirs)  # the head's own order
        wanted = task.config()
    config.num_labels = len(ours)
    for name, value in wanted.items():
        setattr(config, name, value)
    return kept


def _renew_head(model: PreTrainedModel, new: list[str]) -> list[str]:
    """Fresh weights for all that isn't the body: this head was made for other labels."""
    body = getattr(model, model.base_model_prefix, None)
    inside = set() if body is None else {id(p) for p in body.parameters()}
    head = [name for name, p in model.named_parameters() if id(p) not in inside]
    if body is not None and set(head) - set(new):
        for child in model.children():
            if child is not body:
                for module in child.modules():
                    for parameter in module.parameters(recurse=False):
                        parameter._is_hf_initialized = False
                    model._init_weights(module)
    return sorted(set(new) | set(head))


def _tell(found: Loaded, config: Any, task: Task, info: dict[str, Any]) -> None:
    kind = (config.architectures or [config.model_type])[0]
    size = sum(p.numel() for p in found.model.parameters())
    line = f"{found.source}: {kind}, {size / 1e6:.1f}M parameters"
    if found.licence or found.languages:
        line += f", licence {found.licence or 'not stated'}, languages {', '.join(found.languages) or 'not stated'}"
    found.notes.append(line + ".")
    if found.new_weights:
        found.notes.append(f"New weights, to be learnt: {', '.join(found.new_weights)}.")
    else:
        head = getattr(task, "labels", None)
        found.notes.append(f"The checkpoint's head {'fits these labels and is kept' if head else 'is kept'}.")
    unused = sorted(info["unexpected_keys"])
    if unused:
        parts = sorted({".".join(key.split(".")[:2]) for key in unused})
        found.notes.append(f"Not used: {', '.join(parts[:6])} ({len(unused)} tensors of the checkpoint's old head).")


def _settle_attention(found: Loaded) -> None:
    """Probe whether the model runs packed; if not, give it back its own attention and say so once."""
    run = runner(found.model)
    if run.packs or (run.pairs is not None and run.pairs.packs):
        return
    found.notes.append(f"{type(found.model).__name__} runs in length-sorted rectangles, not packed: {run.reason}.")
    if found.model.config._attn_implementation == attention.NAME:
        for name in ("sdpa", "eager"):  # families with soft caps (Gemma 2) refuse sdpa, which has none
            with quiet(), contextlib.suppress(ValueError, ImportError):
                found.model.set_attn_implementation(name)
                break
        if found.model.config._attn_implementation == attention.NAME:  # DeBERTa keeps what it was given, and ignores it
            found.model.config._attn_implementation = "eager"


def _match_token_types(found: Loaded) -> None:
    """A body with one segment must not get two: klue/roberta's BERT tokenizer sends 0 and 1 for pairs."""
    if "token_type_ids" in found.tokenizer.model_input_names and not uses_token_types(found.model, found.tokenizer):
        names = [name for name in found.tokenizer.model_input_names if name != "token_type_ids"]
        found.tokenizer.model_input_names = names
        found.tokenizer.init_kwargs["model_input_names"] = names  # this is what is saved
        if getattr(found.model.config, "type_vocab_size", None) == 1:
            found.notes.append(
                "The tokenizer sends segment ids that the model has no embeddings for; they are left out, also in the saved tokenizer."
            )


def _match_pads(found: Loaded) -> None:
    """A pad token for both: GPT-2's tokenizer has none, and its head finds the last token of a text by it.

    An end token stands in for it, or, as GPT and CTRL have none either, the unknown one.
    """
    tokenizer, config = found.tokenizer, found.model.config
    stand_in = tokenizer.unk_token if tokenizer.eos_token_id is None else tokenizer.eos_token
    if tokenizer.pad_token_id is None and stand_in is not None:
        tokenizer.pad_token = stand_in
        found.notes.append(f"The tokenizer has no pad token; {stand_in} stands in for it.")
    if getattr(config, "pad_token_id", None) is None and tokenizer.pad_token_id is not None:
        config.pad_token_id = tokenizer.pad_token_id


def uses_token_types(model: nn.Module, tokenizer: Any) -> bool:
    """Whether segment ids go to the model: the tokenizer makes them and the model has more than one segment."""
    return (
        "token_type_ids" in tokenizer.model_input_names
        and getattr(model.config, "type_vocab_size", 0) > 1
        and "token_type_ids" in runner(model).accepts
    )
