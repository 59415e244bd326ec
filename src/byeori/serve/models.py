"""Which models are served and under which names, and how each is loaded.

Invariants: a model is named after its run folder, or as NAME=PATH says; two of one name are refused before anything is loaded; no
code of a model folder runs unless `trust_remote_code` says so, and no pickle is read.

    hosted = named(["runs/nsmc", "ner=runs/klue-ner"]); run = load(hosted[0], {})
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from byeori.errors import SettingError
from byeori.serve.owner import Hosted

if TYPE_CHECKING:
    from byeori.predict.run import Run

NAME = re.compile(r"[^/\\?#%\x00-\x20\x7f]+")


def named(models: Iterable[Any] | Mapping[str, Any]) -> list[Hosted]:
    """One for each, with vectors of its weights beside it. `models`: paths, Hub ids, NAME=PATH, runs, or a dict by name.

    Raises SettingError.
    """
    pairs = list(models.items()) if isinstance(models, Mapping) else [_pair(one) for one in models]
    if not pairs:
        raise SettingError("no model is named. Give a run, a model folder or a Hub id: byeori serve RUN")
    found: dict[str, Hosted] = {}
    for name, source in pairs:
        if not NAME.fullmatch(name) or name in (".", ".."):
            raise SettingError(f"the model name {name!r} can't stand in an address. Give another one: NAME={source}")
        if name in found:
            raise SettingError(
                f"two models are named {name}: {found[name].source} and {source}. Give one of them another name: NAME={source}"
            )
        found[name] = Hosted(name, source)
    return [*found.values(), *(Hosted(one.name, one.source, of=one) for one in found.values())]


def _pair(one: Any) -> tuple[str, Any]:
    if not isinstance(one, str | Path):  # a run that is loaded
        path = getattr(one, "path", None)
        return (path.name if path is not None else "model"), one
    text = str(one)
    name, sign, path = text.partition("=")
    if sign and not Path(text).exists():
        if not path:
            raise SettingError(f"{text}: NAME=PATH is needed, or a path.")
        return name, path
    place = Path(text)
    if place.exists():
        place = place.resolve()
        if place.name == "model" and (place.parent / "settings.yaml").is_file():
            place = place.parent
    return place.name, text


def load(one: Hosted, options: dict[str, Any]) -> Run | None:
    """The run of a hosted model; of one that is asked for vectors None where its model is no encoder. Raises SettingError, ModelError."""
    if one.of is not None:
        return vectors_of(one.of.run)
    from byeori.predict.run import Run as Kind
    from byeori.predict.run import load_run

    return one.source if isinstance(one.source, Kind) else load_run(one.source, **options)


def vectors_of(run: Any) -> Run | None:
    """The same weights for feature-extraction, without their head; None where there is none, or it is no encoder."""
    from byeori.predict.engine import Engine
    from byeori.predict.run import Run
    from byeori.tasks.feature_extraction import FeatureExtraction

    body = getattr(run.model, "base_model", None)
    if (
        run.task.generates
        or body is None
        or run.task.name == "feature-extraction"
        or run.model.config.is_encoder_decoder
    ):
        return None
    engine, task = run.engine, FeatureExtraction()
    task.cleaning = run.task.cleaning
    made = Engine(
        task, body, run.tokenizer, max_length=engine.encoder.max_length, truncation=engine.encoder.truncation,
        device=engine.device, precision=engine.precision, pack_tokens=engine.pack_tokens, pad_to=engine.pad_to,
    )  # fmt: skip
    return Run(None, task, made, {}, foreign=run.foreign)
