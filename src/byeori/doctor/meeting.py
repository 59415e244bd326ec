"""A model's tokenizer and size, without its weights where they are not needed; and what there is to say when they meet the data.

met = meet("klue/roberta-base", TextClassification(), SimpleNamespace(max_length=None))
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from byeori.doctor.findings import Finding
from byeori.doctor.parts import Part

if TYPE_CHECKING:
    from byeori.models.load import Loaded
    from byeori.tasks.base import Task

TEXTS = 200  # on which tokenizer and model are tried together


@dataclass
class Met:
    """model: on no device (`meta`), so without weights, unless `loaded` holds it. max_length: what training would take."""

    name: str
    tokenizer: Any
    model: Any
    max_length: int
    loaded: Loaded | None = None


def meet(name: Any, task: Task, using: Any, whole: bool = False) -> Met:
    """Load a model's tokenizer, and the model: `whole` or as its shapes alone. Raises ModelError, SettingError."""
    import torch

    from byeori.models.checks import explain, find_folder, length_for, usable_length
    from byeori.models.load import load_model, load_tokenizer, quiet

    trust, revision = bool(getattr(using, "trust_remote_code", False)), getattr(using, "revision", None)
    given = getattr(using, "tokenizer", None)
    asked = getattr(using, "max_length", None)
    if whole or isinstance(name, torch.nn.Module):
        loaded = load_model(
            name, task, tokenizer=given, revision=revision, trust_remote_code=trust, for_training=task.prepared
        )
        length = length_for(asked, loaded.max_length, loaded.source, task.default_length)
        return Met(loaded.source, loaded.tokenizer, loaded.model, length, loaded)
    folder = find_folder(str(name))
    with quiet(), explain(str(name), folder):
        import transformers

        options = {"revision": revision, "trust_remote_code": trust}
        config = transformers.AutoConfig.from_pretrained(folder, **options)
        with torch.device("meta"):
            auto = getattr(transformers, task.auto_class)
            try:
                model = auto.from_config(config, trust_remote_code=trust)
            except ValueError:  # no head of this kind: the body tells sizes and lengths as well
                model = transformers.AutoModel.from_config(config, trust_remote_code=trust)
    source, more = (given, {}) if given is not None else (folder, {"revision": revision})
    tokenizer = load_tokenizer(source, str(given or name), {**more, "trust_remote_code": trust})
    length = length_for(asked, usable_length(model, tokenizer), str(name), task.default_length)
    return Met(str(name), tokenizer, model, length)


def contract(met: Met, part: Part) -> list[Finding]:
    """What model and tokenizer say when they are tried on the data's own texts."""
    from byeori.models import contract as contracts

    step = max(1, len(part) // TEXTS)
    texts = [text for role in part.written for text in part.texts(role)[::step][:TEXTS] if text.strip()]
    if not texts:
        return []
    return [
        Finding("contract", one.level, part.name, 1, one.said, one.fix)
        for one in contracts.contract(met.model, met.tokenizer, texts, met.name)
    ]
