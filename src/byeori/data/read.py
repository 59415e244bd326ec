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

from byeori.data import slices
from byeori.data.assemble import Unanswered, assemble
from byeori.data.clean_rows import cleaned, normalized
from byeori.data.forms import naming
from byeori.data.objects import is_splits
from byeori.data.rows import Rows, Sheet
from byeori.data.sources import changed, is_hub, sheets
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
    `clean_function=` a callable), which goes with a model only where the training is told it. keep: other columns stay, under their names.
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
    if settings.get("normalize") == "auto":
        parts = normalized(parts)
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
    judged: bool = False,
) -> dict[str | None, Rows]:
    """Read every split of a source: `train`, `validation`, `test`, or None where there is one set without a name.

    secret: leave out test rows of which not one has its right answer, as GLUE's, with a note. judged: of rows that are kept
    (on_bad), right answers that can't be used are errors too, and a column LABEL_AS_WRITTEN stands beside the labels. Other parameters and errors
    are those of `read_rows`.
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
    parts: dict[str | None, Rows] = {}
    found, hidden = sheets(source, wish), 0
    for split, several in found.items():
        try:
            parts[split] = assemble(several, wish)
        except Unanswered:  # GLUE, CommonsenseQA: whoever made the data keeps the answers of the test rows
            secret_here = secret and (split or "").startswith("test") and len(found) > 1
            if not (secret_here and all(_unanswered(one, wish) for one in several)):
                raise
            hidden += sum(sheet.rows for sheet in several)
    if sliced:
        return {slices.name_of(asked): slices.take(parts, asked, _name(source), most)}
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
    cleaner = task.cleaning if labels else None  # what is predicted is cleaned where it is encoded
    if isinstance(source, Rows):
        return source if cleaner is None or source.cleaner is not None else cleaned(source, cleaner)
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
