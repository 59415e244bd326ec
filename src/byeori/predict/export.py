"""A trained model → a folder that a runtime without torch runs: written, judged by the gate, and only then put in its place.

Invariants: a folder is whole or not there; one whose headline score got worse by more than the tolerance isn't there unless forced,
and then says so; what is in it is enough for `byeori.pipeline`, `predict` and `evaluate`.

    found = export_run(run, Exporting(to="onnx", precision="int8", output="exported"), rows=None)
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import byeori
from byeori import tasks
from byeori.errors import ModelError, SettingError
from byeori.models import adapters
from byeori.models.checks import usable_length
from byeori.models.packed import first_position, unwrapped
from byeori.predict.export_gate import judge
from byeori.predict.exported import FILE, is_exported
from byeori.predict.model_folder import cleaning_of
from byeori.run import FORMAT, write_folder, write_json, write_text
from byeori.text import plain_tokenizer

if TYPE_CHECKING:
    from byeori.data.rows import Rows
    from byeori.predict.options import Exporting
    from byeori.predict.run import Run

UNKEPT = (
    "transformers_version",
    "torch_dtype",
    "dtype",
    "_name_or_path",
)  # of a config, which an export has no use for

GENERAL = ("max_position_embeddings", "hidden_size", "num_hidden_layers", "num_attention_heads")


def export_run(
    run: Run, options: Exporting, rows: Rows | None, note: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """What export.json holds, with "folder". `rows`: labelled ones, or None.

    Raises SettingError for an output or precision that can't be, ModelError for a model that can't be exported or whose export is worse.
    """
    path = check(run, options)
    writer = _writer(options.to)
    writer.check(run, options.precision)
    found: dict[str, Any] = {}

    def fill(folder: Path) -> None:
        from byeori.predict.run import load_run

        note(f"writing {options.to}, {options.precision}")
        with adapters.merged(run.model):
            found.update(_write(run, folder, options, writer))
        own = None if run.task.cleaning is None else run.task.cleaning.function
        kind = type(run.task) if tasks.source(run.task) is not None else run.task.name
        exported = load_run(folder, task=kind, clean_function=own)
        note(
            "scoring the rows again" if rows is not None else "no labelled rows: answers to random tokens are compared"
        )
        found["gate"] = gate = judge(run, exported, rows, options.tolerance, note)
        if gate["passed"] is False and not options.force:
            raise ModelError(f"{options.output}: {refused(gate, options)}")
        found["forced"] = gate["passed"] is False
        write_json(folder / FILE, found)
        write_text(folder / "README.md", readme(found, path.name))

    write_folder(path, fill)
    return {**found, "folder": str(path)}


def check(run: Run, options: Exporting) -> Path:
    """The output. Raises SettingError, ModelError."""
    if options.output is None:
        raise SettingError("no output is named. Give --output a folder for the export.")
    path = Path(options.output)
    if path.exists() and not (path.is_dir() and (not any(path.iterdir()) or (options.overwrite and is_exported(path)))):
        held = "holds an export: replace it with --overwrite, or" if is_exported(path) else "exists and is no export:"
        raise SettingError(f"output {path}: it {held} give another name with --output.")
    inner: Any = unwrapped(run.model)
    if getattr(inner.config, "auto_map", None) and not type(inner).__module__.startswith("transformers."):
        raise ModelError(
            f"{type(inner).__name__}: its code comes with the checkpoint, and no converter knows it. Exported are architectures of "
            f"transformers itself."
        )
    if not run.tokenizer.is_fast:
        raise ModelError(
            f"the tokenizer ({type(run.tokenizer).__name__}) is written in Python and has no tokenizer.json, which an export runs by. Name "
            f"a fast one with --tokenizer, or predict with the model itself."
        )
    return path


def _writer(to: str) -> Any:
    if to == "onnx":
        from byeori.predict import export_onnx

        return export_onnx
    from byeori.predict import export_ctranslate2

    return export_ctranslate2


def _write(run: Run, folder: Path, options: Exporting, writer: Any) -> dict[str, Any]:
    """All files but the README; what export.json holds so far."""
    inner, engine = unwrapped(run.model), run.engine
    model: Any = inner
    made = writer.write(run, folder, options.precision)
    # Only now: where a model has several languages, those of the export are set by then, and marked by tokenizer.json.
    run.tokenizer.backend_tokenizer.save(str(folder / plain_tokenizer.FILE))
    write_json(folder / plain_tokenizer.SAID, plain_tokenizer.saved(run.tokenizer))
    config = {name: value for name, value in model.config.to_dict().items() if name not in UNKEPT}
    # By the names that all families answer to (GPT-2's own is n_positions).
    config |= {name: getattr(model.config, name) for name in GENERAL if getattr(model.config, name, None) is not None}
    generation = vars(model.generation_config) if getattr(model, "generation_config", None) is not None else {}
    write_json(folder / "byeori.json", {
        "format": FORMAT,
        "byeori": byeori.__version__,
        "task": run.task.name,
        "own_task": tasks.source(run.task),
        "state": run.task.state(),
        "cleaning": cleaning_of(run.task, run.tokenizer),
        "columns": {role: column for role, column in run.task.columns.items() if role in run.task.roles},
        "decoding": {"max_length": engine.encoder.max_length, "truncation": engine.encoder.truncation},
    })  # fmt: skip
    said = {
        "format": FORMAT,
        "byeori": byeori.__version__,
        "runtime": options.to,
        "precision": options.precision,
        "task": run.task.name,
        "architecture": type(model).__name__,
        "model": str(run.path) if run.path is not None else str(getattr(model.config, "_name_or_path", "") or ""),
        "foreign": run.foreign,
        "usable_length": usable_length(model, run.tokenizer),
        "vocabulary": model.get_input_embeddings().num_embeddings,
        "first_position": first_position(model),
        "token_types": engine.encoder.token_types,
        "config": config,
        "generation": {name: value for name, value in generation.items() if not name.startswith("_")},
        "megabytes": {"before": round(sum(p.numel() * p.element_size() for p in model.parameters()) / 1e6, 1)},
        **made,
    }
    said["megabytes"]["after"] = round(sum(one.stat().st_size for one in folder.rglob("*") if one.is_file()) / 1e6, 1)
    write_json(folder / FILE, said)
    return said


def refused(gate: dict[str, Any], options: Exporting) -> str:
    """The sentence for an export that is worse than it may be."""
    interval = "" if gate["low"] is None else f", 95% interval {gate['low']:+.4f} to {gate['high']:+.4f}"
    return (
        f"{gate['score']} goes from {_number(gate['before'])} to {_number(gate['after'])} on {gate['rows']:,} rows in {options.precision}"
        f"{interval}: worse by {gate['worse']:.4f}, and {options.tolerance:g} is allowed, so the export was not kept. Export in another "
        f"--precision, allow more with --tolerance, or keep it with --force."
    )


def lines(found: dict[str, Any]) -> list[str]:
    """What a command says of an export."""
    gate, size, speed = found["gate"], found["megabytes"], found["gate"]["speed"]
    told = [
        f"{found.get('folder', '')}: {found['architecture']} for {found['task']}, {found['runtime']} {found['precision']}"
    ]
    if gate["score"] is not None:
        interval = "" if gate["low"] is None else f" (95% {gate['low']:+.4f} to {gate['high']:+.4f})"
        change = "" if gate["difference"] is None else f", {gate['difference']:+.4f}{interval}"
        told.append(
            f"{gate['score']}: {_number(gate['before'])} → {_number(gate['after'])}{change}, {gate['rows']:,} rows, "
            f"{gate['agreement']:.1%} the same" + (" — worse than allowed, kept by --force" if found["forced"] else "")
        )
    else:
        told.append(
            f"no labelled rows, so no score: {gate['agreement']:.1%} the same answers to {gate['rows']} rows of random tokens (--data "
            f"gives labelled ones)"
        )
    for name, one in (("before", speed["before"]), ("after", speed["after"])):
        told.append(
            f"{name}: {size[name]:,.1f} MB, {one['precision']}, {one['p50_ms']:.1f} ms a row (p50), {one['p99_ms']:.1f} ms (p99), "
            f"{one['rows_per_second']:,.0f} rows/s"
        )
    return told


def readme(found: dict[str, Any], name: str) -> str:
    """The card of an export."""
    extra = found["runtime"]
    said = "\n".join(f"- {line}" for line in lines(found)[1:])
    code = f'import byeori  # pip install "byeori[{extra}]"\n\npipe = byeori.pipeline("{found["task"]}", "{name}")'
    return (
        f"# {name}\n\nMade by Byeori {found['byeori']} (`byeori export`) of {found['model'] or 'a model'} for {found['task']}: "
        f"{found['precision']}, {extra}. It runs without torch or transformers.\n\n{said}\n\n```python\n{code}\n```\n\nSpeeds are of "
        f"the machine that exported it, one row alone and rows together. Licence and limits are those of the model.\n"
    )


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.4f}"
