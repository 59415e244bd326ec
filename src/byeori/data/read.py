"""A source → rows with role names: the one way in for files, folders, Hub ids and Python objects.

Every row found is in the result, counted in a note, or the reason of an error.

    read_rows("nsmc.tsv", settings).table.column_names == ["text", "label"]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from os import PathLike
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from byeori.data import conll, parallel
from byeori.data.assemble import Unanswered, assemble
from byeori.data.files import DATA_SUFFIXES, find, is_table, missing, read_file, read_standard_input, split_of, unpack
from byeori.data.forms import naming
from byeori.data.hub import load, looks_like_id
from byeori.data.objects import is_paths, is_splits, read_object
from byeori.data.rows import Rows, Sheet
from byeori.data.wish import Wish, wanted
from byeori.data.wording import listed, nearest
from byeori.errors import DataError, SettingError
from byeori.settings import names

if TYPE_CHECKING:
    import datasets

ROLES = ("text", "text_pair", "label")
SETTINGS = (
    "text", "text_pair", "label", "source", "target", "question", "context", "answers", "tokens", "tags", "entities",
    "choices", "prompt", "completion", "messages", "references", "id", "title", "source_lang", "target_lang", "document",
    "separator", "encoding", "header", "field", "problem_type", "revision", "split",
    "drop_empty", "drop_empty_labels", "skip_bad_rows", "max_rows",
)  # fmt: skip


def read(
    source: Any,
    /,
    *,
    keep: bool = True,
    roles: Sequence[str] | None = None,
    forms: Sequence[Sequence[str]] = (),
    **settings: Any,
) -> datasets.Dataset | datasets.DatasetDict:
    """Read rows as a `datasets.Dataset`, or a `DatasetDict` where the source holds several splits.

    source: a file, folder, glob, list of paths, Hub id, rows, columns, a DataFrame or a data set.
    settings: `text=`, `text_pair=`, `label=` and the rest of SETTINGS. keep: other columns stay, under their names.
    roles, forms: as for `read_rows`; those of text classification, or those that the settings name columns for.
    Raises DataError for data that can't be used, SettingError for an unknown setting.
    """
    import datasets

    for name in settings:
        if name not in SETTINGS:
            close = nearest(name, SETTINGS)
            raise SettingError(
                f'read: there is no setting "{name}".'
                + (f' Did you mean "{close}"?' if close else f" There are {listed(SETTINGS, most=30)}.")
            )
    if roles is None:
        named, forms = naming(settings) if not forms else (tuple(dict.fromkeys(r for f in forms for r in f)), forms)
        roles = named or ROLES
    parts = read_splits(source, SimpleNamespace(**settings), roles=roles, forms=forms, keep=keep)
    if is_splits(source) or len(parts) > 1:
        return datasets.DatasetDict({split or "train": rows.table for split, rows in parts.items()})
    return next(iter(parts.values())).table


def read_rows(
    source: Any,
    settings: Any = None,
    *,
    roles: Sequence[str] = ROLES,
    required: Sequence[str] | None = None,
    label_names: Sequence[str] | None = None,
    on_bad: str | None = None,
    keep: bool = False,
    before: Mapping[str, str | list[str]] | None = None,
    forms: Sequence[Sequence[str]] = (),
) -> Rows:
    """Read one set of rows.

    settings: any object with attributes named in SETTINGS (absent ones are None); `split` picks one of several splits.
    roles, required: the roles to look for, and those that must be found (`text`, where no forms are given).
    forms: alternatives of sets of roles; the first of which every role is found wins, and roles of the others are left.
    label_names: the labels of training, for joining several label columns the same way again.
    on_bad: `raise`, `skip` (both also by settings.skip_bad_rows) or `keep`: unusable rows stay in place with an empty
    text, and Rows.errors says why. keep: other columns stay in the table.
    before: role → its column in the training data, taken again where no other is named and the source has it.
    Raises DataError (with file and row) for data that can't be used.
    """
    parts = read_splits(
        source, settings, roles=roles, required=required, label_names=label_names, on_bad=on_bad, keep=keep,
        before=before, forms=forms,
    )  # fmt: skip
    if len(parts) > 1:
        raise DataError(
            f"{_name(source)}: it holds the splits {listed(s or 'train' for s in parts)}. Name one with --split."
        )
    return next(iter(parts.values()))


def read_splits(
    source: Any,
    settings: Any = None,
    *,
    roles: Sequence[str] = ROLES,
    required: Sequence[str] | None = None,
    label_names: Sequence[str] | None = None,
    on_bad: str | None = None,
    keep: bool = False,
    before: Mapping[str, str | list[str]] | None = None,
    forms: Sequence[Sequence[str]] = (),
    secret: bool = False,
) -> dict[str | None, Rows]:
    """Read every split of a source: `train`, `validation`, `test`, or None where there is one set without a name.

    secret: leave out test rows of which not one has its right answer, as GLUE's, with a note. Other parameters and errors
    are those of `read_rows`.
    """
    bad = on_bad or ("skip" if getattr(settings, "skip_bad_rows", None) else "raise")
    if bad not in ("raise", "skip", "keep"):
        raise SettingError(f'on_bad: "raise", "skip" or "keep" is wanted, not "{bad}".')
    if required is None:
        required = () if forms else ("text",)
    wish = Wish(settings, tuple(roles), tuple(required), label_names, bad, keep, before or {}, forms)
    parts: dict[str | None, Rows] = {}
    found, hidden = _sheets(source, wish), 0
    for split, sheets in found.items():
        try:
            parts[split] = assemble(sheets, wish)
        except Unanswered:  # GLUE, CommonsenseQA: whoever made the data keeps the answers of the test rows
            if not (secret and split == "test" and len(found) > 1 and all(_unanswered(one, wish) for one in sheets)):
                raise
            hidden = sum(sheet.rows for sheet in sheets)
    if hidden:
        next(iter(parts.values())).notes.append(f"Its {hidden:,} test rows have no answers, so they are left out.")
    order = {"train": 0, "validation": 1, "test": 2}
    return dict(sorted(parts.items(), key=lambda part: order.get(part[0] or "train", 3)))


def _unanswered(sheet: Sheet, wish: Wish) -> bool:
    try:
        assemble([sheet], wish)
    except Unanswered:
        return True
    return False


def read_for(
    task: Any, source: Any, asked: Mapping[str, Any] | None = None, *, labels: bool = True, on_bad: str | None = None
) -> Rows:
    """Rows as a task reads them, with its right answers or, without `labels`, without them.

    asked: settings of reading, over those of the task itself (its languages, its documents). Columns that are not named
    are those of its training, where they are there. Rows that were read already are returned. Raises DataError.
    """
    if isinstance(source, Rows):
        return source
    columns = names(task.Columns) if task.columns else {}  # what they were called in training need not be there again
    own = {name: value for name, value in asdict(task.settings).items() if name not in columns}
    if not labels:
        own.pop("document", None)  # a line of a text is asked about by itself
    wish = SimpleNamespace(**{**own, "problem_type": getattr(task, "problem_type", None), **(asked or {})})
    return read_rows(
        source,
        wish,
        **wanted(task, labels),
        label_names=getattr(task, "labels", None),
        on_bad=on_bad,
        before=task.columns,
    )


def _name(source: Any) -> str:
    return str(source) if isinstance(source, (str, Path)) else type(source).__name__


def _sheets(source: Any, wish: Wish) -> dict[str | None, list[Sheet]]:
    """Read everything the source stands for, by split."""
    split = wish.setting("split")
    most = wish.setting("max_rows")
    if isinstance(source, bytes):
        raise DataError("Bytes are not data that can be read: give a path or rows.")
    if isinstance(source, (str, Path)):
        text = str(source)
        if text == "-":
            return {None: [read_standard_input(wish)]}
        if not text.strip():
            raise DataError("The name of the data is empty. Give a file, a folder, a glob or a Hub id.")
        if "\n" in text or len(text) > 4096:
            raise DataError("A text was given where data is wanted. To read texts give a list of them.")
        path = Path(text).expanduser()
        pairs = _pairs(path, text, wish) if wish.wants("source") else {}
        if pairs:
            return _pick({part: _read_pairs(found, wish) for part, found in pairs.items()}, split, text)
        if isinstance(source, str) and not path.exists() and looks_like_id(text):
            loaded = load(text, split, wish.setting("revision"))
            parts = _objects(loaded, most, wish)
            for sheet in (sheet for sheets in parts.values() for sheet in sheets):
                sheet.file.path, sheet.file.format = text, "hub"
            return parts
        if path.is_dir() and any((path / mark).exists() for mark in ("dataset_dict.json", "dataset_info.json")):
            import datasets

            return _pick(_objects(datasets.load_from_disk(str(path)), most, wish), split, text)
        wanted = _only(find(text, _suffixes(wish)), split)
        return _pick({part: [read_file(p, wish) for p in paths] for part, paths in wanted.items()}, split, text)
    if wish.wants("source") and (found := _listed_pairs(source, wish)):
        return {None: _read_pairs(found, wish)}
    if is_paths(source):
        more = _suffixes(wish)
        return {None: [read_file(p, wish) for one in source for paths in find(one, more).values() for p in paths]}
    if is_splits(source):
        inside = replace(wish, settings=SimpleNamespace(**{**_attributes(wish.settings), "split": None}))
        parts = {}
        for key, inner in source.items():
            if split and split_of(key) != split and key != split:
                continue
            for sheets in _sheets(inner, inside).values():
                parts.setdefault(split_of(key), []).extend(sheets)
        return _pick(parts, split, _name(source))
    return {None: [read_object(source, most, wish.roles)]}


def _suffixes(wish: Wish) -> tuple[str, ...]:
    """What counts as data in a folder besides the usual."""
    return conll.SUFFIXES if wish.wants("tokens") else ()


def _pairs(path: Path, text: str, wish: Wish) -> dict[str | None, list[parallel.Pair]]:
    """The pairs of line files that a name stands for (`a,b`, a stem, a folder, a glob) by split; empty for anything else."""
    if path.is_file():
        return {}
    if path.is_dir():
        files = sorted(p for p in path.iterdir() if p.is_file() and parallel.language_of(p))
        found = parallel.pairs_of(files, wish.settings, wish.before)
        parts: dict[str | None, list[parallel.Pair]] = {}
        names = {pair[0].name for pair in found}
        held_out = not any(split_of(name) == "test" for name in names) and any("dev" in name for name in names)
        for pair in found:
            # Beside a development set, what is called eval is the test set.
            last = held_out and "eval" in pair[0].name.casefold()
            parts.setdefault("test" if last else split_of(pair[0].name), []).append(pair)
        return parts
    if any(c in text for c in "*?["):
        files = [p for paths in find(text).values() for p in paths]
    elif together := parallel.split_source(text):
        return {None: [together]}
    else:
        absent = [part for part in map(Path, text.split(",")) if not part.expanduser().is_file()]
        if text.count(",") == 1 and len(absent) == 1:
            raise DataError(missing(absent[0]))
        files = parallel.beside(path)
    found = parallel.pairs_of(files, wish.settings, wish.before)
    return {None: found} if found else {}


def _listed_pairs(source: Any, wish: Wish) -> list[parallel.Pair]:
    """A list of two line files, the source first; or of several pairs told by their languages."""
    if not isinstance(source, (list, tuple)) or not all(isinstance(one, (str, PathLike)) for one in source):
        return []
    if any(isinstance(one, str) and (len(one) > 1000 or "\n" in one) for one in source):
        return []
    paths = [Path(one).expanduser() for one in source]
    if len(paths) < 2 or not all(path.is_file() for path in paths):
        return []
    if len(paths) > 2:
        return parallel.pairs_of(paths, wish.settings, wish.before)
    told = all(parallel.language_of(path) for path in paths)
    plain = all(path.suffix.casefold() in ("", ".txt") or path.suffix.casefold() not in DATA_SUFFIXES for path in paths)
    return [(paths[0], paths[1])] if told or plain and not any(is_table(path) for path in paths) else []


def _read_pairs(pairs: Sequence[parallel.Pair], wish: Wish) -> list[Sheet]:
    return [parallel.read_pair(pair, wish.settings, wish.bad, unpack) for pair in pairs]


def _attributes(settings: Any) -> dict[str, Any]:
    return {name: getattr(settings, name) for name in SETTINGS if hasattr(settings, name)}


def _objects(loaded: Any, most: int | None, wish: Wish) -> dict[str | None, list[Sheet]]:
    if isinstance(loaded, Mapping):
        return {split_of(key) or key: [read_object(inner, most, wish.roles)] for key, inner in loaded.items()}
    return {None: [read_object(loaded, most, wish.roles)]}


def _only(found: dict, split: str | None) -> dict:
    """Before reading: the files of the split asked for."""
    wanted = split_of(split) if split else None
    return {wanted: found[wanted]} if wanted in found and wanted else found


def _pick(parts: dict, split: str | None, name: str) -> dict:
    if not split:
        return parts
    wanted = split_of(split) or split
    if wanted in parts:
        return {wanted: parts[wanted]}
    if list(parts) == [None] and wanted == "train":
        return parts
    raise DataError(
        f'{name}: there is no split "{split}" (--split). There are {listed(part or "train" for part in parts)}.'
    )
