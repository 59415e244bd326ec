"""Write the card and report.html of a run, from the run folder alone.

Invariants: both files are written whole or not at all; made twice from the same folder they are the same to the byte;
what is missing or damaged in the folder is said in the report; each is in the language that is asked for, or its own.

    write_report("run"); write_card("run", "ko")
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

from byeori.errors import ByeoriError, ModelError, SettingError
from byeori.report.card import card
from byeori.report.card_kept import Kept, read
from byeori.report.facts import Facts, read_facts
from byeori.report.html import language_of, page
from byeori.report.words import LANGUAGES
from byeori.run import RunFolder, write_text


def write_report(folder: RunFolder | str | Path, lang: str | None = None) -> list[str]:
    """Write model/README.md and report.html; returns what was missing or damaged in the folder, a sentence each.

    `lang`: the report's, ko or en; not given, Korean where most letters of the run's samples are Hangul, else English. A card that a
    person changed where it isn't theirs stays as it is, which is one of the sentences. Raises ModelError if there is no run in the
    folder, SettingError for another language, OSError if it can't be written to.
    """
    if lang is not None and lang not in LANGUAGES:
        raise SettingError(f"lang={lang!r}: reports are written in {' or '.join(LANGUAGES)}. Give one of them.")
    run = _run(folder)
    facts = read_facts(run)
    said = []
    if run.model.is_dir():
        try:
            _put(run, facts, None, overwrite=False)
        except ByeoriError as error:  # of a card that a person changed: the report has nothing to do with it
            said.append(str(error))
    write_text(run.report, page(dataclasses.replace(facts, lang=lang or language_of(facts))))
    return [*facts.missing, *said]


def write_card(folder: RunFolder | str | Path, lang: str | None = None, *, overwrite: bool = False) -> list[str]:
    """Write model/README.md alone; returns sentences as `write_report`.

    lang: `en` or `ko`; that of the card that is there, else English, if not given. What a person wrote in the card's own parts
    and in its metadata is kept; one that was changed elsewhere stays untouched unless `overwrite`. Raises ModelError if there
    is no run or no model in the folder and for metadata that the Hub doesn't take, SettingError for a card that stays
    untouched and for another language, OSError if it can't be written to.
    """
    run = _run(folder)
    if not run.model.is_dir():
        raise ModelError(
            f"{run.path}: there is no model in this run yet, so there is nothing to write a card of. Let the training end first."
        )
    facts = read_facts(run)
    _put(run, facts, lang, overwrite=overwrite)
    return facts.missing


def card_text(folder: RunFolder | str | Path, lang: str | None = None) -> str:
    """The card as `write_card` would write it. Raises ModelError, SettingError."""
    run = _run(folder)
    return _made(run, read_facts(run), lang, _kept(run))


def _run(folder: RunFolder | str | Path) -> RunFolder:
    run = folder if isinstance(folder, RunFolder) else RunFolder(folder)
    if not run.model.is_dir() and ((run.path / "seeds.json").is_file() or (run.path / "best").is_dir()):
        raise ModelError(
            f"{run.path}: this folder holds several runs, of which each has a report and a card of its own. Name one of them: "
            f"{run.path / 'best'}, which is there once all are done, is the best."
        )
    if not any(path.exists() for path in (run.settings, run.metrics, run.history, run.model)):
        raise ModelError(
            f"{run.path}: this is no run folder: there is no settings.yaml, metrics.json, history.jsonl or model in it."
        )
    return run


def _put(run: RunFolder, facts: Facts, lang: str | None, *, overwrite: bool) -> None:
    place, kept = run.model / "README.md", _kept(run)
    if kept.touched and not overwrite:
        raise SettingError(
            f"{place}: somebody changed this card outside of the parts that are theirs (between <!-- yours --> and <!-- /yours -->), so "
            f"it stays "
            f"as it is. See a new one with byeori card {run.path} --print, or write it over this one with byeori card {run.path} "
            f"--overwrite."
        )
    write_text(place, _made(run, facts, lang, kept))


def _made(run: RunFolder, facts: Facts, lang: str | None, kept: Kept) -> str:
    try:
        return card(facts, lang, kept)
    except ValueError as error:  # huggingface_hub's, of entries that somebody wrote
        said = " ".join(str(error).split())
        raise ModelError(
            f"{run.model / 'README.md'}: the metadata at its top was changed to what the Hub does not take ({said}). Correct it there."
        ) from error


def _kept(run: RunFolder) -> Kept:
    place = run.model / "README.md"
    try:
        return read(place.read_text(encoding="utf-8")) if place.exists() else Kept()
    except UnicodeDecodeError:
        return Kept(touched=True)
