"""A model's parts with their sizes: the body, the head that reads it, and what of them is new or shared.

Invariant: each parameter is counted once; those of a head that are the body's own (tied embeddings) are named, not counted.

    parts(model, new=["classifier.weight"])["parts"]
"""

from __future__ import annotations

from typing import Any

from byeori.doctor.sees_table import table
from byeori.models.packed import unwrapped

SIZES = {
    "hidden size": ("hidden_size", "d_model", "n_embd", "dim"), "layers": ("num_hidden_layers", "num_layers", "n_layer", "n_layers"),
    "heads": ("num_attention_heads", "n_head", "n_heads", "encoder_attention_heads", "num_heads"),
    "positions": ("max_position_embeddings", "n_positions"), "segments": ("type_vocab_size",),
}  # fmt: skip
TENSORS = 8  # weights of a head that are named


def parts(model: Any, new: list[str] | None = None) -> dict[str, Any]:
    """{"class", "parameters", "trainable", "dtype", "sizes", "parts": [{"name", "class", "role", "parameters", "tied", "new", "of"}]}.

    role is "body" or "head"; "of" are the body's own parts, or the head's weights with their shapes.
    """
    inner: Any = unwrapped(model)
    body = getattr(inner, inner.base_model_prefix, None) if inner.base_model_prefix else None
    output = inner.get_output_embeddings() if hasattr(inner, "get_output_embeddings") else None
    counted: set[int] = set()
    found = []
    # The body first: what a head shares with it is the body's.
    children = sorted(inner.named_children(), key=lambda one: _is_head(one[1], body, output, inner))
    for name, module in children:
        head = _is_head(module, body, output, inner)
        named = list(module.named_parameters(remove_duplicate=True))
        if not named:
            continue
        fresh = [(path, one) for path, one in named if id(one) not in counted]
        counted.update(id(one) for _, one in named)
        part: dict[str, Any] = {
            "name": name, "class": type(module).__name__, "role": "head" if head else "body",
            "parameters": sum(one.numel() for _, one in fresh), "tied": [path for path, one in named if (path, one) not in fresh],
            "new": any(weight.startswith(f"{name}.") or weight == name for weight in new or ()),
        }  # fmt: skip
        if head:
            part["of"] = [
                {"name": f"{name}.{path}" if path else name, "shape": list(one.shape)} for path, one in named[:TENSORS]
            ]
        else:
            part["of"] = [
                {"name": below, "class": type(one).__name__, "parameters": sum(p.numel() for p in one.parameters())}
                for below, one in module.named_children() if any(True for _ in one.parameters())
            ]  # fmt: skip
        found.append(part)
    every = {id(one): one for one in inner.parameters()}.values()
    config = inner.config
    sizes = {
        name: next((n for own in names if isinstance(n := getattr(config, own, None), int)), None)
        for name, names in SIZES.items()
    }
    return {
        "class": type(inner).__name__, "parameters": sum(one.numel() for one in every),
        "trainable": sum(one.numel() for one in every if one.requires_grad),
        "dtype": str(next(iter(every)).dtype).removeprefix("torch."),
        "sizes": {"vocabulary": inner.get_input_embeddings().num_embeddings, **{k: v for k, v in sizes.items() if v is not None}},
        "parts": found,
    }  # fmt: skip


def _is_head(module: Any, body: Any, output: Any, model: Any) -> bool:
    """All that isn't the body; of a model without one of its own (T5) what makes its logits; of a body alone nothing."""
    if body is not None and body is not model:
        return module is not body
    return output is not None and any(one is output for one in module.modules())


def lines(data: dict[str, Any]) -> list[str]:
    """The model printed: its parts, and the head's weights."""
    sizes = ", ".join(f"{name} {value:,}" for name, value in data["sizes"].items())
    found = [f"{data['class']}: {data['parameters']:,} parameters ({data['dtype']}); {sizes}", ""]
    rows: list[tuple[Any, ...]] = []
    for part in data["parts"]:
        notes = ["new weights"] if part["new"] else []
        notes += (
            [f"{', '.join(part['tied'])} {'shared with the body' if part['role'] == 'head' else 'shared'}"]
            if part["tied"]
            else []
        )
        rows.append((part["role"], part["name"], part["class"], f"{part['parameters']:,}", "; ".join(notes)))
        for below in part["of"]:
            if part["role"] == "head":
                rows.append(("", f"  {below['name']}", " × ".join(f"{one:,}" for one in below["shape"]), "", ""))
            else:
                rows.append(("", f"  {below['name']}", below["class"], f"{below['parameters']:,}", ""))
    return found + table(("", "part", "class or shape", "parameters", ""), rows, {3})
