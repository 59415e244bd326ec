"""The exceptions a user can meet, each with the exit code of the command.

Every message is one paragraph: what was found, where (file and row), what to do next.

    raise DataError('ratings.tsv, row 1034: the label column "label" is empty. Drop such rows, or fix the file.')
"""

from __future__ import annotations


class ByeoriError(Exception):
    """Base of all of them; anything that is not one of the kinds below ends with exit code 1."""

    exit_code = 1


class SettingError(ByeoriError, ValueError):
    """A flag, a value, a settings file or an output folder that can't be used."""

    exit_code = 2


class DataError(ByeoriError, ValueError):
    """A file, a column or rows that can't be used; a named file or column that isn't there."""

    exit_code = 3


class RowsError(DataError):
    """Rows of a call that can't be used. `reasons`: their places among the rows given → why; of a file the others are answered."""

    def __init__(self, reasons: dict[int, str]):
        place, reason = min(reasons.items())
        more = f" (and {len(reasons) - 1:,} more such inputs)" if len(reasons) > 1 else ""
        super().__init__(f"input {place + 1}{more}: {reason}")
        self.reasons = reasons


class ModelError(ByeoriError, ValueError):
    """A model or a tokenizer that can't be used."""

    exit_code = 4


class TrainingError(ByeoriError, RuntimeError):
    """A training that can't go on: a loss or gradient that is not a number, a full disk."""

    exit_code = 1


class HubError(ByeoriError, RuntimeError):
    """The Hub can't be reached, doesn't know who asks, or takes nothing from them."""

    exit_code = 1
