"""Texts of any size as a stream that can be read again: text files block by block, other kinds through `byeori.data.read`.

Invariants: every pass gives the same texts in the same order; blank texts are none; of a text file no more than a few MB
are held. A folder that names its splits gives its training part alone: held-out texts shape no vocabulary.

    for batch in Corpus(["wiki.txt", "nsmc.tsv"]): ...      # lists of texts, about a million characters each
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from byeori.data.objects import is_paths
from byeori.data.parallel import language_of
from byeori.data.places import find, split_of
from byeori.data.wording import count, listed
from byeori.errors import DataError, SettingError
from byeori.text import lines
from byeori.text.tokenizer_settings import Texts

BATCH = 1_000_000  # characters
_FORMS = (
    ("messages",), ("question", "context"), ("source", "target"), ("prompt", "completion"), ("text", "text_pair"), ("text",),
)  # fmt: skip
_TOKENS = (".conll", ".conllu", ".bio", ".iob")
Part = Callable[[], Iterator[str]]


class Corpus:
    """sources: files, folders, globs, Hub ids, data sets, DataFrames, lists of texts, or a function that makes an iterator.

    notes: one line each on what reading found. files: their names. bytes: of them on disk, 0 where there are none.
    Raises DataError, SettingError.
    """

    def __init__(self, sources: Any, settings: Texts | None = None):
        self.settings = settings or Texts()
        self.notes: list[str] = []
        self.files: list[str] = []
        self.bytes = 0
        self.parts: list[Part] = []
        for source in self._several(sources):
            self._add(source)
        if not self.parts:
            raise DataError("no data is named. Give files, folders, globs or Hub ids after the flags.")

    def __iter__(self) -> Iterator[list[str]]:
        """Batches of texts that are not blank."""
        for part in self.parts:
            batch: list[str] = []
            size = 0
            for text in part():
                if text and not text.isspace():
                    batch.append(text)
                    size += len(text)
                    if size >= BATCH:
                        yield batch
                        batch, size = [], 0
            if batch:
                yield batch

    def _several(self, sources: Any) -> list[Any]:
        """A tuple is several sources, as the command has them; a list is texts, rows, or paths by their look."""
        if isinstance(sources, tuple) or is_paths(sources):
            return list(sources)
        return [] if sources is None or isinstance(sources, list) and not sources else [sources]

    def _add(self, source: Any) -> None:
        if isinstance(source, Iterator):
            raise SettingError(
                "data: an iterator can be read only once, and learning reads twice. Give a function that makes it, such as "
                "lambda: (row for row in rows), or a list."
            )
        if isinstance(source, (list, tuple)) and all(isinstance(one, str) for one in source):
            texts = source[: self.settings.max_rows]
            self.parts.append(lambda: iter(texts))
        elif callable(source):
            self.parts.append(self._called(source))
        elif isinstance(source, (str, Path)) and str(source) != "-":
            self._add_place(source)
        else:
            self._add_read(source)

    def _called(self, function: Callable[[], Iterable[Any]]) -> Part:
        def texts() -> Iterator[str]:
            for number, one in enumerate(function(), start=1):
                if self.settings.max_rows is not None and number > self.settings.max_rows:
                    return
                several = one if isinstance(one, (list, tuple)) else [one]
                if not all(isinstance(text, str) for text in several):
                    kind = type(next(text for text in several if not isinstance(text, str))).__name__
                    raise DataError(f"data, item {number}: {kind} where a text, or a list of texts, is needed.")
                yield from several

        return texts

    def _add_place(self, source: str | Path) -> None:
        """A name: text files are streamed, what else there is goes through the readers."""
        from byeori.data.hub import looks_like_id

        path = Path(source).expanduser()
        marks = ("dataset_dict.json", "dataset_info.json")
        if path.is_dir() and any(one.name in marks or language_of(one) for one in path.iterdir()):
            return self._add_read(str(source))
        if isinstance(source, str) and not path.exists() and (looks_like_id(source) or "," in source):
            return self._add_read(source)
        found = find(source, _TOKENS)
        if len(found) > 1 and not self.settings.split and "train" in found:
            left = [file.name for part, files in found.items() if part != "train" for file in files]
            self.notes.append(
                f"{source}: the training part was taken; {listed(left, most=4)} left out (--split or names take them)."
            )
            found = {"train": found["train"]}
        elif self.settings.split:
            wanted = split_of(self.settings.split) or self.settings.split
            if wanted not in found and list(found) != [None]:
                raise DataError(
                    f'{source}: there is no split "{self.settings.split}" (--split). There are {listed(p or "train" for p in found)}.'
                )
            found = {wanted: found.get(wanted, found.get(None, []))}
        for file in (file for files in found.values() for file in files):
            if file.is_file() and lines.streams(file, self.settings):
                self.files.append(str(file))
                self.bytes += file.stat().st_size
                self.parts.append(self._lines(file))
            else:
                self._add_read(str(file))
        return None

    def _lines(self, file: Path) -> Part:
        reader = lines.Lines(file, self.settings)
        self.notes += reader.notes

        def texts() -> Iterator[str]:
            yield from reader
            self.notes += [note for note in reader.left_out() if note not in self.notes]

        return texts

    def _add_read(self, source: Any) -> None:
        """What the readers give: the text columns of every form that rows of a task may have."""
        from byeori.data.read import read_splits

        names = [part.strip() for part in (self.settings.text or "").split(",") if part.strip()]
        wish = {
            name: getattr(self.settings, name)
            for name in ("separator", "header", "encoding", "field", "max_rows", "split")
        }
        asked = SimpleNamespace(**wish, revision=self.settings.data_revision, text=names[0] if names else None)
        tokens = str(source).endswith(_TOKENS)
        forms: tuple[tuple[str, ...], ...] = (("text",),) if names else (("text",), ("tokens",)) if tokens else _FORMS
        roles = tuple(dict.fromkeys(role for form in forms for role in form))
        parts = read_splits(source, asked, roles=roles, forms=forms, on_bad="keep", keep=len(names) > 1)
        if len(parts) > 1 and "train" in parts:
            self.notes.append(f"{_name(source)}: the training part was taken (--split takes another).")
            parts = {"train": parts["train"]}
        for rows in parts.values():
            wrong = {at: why for at, why in rows.errors.items() if not why.endswith("is empty")}
            if wrong and not self.settings.skip_bad_rows:
                at, why = min(wrong.items())
                raise DataError(
                    f"{rows.origin.where(at)}: {why}. {count(len(wrong), 'row')} can't be used. Leave such rows out with "
                    f"--skip-bad-rows, or fix the file."
                )
            absent = [name for name in names[1:] if name not in rows.table.column_names]
            if absent:
                raise DataError(
                    f"{_name(source)}: there is no column {listed(absent)} (--text). There are "
                    f"{listed([names[0], *(c for c in rows.table.column_names if c != 'text')])}."
                )
            self.notes += rows.notes
            if wrong:
                self.notes.append(f"{_name(source)}: {count(len(wrong), 'row')} that can't be read left out.")
            self.files += [one.path for one in rows.origin.files]
            self.bytes += sum(one.bytes or 0 for one in rows.origin.files)
            columns = ["text", *names[1:]] if names else [c for c in rows.table.column_names if c in roles]
            glue = "" if rows.facts.get("unit") == "character" else " "
            self.parts.append(_columns(rows.table, columns, glue))


def _columns(table: Any, columns: list[str], glue: str) -> Part:
    """The texts of these columns, row by row; one that stands in several rows running (a context with its questions) once."""

    def texts() -> Iterator[str]:
        before: list[Any] = [None] * len(columns)
        for batch in table.select_columns(columns).iter(1000):
            for row in zip(*(batch[column] for column in columns), strict=True):
                for place, value in enumerate(row):
                    if len(columns) == 1 or value != before[place]:
                        yield from _texts(value, glue)
                before = list(row)

    return texts


def _texts(value: Any, glue: str) -> Iterator[str]:
    """The texts in a value: itself, words joined, what is said in messages."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from _texts(value.get("content"), glue)
    elif isinstance(value, (list, tuple)):
        if all(isinstance(one, str) for one in value):
            yield glue.join(value)
        else:
            for one in value:
                yield from _texts(one, glue)


def _name(source: Any) -> str:
    return str(source) if isinstance(source, (str, Path)) else type(source).__name__
