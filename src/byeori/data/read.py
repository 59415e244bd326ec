"""A source → rows with role names: the one way in for files, folders, Hub ids and Python objects.

Every row found is in the result, counted in a note, or the reason of an error.

    read_rows("nsmc.tsv", settings).table.column_names == ["text", "label"]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from byeori.data import clean_mark, slices
from byeori.data.assemble import Unanswered, assemble
from byeori.data.clean_rows import normalized
from byeori.data.cleaning import Cleaner
from byeori.data.forms import naming
from byeori.data.labels import masked
from byeori.data.objects import is_splits
from byeori.data.rows import Rows, Sheet
from byeori.data.sources import changed, is_hub, sheets
from byeori.data.values import OUTCOMES
from byeori.data.wish import Wish, wanted
from byeori.data.wording import listed, nearest
from byeori.errors import DataError, SettingError
from byeori.oldnames import answer
from byeori.settings import names

if TYPE_CHECKING:
    import datasets

ROLES = ("text", "text_pair", "label")
SETTINGS = (
    "text", "text_pair", "label", "source", "target", "question", "context", "answers", "tokens", "tags", "entities",
    "choices", "prompt", "completion", "messages", "references", "id", "title", "source_lang", "target_lang", "document",
    "separator", "encoding", "header", "field", "sheet", "missing", "allow_pickle", "problem_type", "revision", "split",
    "streaming", "drop_empty", "drop_empty_labels", "skip_bad_rows", "max_rows", "normalize", "clean", "clean_function",
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
    settings: `text=`, `text_pair=`, `label=` and the rest of SETTINGS; of cleaning too (`clean=["html"]`, `normalize="nfc"`,
    `clean_function=` a callable), which a training on the rows finds in their description. keep: other columns stay, under their names.
    roles, forms: as for `read_rows`; those of text classification, or those that the settings name columns for.
    Raises DataError for data that can't be used, SettingError for an unknown setting.
    """
    import datasets

    for name in settings:
        if name not in SETTINGS:
            close = nearest(name, SETTINGS)
            near = f'Did you mean "{close}"?' if close else f"There are {listed(SETTINGS, most=30)}."
            raise SettingError(f'read: there is no setting "{name}". {answer(name, known=SETTINGS) or near}')
    if roles is None:
        named, forms = naming(settings) if not forms else (tuple(dict.fromkeys(r for f in forms for r in f)), forms)
        roles = named or ROLES
    parts = read_splits(source, SimpleNamespace(**settings), roles=roles, forms=forms, keep=keep)
    if settings.get("normalize") == "auto":
        parts = normalized(parts)
    for rows in parts.values():  # test rows without an answer say no names
        rows.label_names = rows.label_names or next(
            (one.label_names for one in parts.values() if one.label_names), None
        )
    tables = {split or "train": clean_mark.mark(_with_names(rows), rows) for split, rows in parts.items()}
    return datasets.DatasetDict(tables) if is_splits(source) or len(parts) > 1 else next(iter(tables.values()))


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
    judged: bool = False,
) -> dict[str | None, Rows]:
    """Read every split of a source: `train`, `validation`, `test`, or None where there is one set without a name.

    secret: leave out test rows of which not one has its right answer, as GLUE's, with a note. judged: of rows that are kept
    (on_bad), right answers that can't be used are errors too, and a column LABEL_AS_WRITTEN stands beside the labels.
    Other parameters and errors are those of `read_rows`.
    """
    bad = on_bad or ("skip" if getattr(settings, "skip_bad_rows", None) else "raise")
    if bad not in ("raise", "skip", "keep"):
        raise SettingError(f'on_bad: "raise", "skip" or "keep" is wanted, not "{bad}".')
    if required is None:
        required = () if forms else ("text",)
    wish = Wish(settings, tuple(roles), tuple(required), label_names, bad, keep, before or {}, forms, judged=judged)
    asked = slices.parse(wish.setting("split")) if wish.setting("split") and not is_hub(source) else ()
    most = wish.setting("max_rows")
    sliced = len(asked) > 1 or any(part.cut for part in asked)
    if sliced and most is not None:  # of the slice, not of what it is cut from
        wish = replace(wish, settings=changed(settings, max_rows=None))
    if (done := clean_mark.of(source)) is not None:  # by `read`
        wish = replace(wish, settings=changed(wish.settings, cleaner=Cleaner()))
    parts: dict[str | None, Rows] = {}
    found, hidden = sheets(source, wish), 0
    for split, several in found.items():
        try:
            parts[split] = assemble(several, wish)
            if done is not None:
                parts[split] = clean_mark.taken(parts[split], done, Cleaner.of(settings))
        except Unanswered:  # GLUE, CommonsenseQA: whoever made the data keeps the answers of the test rows
            secret_here = (secret or keep) and (split or "").startswith("test") and len(found) > 1
            if not (secret_here and all(_unanswered(one, wish) for one in several)):
                raise
            if keep:
                parts[split] = assemble(several, _unasked(wish))
                continue
            hidden += sum(sheet.rows for sheet in several)
    for split in [split for split in parts if secret and (split or "").startswith("test") and _masked(parts, split)]:
        hidden += len(parts.pop(split))
    if sliced:
        return {slices.name_of(asked): slices.take(parts, asked, _name(source), most)}
    if hidden:
        next(iter(parts.values())).notes.append(f"Its {hidden:,} test rows have no answers, so they are left out.")
    order = {"train": 0, "validation": 1, "test": 2}
    return dict(sorted(parts.items(), key=lambda part: order.get(part[0] or "train", 3)))


def _with_names(rows: Rows) -> datasets.Dataset:
    """The table, its label a `ClassLabel` again where the source had one: the order of the names is part of the data."""
    import datasets
    import pyarrow as pa

    column = "tags" if "tags" in rows.table.column_names else "label"
    if rows.label_names is None or column not in rows.table.column_names:
        return rows.table
    ids: dict[str | None, int | None] = {None: None, **{name: at for at, name in enumerate(rows.label_names)}}
    values = rows.table[column][:]
    several = any(isinstance(value, list) for value in values)
    if not all(one in ids for value in values for one in (value or () if several else [value])):
        return rows.table
    found = [value and [ids[one] for one in value] for value in values] if several else [ids[one] for one in values]
    one = datasets.ClassLabel(names=rows.label_names)
    features = datasets.Features({**rows.table.features, column: datasets.List(one) if several else one})
    table = rows.table.with_format("arrow")[:]
    made = pa.array(found, pa.list_(pa.int64()) if several else pa.int64())
    table = table.set_column(table.column_names.index(column), column, made).cast(features.arrow_schema)
    name = datasets.fingerprint.generate_random_fingerprint()  # else the library hashes the whole table for one
    return datasets.Dataset(table, info=datasets.DatasetInfo(features=features), fingerprint=name)


def _masked(parts: Mapping[str | None, Rows], split: str | None) -> bool:
    """Whether the labels of a split are −1 where those of the training rows are something else."""
    train = parts.get("train", parts.get(None))
    if train is None or not all("label" in rows.table.column_names for rows in (train, parts[split])):
        return False
    return masked(parts[split].table["label"][:], train.table["label"][:])


def _unasked(wish: Wish) -> Wish:
    """The same without right answers: their column stays as it is."""

    def others(roles: Sequence[str]) -> tuple[str, ...]:
        return tuple(role for role in roles if role not in OUTCOMES)

    return replace(wish, roles=others(wish.roles), required=others(wish.required), forms=tuple(map(others, wish.forms)))


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
    cleaner = task.cleaning if labels else None  # what is predicted is cleaned where it is encoded
    if isinstance(source, Rows):
        return source if cleaner is None else clean_mark.as_asked(source, cleaner)
    columns = names(task.Columns) if task.columns else {}  # what they were called in training need not be there again
    own = {name: value for name, value in asdict(task.settings).items() if name not in columns}
    if not labels:
        own.pop("document", None)  # a line of a text is asked about by itself
    wish = SimpleNamespace(**{**own, "problem_type": getattr(task, "problem_type", None), **(asked or {})})
    wish.cleaner = cleaner
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
