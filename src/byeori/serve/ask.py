"""One request as the model's thread sees it: its rows, what was said of how to answer, and who is told of the answer.

Invariants: it ends once, with an answer or a refusal; one that nobody waits for any more (`gone`) or whose time is up is not
begun. Everything but `gone` and the tellers is the model's thread's alone once it is handed over.

    ask = Ask(rows, call, deadline=time.monotonic() + 60, told=lambda ask: ...)
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from byeori.errors import ByeoriError, DataError, SettingError

SETTING = re.compile(r"(?:^|: )(\w+)=")  # how a sentence about a setting begins


@dataclass
class Refused(Exception):
    """What a request gets instead of an answer: a status of HTTP and a sentence; `after`: seconds until it may be asked again."""

    status: int
    sentence: str
    field: str | None = None
    after: float | None = None

    def __str__(self) -> str:
        return self.sentence


@dataclass
class Written:
    """What was written for one row: `texts` as the engine gives them, the log-probability of each new token where asked."""

    prompt: list[int]
    texts: list[Any]  # generate.lines.Text
    most: int  # new tokens that were allowed
    logprobs: list[float] | None = None


@dataclass(eq=False)
class Ask:
    """`told` is called once, with the ask itself, when it has ended; `heard` with each piece that was written, of a stream."""

    rows: list[dict[str, Any]]
    call: Any
    deadline: float
    told: Callable[[Ask], None]
    heard: Callable[[dict[str, Any]], None] | None = None
    length: int | None = None  # tokens texts are cut to in this call
    scored: bool = False  # log-probabilities are wanted
    cost: float = 1.0
    began: float = field(default_factory=time.monotonic)
    gone: bool = False  # nobody waits for it
    ended: bool = False
    answers: list[Any] = field(default_factory=list)  # a prediction a row
    written: list[Written | None] = field(default_factory=list)
    wishes: dict[int, Any] = field(default_factory=dict)  # of rows that could not be begun yet
    refused: Refused | None = None
    left: int = 0  # rows without an answer
    tokens: int = 0  # read
    new_tokens: int = 0  # written
    seen: list[tuple[list[int], list[int] | None]] | None = None  # ids and segments read, where they are to be told

    def __post_init__(self) -> None:
        self.left = len(self.rows)
        self.answers = [None] * len(self.rows)
        self.written = [None] * len(self.rows)

    @property
    def over(self) -> bool:
        """Whether there is nothing to do for it any more; one whose time is up is refused here."""
        if not self.ended and not self.gone and time.monotonic() > self.deadline:
            self.refuse(late())
        return self.ended or self.gone

    def answer(self, row: int, prediction: Any) -> None:
        self.answers[row] = prediction
        self.left -= 1
        if not self.left:
            self._end()

    def refuse(self, refused: Refused) -> None:
        if not self.ended:
            self.refused = refused
            self._end()

    def _end(self) -> None:
        if not self.ended:
            self.ended = True
            self.told(self)


def late() -> Refused:
    return Refused(
        504, "the answer took longer than this server waits (--timeout). Ask for less at once, or again later."
    )


def refusal(error: BaseException) -> Refused:
    """What is said for an error, in the command's own sentence where it has one."""
    from byeori.models.shortage import OutOfMemory

    if isinstance(error, Refused):
        return error
    if isinstance(error, OutOfMemory):
        return Refused(413, str(error))
    if isinstance(error, DataError):
        return Refused(400, str(error), "inputs")
    if isinstance(error, SettingError):
        named = SETTING.search(str(error))
        return Refused(400, str(error), "parameters" if named is None else f"parameters.{named[1]}")
    if isinstance(error, ByeoriError):
        return Refused(503, str(error), after=5.0)
    return Refused(
        500, f"something failed that has no message of its own ({type(error).__name__}); the server's log says more."
    )
