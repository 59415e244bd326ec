"""A folder that holds an adapter alone: what it stands on, and both together again as a plain model.

Invariants: an adapter is put on the weights it was trained on or on none: byeori.json holds a hash of these; no weight of the
model is left to chance, whatever the adapter lacks.

    onto = standing("run/model"); model = AutoModel….from_pretrained(onto.base); new = onto.put_on(model, new)
"""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from byeori.errors import ModelError, SettingError
from byeori.run import read_json

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"
WHOLE = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")


def need_peft(why: str) -> None:
    """Raises SettingError where peft isn't installed."""
    import importlib.util

    if importlib.util.find_spec("peft") is None:
        raise SettingError(f"{why}: this needs peft. Install it: pip install 'byeori[adapters]'.")


def holds_adapter(folder: str | Path) -> bool:
    """Whether the folder holds an adapter and no whole model."""
    path = Path(folder)
    return (path / CONFIG).is_file() and not any((path / name).is_file() for name in WHOLE)


@dataclass
class Standing:
    """An adapter's folder and what it stands on. `known`: what byeori.json says of that, {} of a folder that others made."""

    folder: Path
    base: str
    revision: str | None
    known: dict[str, Any]

    @property
    def config(self) -> str:
        """Where the model's configuration lies."""
        return str(self.folder) if (self.folder / "config.json").is_file() else self.base

    @property
    def tokenizer(self) -> str:
        own = any((self.folder / name).is_file() for name in ("tokenizer_config.json", "tokenizer.json"))
        return str(self.folder) if own else self.base

    def put_on(self, model: Any, new: list[str], source: str) -> list[str]:
        """Merge the adapter into a model of the base's weights, in place; returns which of its `new` weights still are.

        Raises ModelError for weights of another base, and for an adapter that doesn't fit.
        """
        from peft import PeftModel, get_peft_model_state_dict
        from safetensors.torch import load_file

        from byeori.models.adapters import digest

        asked = self.known.get("digest")
        if asked is not None and digest(model, leave_out=self.known["new"]) != asked:
            raise ModelError(
                f"{source}: its adapter was trained on other weights than those of {self.base}: the checkpoint has changed since. "
                f"Name the right one as base_model_name_or_path in {self.folder / CONFIG}."
            )
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                wrapped: Any = PeftModel.from_pretrained(model, str(self.folder))
            there = set(load_file(self.folder / WEIGHTS))
        except Exception as error:  # peft raises whatever its parts raise
            raise ModelError(
                f"{source}: its adapter can't be put on {self.base} ({type(error).__name__}: {' '.join(str(error).split())[:200]})."
            ) from error
        wanted = set(get_peft_model_state_dict(wrapped, save_embedding_layers=False))
        if there != wanted:
            raise ModelError(
                f"{source}: its adapter isn't one for {self.base}: {', '.join(sorted(there ^ wanted)[:3])} and others are on one side "
                f"alone. Name the right model as base_model_name_or_path in {self.folder / CONFIG}."
            )
        whole = tuple(
            name for name, _ in model.named_modules() if f"{name}.modules_to_save" in dict(model.named_modules())
        )
        plain = wrapped.merge_and_unload()
        assert plain is model
        vars(model).pop("peft_config", None)
        model.requires_grad_(True)
        return [name for name in new if not name.startswith(tuple(f"{one}." for one in whole))]


def standing(folder: str | Path) -> Standing | None:
    """What the adapter in a folder stands on; None where the folder is no adapter's. Raises ModelError, SettingError."""
    path = Path(folder)
    if not holds_adapter(path):
        return None
    need_peft(str(path))
    if not (path / WEIGHTS).is_file():
        raise ModelError(f"{path}: there is {CONFIG} in it, but no {WEIGHTS}. Copy it beside, or name another model.")
    try:
        config = json.loads((path / CONFIG).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{path / CONFIG}: this is not JSON: {error}.") from None
    base = config.get("base_model_name_or_path")
    if not base:
        raise ModelError(
            f"{path / CONFIG}: it doesn't say what the adapter stands on. Name it as base_model_name_or_path."
        )
    if (Path(base).is_absolute() or base.count("/") > 1) and not (Path(base) / "config.json").is_file():
        raise ModelError(
            f"{path}: it holds an adapter alone, and what that stands on, {base}, isn't there. Put it back, or name its new place as "
            f"base_model_name_or_path in {path / CONFIG}."
        )
    if holds_adapter(base):
        raise ModelError(f"{path}: it holds an adapter on an adapter ({base}). Merge that one first.")
    own = path / "byeori.json"
    known = (read_json(own).get("adapter") or {}) if own.is_file() else {}
    return Standing(path, base, config.get("revision"), known)
