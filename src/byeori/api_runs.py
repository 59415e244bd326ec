"""The public functions about finished runs: where they go, how they compare, their card, how they are served.

byeori.compare("run", "other-run"); byeori.push("run", "me/reviews")
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from byeori import settings
from byeori.errors import DataError, ModelError, SettingError
from byeori.train.leftovers import forgetting

if TYPE_CHECKING:
    from byeori.predict.run import Run


def push(run: str | Path, repo_id: str, **options: Any) -> dict[str, Any]:
    """Send a run's model/ with its card to the Hub, private unless `private=False`; nothing is asked.

    `options`: private, revision, tag, message, extras, allow, dry_run, note, as in `byeori.report.push.push`, whose answer this
    is: {"repo_id", "url", "tag", "commit", "files", "stays", …}. Raises SettingError, ModelError, HubError.
    """
    from byeori.report.push import push as send

    return send(run, repo_id, **options)


@forgetting
def export(model: Any, *, note: Callable[[str], None] | None = None, **options: Any) -> dict[str, Any]:
    """Write a model for a runtime without torch, with its tokenizer and task, once the same rows scored as well through it.

    model: a run, a folder, a Hub id. `options`: to ("onnx", "ctranslate2"), precision ("float32", "bfloat16", "int8"), output, data,
    rows, tolerance, force, overwrite; task, tokenizer, revision, max_length and the like as in `load_run`; text, label and the like as in
    `evaluate`. Returns what export.json holds, and "folder". Raises SettingError, DataError, ModelError.
    """
    from byeori.predict.export import check, export_run
    from byeori.predict.exported import is_exported
    from byeori.predict.options import TOLD, Exporting, Reading, Using
    from byeori.predict.run import load_run
    from byeori.train.again import judged_rows

    if isinstance(model, str | Path) and is_exported(model):
        raise ModelError(f"{model}: this is an export already. Export the model that it was made of.")
    tell = note or (lambda _: None)
    asked = {name: options.pop(name) for name in list(options) if name in settings.names(Exporting)}
    (chosen,) = settings.read(asked, Exporting)
    loading = {name: options.pop(name) for name in ("task", *TOLD, *settings.names(Using)) if name in options}
    loading.pop("precision", None)
    run = load_run(model, **{"device": "cpu", **loading, "precision": "float32"})
    check(run, chosen)
    reading = {name: options.pop(name) for name in settings.names(Reading, run.task.Columns) if name in options}
    with run.scoring(**options):
        rows = None
        if chosen.data is not None:
            rows = run.read(chosen.data, **reading)
        elif run.path is not None and type(run.task).trains:
            try:
                rows = judged_rows(run.path, loading.get("task"))
            except (DataError, SettingError) as error:
                tell(
                    f"The validation rows of the training can't be had again, so no score is judged (--data gives others): {error}"
                )
        if rows is not None and len(rows) > chosen.rows:
            rows = rows.select(range(chosen.rows))
        return export_run(run, chosen, rows, tell)


def compare(*runs: Any, html: str | Path | None = None, lang: str | None = None, **options: Any) -> dict[str, Any]:
    """Runs on the same test rows: each score's difference with its 95% interval and p, rows that changed, settings that differ.

    runs: folders of runs, of several seeds, or what `train` returned; all are compared with the first, or with `baseline`. `html`: a
    file for the page; `lang`: its language, ko or en, that of most of the runs' samples if not given. `options` and the result are
    those of `byeori.report.compare.compare`. Raises SettingError, DataError, ModelError.
    """
    from byeori.report.compare import compare as compare_
    from byeori.report.words import LANGUAGES

    if lang is not None and lang not in LANGUAGES:
        raise SettingError(f"lang={lang!r}: a comparison is written in {' or '.join(LANGUAGES)}. Give one of them.")
    found = compare_(runs, **options)
    if html is not None:
        from byeori.report.compare_page import language, page
        from byeori.run import write_text

        write_text(Path(html), page(found, lang or language(found)))
    return found


def card(run: Run | str | Path, lang: str | None = None, *, overwrite: bool = False) -> str:
    """Write the model card of a run again, model/README.md, and return it; what a person wrote in it is kept.

    lang: `en` or `ko`; that of the card that is there, else English, if not given. `overwrite`: also over a card that was changed
    outside of a person's parts. Raises SettingError, ModelError.
    """
    from byeori.report.write import write_card

    place = run if isinstance(run, str | Path) else run.path
    if place is None:
        raise ModelError("this model stands in no run folder, so nothing is known that a card could say.")
    write_card(place, lang, overwrite=overwrite)
    return (Path(place) / "model" / "README.md").read_text(encoding="utf-8")


def serve(*models: Any, **options: Any) -> int:
    """Serve models over HTTP until the process is told to stop: runs, folders, Hub ids, NAME=PATH, or one dict by name.

    `options` are the settings of `byeori serve --help`. `byeori.serve.server.running` does it beside the program. Raises SettingError,
    ModelError.
    """
    from byeori.serve.server import Lines
    from byeori.serve.server import serve as run

    return run(
        models[0] if len(models) == 1 and isinstance(models[0], dict) else models, **{"note": Lines(), **options}
    )
