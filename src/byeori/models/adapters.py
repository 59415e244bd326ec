"""Adapters by peft inside a transformers model: put in, merged for as long as something needs plain weights, taken out again.

Invariants: the model stays the object it was, an adapter's layers stand in the places of those they adapt; what is
evaluated, saved and predicted with is the model with the adapter merged, as peft's `merge_and_unload` has it; the weights
that lie underneath are afterwards, bit for bit, what they were.

    put_in(model, peft.LoraConfig(r=8), source="klue/bert-base"); with merged(model): model.save_pretrained(folder)
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from byeori.errors import SettingError
from byeori.models.adapter_folder import WEIGHTS
from byeori.models.device import full, lost
from byeori.models.packed import runner
from byeori.models.ready import sampled

PLACE = "_byeori_adapter"  # where a model remembers its adapter
# peft's names for tasks, by our Auto class: what others load an adapter by.
TASKS = {
    "AutoModelForSequenceClassification": "SEQ_CLS", "AutoModelForTokenClassification": "TOKEN_CLS",
    "AutoModelForQuestionAnswering": "QUESTION_ANS", "AutoModelForCausalLM": "CAUSAL_LM",
    "AutoModelForSeq2SeqLM": "SEQ_2_SEQ_LM",
}  # fmt: skip
# Methods that a model with this adapter merged can't stand for, or that ask for calls of their own meanwhile.
REFUSED = ("ADALORA", "XLORA", "POLY", "ADAPTION_PROMPT")


@dataclass
class Adapter:
    """What a model's adapter is. `alone`: it is saved without the weights it stands on, which are those of `source`."""

    peft: Any  # the PeftModel around the model
    source: str
    revision: str | None
    alone: bool
    new: list[str]  # weights that the source doesn't have
    digest: str  # of those it has
    trained: list[nn.Parameter]  # those that trained before


def adapter_of(model: nn.Module) -> Adapter | None:
    """The adapter in a model, if there is one."""
    return vars(model).get(PLACE)


def put_in(
    model: Any,
    config: Any,
    *,
    source: str,
    revision: str | None = None,
    new: list[str] | None = None,
    alone: bool = False,
) -> None:
    """Put an adapter of this peft configuration into the model and freeze the rest. `new`: names of weights that must train.

    Raises SettingError for a method that can't be merged, or that peft can't put into this model.
    """
    import peft

    kind = str(getattr(config.peft_type, "value", config.peft_type))
    if config.is_prompt_learning or kind in REFUSED:
        raise SettingError(
            f"adapter_config: {kind} can't be merged into the weights it stands beside, so it is not trained here. Take LORA, or "
            f"another method that peft merges (LOHA, LOKR, IA3, OFT, VERA)."
        )
    for name in ("trainable_token_indices", "target_parameters", "layer_replication"):
        if getattr(config, name, None):
            raise SettingError(f"adapter_config: {name} is not supported here. Leave it out.")
    new = list(new or [])
    saved = list(getattr(config, "modules_to_save", None) or [])
    names = sorted({*saved, *_head(model, config, new)})
    if hasattr(config, "modules_to_save"):
        config.modules_to_save = names or None
    if hasattr(config, "exclude_modules") and config.exclude_modules is None:
        inside = [name for name, _ in model.named_modules() if _within(name, names)]
        config.exclude_modules = inside or None
    loose = [name for name in new if not _within(name, names)]
    if alone and loose:
        raise SettingError(
            f"merge_adapter=False: {', '.join(loose[:3])} would be new, and an adapter alone can't hold them. Leave --no-merge-adapter "
            f"out, or name a checkpoint that has this head."
        )
    before = [p for p in model.parameters() if p.requires_grad]
    base = digest(model, leave_out=new)
    fresh = dict(model.named_parameters())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Conv1D's weights, which lie the other way round, and of tied ones
            wrapped = peft.get_peft_model(model, config)
    except (ValueError, TypeError, KeyError, AttributeError, NotImplementedError, RuntimeError) as error:
        if full(error) or lost(error):
            raise
        raise SettingError(
            f"adapter: peft can't put it into {type(model).__name__} ({' '.join(str(error).split())[:240]}). Its linear modules are "
            f"{', '.join(linear(model))}: name some with --adapter-targets, or all-linear."
        ) from error
    for name in loose:
        fresh[name].requires_grad_(True)
    vars(model)[PLACE] = Adapter(wrapped, source, revision, alone, new, base, before)
    _check(model, kind)


def _check(model: Any, kind: str) -> None:
    layers = [layer for layer in model.modules() if _adapts(layer)]
    under = [layer.base_layer for layer in layers]
    inside = {id(part) for layer in under for part in layer.modules()}
    owned = {id(p) for part in under for p in part.parameters()}
    shared = [
        name
        for name, part in model.named_modules()
        if id(part) not in inside and any(id(p) in owned for p in part.parameters(recurse=False))
    ]
    if shared:
        raise SettingError(
            f"adapter: a target shares its weights with {shared[0]} (tied embeddings), and merging would change both. Name other "
            f"modules with --adapter-targets."
        )
    if any(one is runner(model).end for one in under):
        raise SettingError("adapter: the last norm can't get one here. Name other modules in the adapter's settings.")
    try:
        with merged(model):
            pass
    except (NotImplementedError, ValueError) as error:
        raise SettingError(
            f"adapter_config: {kind} with these settings can't be merged into the weights ({error}). Take a method that peft merges."
        ) from error


def linear(model: nn.Module) -> list[str]:
    """Last names of the modules that multiply, once each."""
    kinds = ("Linear", "Conv1D")
    return list(
        dict.fromkeys(n.rpartition(".")[2] for n, part in model.named_modules() if type(part).__name__ in kinds)
    )


def _head(model: Any, config: Any, new: list[str]) -> list[str]:
    """Modules that train as they are: of a head that classifies all, else the fresh ones that share nothing with the body."""
    body = getattr(model, model.base_model_prefix, model)
    outside = [
        name for name, part in model.named_children() if part is not body and any(True for _ in part.parameters())
    ]
    classifies = not hasattr(model, "lm_head") and model.get_output_embeddings() is None
    found = outside if classifies and body is not model else []
    for name in new:
        parent = name.rpartition(".")[0]
        if classifies and parent and not _within(name, found):
            found.append(parent)
    return found


def _within(name: str, modules: list[str]) -> bool:
    return any(name == one or name.startswith(one + ".") for one in modules)


def _adapts(module: nn.Module) -> bool:
    from peft.tuners.tuners_utils import BaseTunerLayer

    return isinstance(module, BaseTunerLayer)


@contextmanager
def merged(model: Any) -> Iterator[None]:
    """Within it the model is plain, each layer with what its adapter makes of it; nothing happens where there is none."""
    if adapter_of(model) is None:
        yield
        return
    undo = _plain(model, keep=True)
    try:
        yield
    finally:
        undo()


def take_out(model: Any) -> None:
    """The model plain again, the adapter merged for good; all that trained before may train."""
    adapter = vars(model).pop(PLACE, None)
    if adapter is None:
        return
    _plain(model, keep=False)
    vars(model).pop("peft_config", None)
    for parameter in (*adapter.trained, *adapter.peft.parameters()):
        parameter.requires_grad_(True)


@torch.no_grad()
def _plain(model: nn.Module, keep: bool) -> Any:
    """Put the layers, adapters merged, in the places of what stands for them; returns what undoes it, where asked to `keep`."""
    from peft.utils.other import ModulesToSaveWrapper

    undone: list[Any] = []
    copies: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    def undo() -> None:
        with torch.no_grad():
            for step in reversed(undone):
                step()
            for parameter, value in copies.values():
                parameter.copy_(value)

    try:
        for parent in list(model.modules()):
            if _adapts(parent) or isinstance(parent, ModulesToSaveWrapper):
                continue
            for name, child in list(parent._modules.items()):
                if isinstance(child, ModulesToSaveWrapper):
                    instead = child.modules_to_save[child.active_adapters[0]]
                elif child is not None and _adapts(child):
                    layer: Any = child
                    instead = layer.get_base_layer()
                    if not layer.merged:
                        if keep:
                            copies |= {id(p): (p, p.detach().clone()) for p in instead.parameters()}
                        undone.append(layer.unmerge)
                        layer.merge()
                else:
                    continue
                instead.train(child.training)
                undone.append(lambda parent=parent, name=name, child=child: parent._modules.update({name: child}))
                parent._modules[name] = instead
    except BaseException:
        undo()
        raise
    return undo


def save_alone(folder: Path, model: Any) -> dict[str, Any]:
    """Write peft's files of the adapter, and the configuration; returns what byeori.json says of what it stands on."""
    adapter = adapter_of(model)
    assert adapter is not None
    config = adapter.peft.peft_config["default"]
    config.base_model_name_or_path, config.revision = adapter.source, adapter.revision
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        adapter.peft.save_pretrained(folder, save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)  # a form with nothing filled in; the card is ours
    model.config.save_pretrained(folder)
    if getattr(model, "generation_config", None) is not None and model.can_generate():
        model.generation_config.save_pretrained(folder)
    return {"base": adapter.source, "revision": adapter.revision, "digest": adapter.digest, "new": adapter.new}


def read_weights(model: Any, folder: Path) -> None:
    """Put the adapter that was saved alone into this one's place."""
    from peft import set_peft_model_state_dict
    from safetensors.torch import load_file

    adapter = adapter_of(model)
    assert adapter is not None
    set_peft_model_state_dict(adapter.peft, load_file(folder / WEIGHTS))


def digest(model: nn.Module, leave_out: Any = (), only: Any = None) -> str:
    """A hash of weights by names, shapes and some values of each, which tells one checkpoint from another."""
    found = hashlib.blake2b(digest_size=16)
    for name, parameter in sorted(model.named_parameters()):
        if name in leave_out or (only is not None and name not in only):
            continue
        found.update(f"{name}{tuple(parameter.shape)}".encode())
        if parameter.numel():
            whole = parameter.detach().contiguous()
            values = sampled(whole if whole.ndim else whole[None]).float().cpu().numpy()
            found.update(np.ascontiguousarray(values).tobytes())
    return found.hexdigest()
