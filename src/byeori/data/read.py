"""A source → rows with role names: the one way in for files, folders, Hub ids and Python objects.

Every row found is in the result, counted in a note, or the reason of an error.

    read_rows("nsmc.tsv", settings).table.column_names == ["text", "label"]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from byeori.data.assemble import Wish, assemble
from byeori.data.files import find, read_file, read_standard_input, split_of
from byeori.data.hub import load, looks_like_id
from byeori.data.objects import is_paths, is_splits, read_object
from byeori.data.rows import Rows, Sheet
from byeori.data.wording import listed, nearest
from byeori.errors import DataError, SettingError

if TYPE_CHECKING:
    import datasets

ROLES = ("text", "text_pair", "label")
SETTINGS = (
    "text", "text_pair", "label", "source", "target", "question", "context", "answers",
    "separator", "encoding", "header", "field", "problem_type", "revision", "split",
    "drop_empty", "drop_empty_labels", "skip_bad_rows", "max_rows", "streaming",
)  # fmt: skip


def read(source: Any, *, keep: bool = True, **settings: Any) -> datasets.Dataset | datasets.DatasetDict:
    """Read rows as a `datasets.Dataset`, or a `DatasetDict` where the source holds several splits.

    source: a file, folder, glob, list of paths, Hub id, rows, columns, a DataFrame or a data set.
    settings: `text=`, `text_pair=`, `label=` and the rest of SETTINGS. keep: other columns stay, under their names.
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
    parts = read_splits(source, SimpleNamespace(**settings), keep=keep)
    if is_splits(source) or len(parts) > 1:
        return datasets.DatasetDict({split or "train": rows.table for split, rows in parts.items()})
    return next(iter(parts.values())).table


def read_rows(
    source: Any,
    settings: Any = None,
    *,
    roles: Sequence[str] = ROLES,
    required: Sequence[str] = ("text",),
    label_names: Sequence[str] | None = None,
    on_bad: str | None = None,
    keep: bool = False,
) -> Rows:
    """Read one set of rows.

    settings: any object with attributes named in SETTINGS (absent ones are None); `split` picks one of several splits.
    roles, required: the roles to look for, and those that must be found. label_names: the labels of training, for
    joining several label columns the same way again.
    on_bad: `raise`, `skip` (both also by settings.skip_bad_rows) or `keep`: unusable rows stay in place with an empty
    text, and Rows.errors says why. keep: other columns stay in the table.
    Raises DataError (with file and row) for data that can't be used.
    """
    parts = read_splits(
        source, settings, roles=roles, required=required, label_names=label_names, on_bad=on_bad, keep=keep
    )
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
    required: Sequence[str] = ("text",),
    label_names: Sequence[str] | None = None,
    on_bad: str | None = None,
    keep: bool = False,
) -> dict[str | None, Rows]:
    """Read every split of a source: `train`, `validation`, `test`, or None where there is one set without a name."""
    bad = on_bad or ("skip" if getattr(settings, "skip_bad_rows", None) else "raise")
    if bad not in ("raise", "skip", "keep"):
        raise SettingError(f'on_bad: "raise", "skip" or "keep" is wanted, not "{bad}".')
    wish = Wish(settings, roles, required, label_names, bad, keep)
    parts = {split: assemble(sheets, wish) for split, sheets in _sheets(source, settings, bad).items()}
    order = {"train": 0, "validation": 1, "test": 2}
    return dict(sorted(parts.items(), key=lambda part: order.get(part[0] or "train", 3)))


def _name(source: Any) -> str:
    return str(source) if isinstance(source, (str, Path)) else type(source).__name__


def _sheets(source: Any, settings: Any, bad: str) -> dict[str | None, list[Sheet]]:
    """Read everything the source stands for, by split."""
    split = getattr(settings, "split", None)
    most = getattr(settings, "max_rows", None)
    if isinstance(source, bytes):
        raise DataError("Bytes are not data that can be read: give a path or rows.")
    if isinstance(source, (str, Path)):
        text = str(source)
        if text == "-":
            return {None: [read_standard_input(settings, bad)]}
        if not text.strip():
            raise DataError("The name of the data is empty. Give a file, a folder, a glob or a Hub id.")
        if "\n" in text or len(text) > 4096:
            raise DataError("A text was given where data is wanted. To read texts give a list of them.")
        path = Path(text).expanduser()
        if isinstance(source, str) and not path.exists() and looks_like_id(text):
            loaded = load(text, split, getattr(settings, "revision", None))
            parts = _objects(loaded, most)
            for sheet in (sheet for sheets in parts.values() for sheet in sheets):
                sheet.file.path, sheet.file.format = text, "hub"
            return parts
        if path.is_dir() and any((path / mark).exists() for mark in ("dataset_dict.json", "dataset_info.json")):
            import datasets

            return _pick(_objects(datasets.load_from_disk(str(path)), most), split, text)
        found = find(text)
        wanted = _only(found, split)
        return _pick(
            {part: [read_file(p, settings, bad) for p in paths] for part, paths in wanted.items()}, split, text
        )
    if is_paths(source):
        return {None: [read_file(p, settings, bad) for one in source for paths in find(one).values() for p in paths]}
    if is_splits(source):
        parts = {}
        for key, inner in source.items():
            if split and split_of(key) != split and key != split:
                continue
            for sheets in _sheets(inner, SimpleNamespace(**{**_attributes(settings), "split": None}), bad).values():
                parts.setdefault(split_of(key), []).extend(sheets)
        return _pick(parts, split, _name(source))
    return {None: [read_object(source, most)]}


def _attributes(settings: Any) -> dict[str, Any]:
    return {name: getattr(settings, name, None) for name in SETTINGS}


def _objects(loaded: Any, most: int | None) -> dict[str | None, list[Sheet]]:
    if isinstance(loaded, Mapping):
        return {split_of(key) or key: [read_object(inner, most)] for key, inner in loaded.items()}
    return {None: [read_object(loaded, most)]}


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
