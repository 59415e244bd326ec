"""What of a model doesn't train, by names that people use for its parts.

Invariants: frozen are just the parameters of the named parts, by `requires_grad`, as one does with transformers; weights that
are new train always; a name that stands for nothing, or all that trains, is refused.

    freeze(model, "embeddings,layers.0-3", new=["classifier.weight"])
"""

from __future__ import annotations

import re
from typing import Any

from torch import nn

from byeori.errors import SettingError

LAYERS = re.compile(r"layers\.(\d+)(?:-(\d+))?$")
LAST = re.compile(r"all-but-last:(\d+)$")


def freeze(model: Any, parts: str | list[str], new: list[str] | None = None) -> list[nn.Parameter]:
    """Freeze the named parts; returns what was frozen. `new`: names of weights that train whatever is named.

    Names: `embeddings`, `layers.2`, `layers.0-3` (counted from 0, of an encoder and a decoder those of both), `body` (all but the
    head), `all-but-last:2` (the body but its last two layers), or a module's name. Raises SettingError.
    """
    names = [one.strip() for one in (parts.split(",") if isinstance(parts, str) else parts) if one.strip()]
    chosen: dict[int, nn.Parameter] = {}
    for name in names:
        found = _named(model, name)
        if not found:
            raise SettingError(f"freeze={name!r}: the model has no such part. There are {_what_there_is(model)}.")
        chosen |= {id(p): p for p in found}
    fresh = {name: p for name, p in model.named_parameters() if name in (new or ())}
    frozen = [p for key, p in chosen.items() if p.requires_grad and key not in {id(p) for p in fresh.values()}]
    gone = {id(p) for p in frozen}
    if not any(p.requires_grad and id(p) not in gone for p in model.parameters()):
        raise SettingError(
            f"freeze={','.join(names)!r}: nothing is left to train. There are {_what_there_is(model)}; leave some of them out."
        )
    for parameter in frozen:
        parameter.requires_grad_(False)
    return frozen


def body_of(model: Any) -> Any:
    return getattr(model, model.base_model_prefix, model)


def stacks(model: Any) -> list[nn.ModuleList]:
    """The lists of layers, of an encoder and a decoder two."""
    wanted = getattr(body_of(model).config, "num_hidden_layers", None)
    lists: list[nn.ModuleList] = []
    inside: set[nn.Module] = set()
    for part in body_of(model).modules():
        if isinstance(part, nn.ModuleList) and part not in inside and len(part):
            inside.update(part.modules())
            lists.append(part)
    if len(lists) > 2:  # a list of something else as well
        lists = [one for one in lists if len(one) == wanted] or lists
    return lists


def _named(model: Any, name: str) -> list[nn.Parameter]:
    body, lists = body_of(model), stacks(model)
    if name == "body":
        return list(body.parameters()) if body is not model else []
    if name == "embeddings":
        return _embeddings(body, lists)
    if match := LAYERS.match(name):
        first, last = int(match[1]), int(match[2] or match[1])
        whole = lists and last < max(map(len, lists)) and first <= last
        return (
            [p for one in lists for layer in list(one)[first : last + 1] for p in layer.parameters()] if whole else []
        )
    if match := LAST.match(name):
        count = int(match[1])
        if not lists or count > max(map(len, lists)) or body is model:
            return []
        stay = {id(p) for one in lists for layer in list(one)[max(0, len(one) - count) :] for p in layer.parameters()}
        # What comes after the layers, a last norm or a pooler, goes with the last of them.
        before = {
            id(p) for one in (*lists, None) for p in (one.parameters() if one is not None else _embeddings(body, lists))
        }
        return [p for p in body.parameters() if id(p) in before and id(p) not in stay]
    for part in (model, body):
        try:
            return list(part.get_submodule(name).parameters())
        except AttributeError:
            continue
    return []


def _embeddings(body: Any, lists: list[nn.ModuleList]) -> list[nn.Parameter]:
    """Of words, positions and segments, with the norm that belongs to them where the family has them in one part."""
    inside = {module for one in lists for module in one.modules()}
    parts = [
        part
        for name, part in body.named_modules()
        if part not in inside and (isinstance(part, nn.Embedding) or name.rpartition(".")[2] == "embeddings")
    ]
    return [p for part in parts for p in part.parameters()]


def _what_there_is(model: Any) -> str:
    lists = stacks(model)
    known = ["embeddings", *([f"layers.0-{max(map(len, lists)) - 1}"] if lists else []), "body", "all-but-last:N"]
    modules = [name for name, part in model.named_children() if any(True for _ in part.parameters())]
    modules += [name for name, part in body_of(model).named_children() if any(True for _ in part.parameters())]
    return ", ".join(dict.fromkeys([*known, *modules]))
