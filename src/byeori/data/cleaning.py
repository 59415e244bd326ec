"""Cleaning that changes texts: entities, control and zero-width characters, case, spaces, an own function, Unicode form.

Invariants: nothing is done that was not asked, and each step counts the texts it changed; a row's cleaning depends on that
row alone, so rows give the same in blocks as whole; labels, ids and titles are not texts; lists keep their length (a token
or choice of which nothing would be left stays as it was); offsets (answers, entities) point at what they pointed at.
What training did is saved with the model (`Cleaner.saved`) and done again to what is predicted.

    Cleaner.of(SimpleNamespace(clean="html,spaces"))(["  빵 &amp; 우유 "]) == ["빵 & 우유"]
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from byeori.data.clean_function import load, source
from byeori.data.clean_offsets import Alignment
from byeori.data.clean_steps import STEPS, compared, normal
from byeori.data.wording import listed, nearest, short
from byeori.errors import ModelError, SettingError

FORMS = ("nfc", "nfkc")
TEXTS = ("text", "text_pair", "source", "target", "question", "context", "prompt", "completion")
LISTS = ("tokens", "choices", "references")
FUNCTION = "function"  # its name among the steps that are counted


class Refused(Exception):
    """A text the own function could not take: `place` of the text, and why."""

    def __init__(self, place: int, why: str):
        super().__init__(why)
        self.place = place


def words(asked: Any) -> tuple[str, ...]:
    """The steps asked for, as a list or parted by commas, in the order in which they are done. Raises SettingError."""
    if asked is None:
        return ()
    names = [str(one).strip() for one in (asked.split(",") if isinstance(asked, str) else asked)]
    names = [name.casefold().replace("_", "-") for name in names if name and name.casefold() not in ("none", "off")]
    for name in names:
        if name not in STEPS:
            close = nearest(name, list(STEPS))
            known = f'Did you mean "{close}"?' if close else f"There are {listed(STEPS)}."
            if name in FORMS:
                known = f"It is a Unicode form: normalize={name} (--normalize {name})."
            raise SettingError(f'clean: there is no step "{name}". {known}')
    return tuple(step for step in STEPS if step in names)


@dataclass(frozen=True)
class Cleaner:
    """What is done to a text, in this order: `steps`, the own `function`, the Unicode `form` ("nfc", "nfkc" or None).

    The form comes last, so that it makes no difference whether it is done here or by the tokenizer.
    """

    steps: tuple[str, ...] = ()
    function: Callable[[str], str] | None = None
    form: str | None = None

    @classmethod
    def of(cls, settings: Any) -> Cleaner:
        """From settings (`clean`, `clean_function`, `normalize`; absent ones are none) or their ready `cleaner`.

        "auto" is no form yet: see `byeori.data.clean_form`. Raises SettingError.
        """
        ready = getattr(settings, "cleaner", None)
        if ready is not None:
            return ready
        form = getattr(settings, "normalize", None)
        if form is not None and form not in ("auto", "none", *FORMS):
            raise SettingError(f'normalize: "auto", "nfc", "nfkc" or "none" is wanted, not {form!r}.')
        return cls(
            words(getattr(settings, "clean", None)),
            load(getattr(settings, "clean_function", None)),
            form if form in FORMS else None,
        )

    @classmethod
    def restored(cls, saved: Mapping[str, Any] | None, given: Any, model: str) -> Cleaner | None:
        """What `saved` gave, None for nothing; `given`: the own function, which is asked for where there was one.

        Raises ModelError where it isn't given, SettingError where it is and training had none; warns where it changed.
        """
        own = (saved or {}).get("function")
        if own is None and given is not None:
            raise SettingError(
                f"clean_function={given!r}: {model} was trained without an own cleaning function, and predictions go by that. Leave it out."
            )
        if not saved:
            return None
        named = f"{(own or {}).get('file') or 'FILE.py'}:{(own or {}).get('function')}"
        if own is not None and given is None:
            raise ModelError(
                f"{model}: its texts were cleaned by an own function, {named}, whose code is not in the folder. Give it: "
                f"--clean-function {named} (in Python clean_function=, the function or its name)."
            )
        steps, form, function = tuple(saved.get("clean") or ()), saved.get("normalize"), load(given)
        strange = [one for one in (*steps, *([form] if form else [])) if one not in STEPS and one not in FORMS]
        if strange:
            raise ModelError(
                f"{model}: its texts were cleaned by steps that this version of Byeori doesn't know ({', '.join(strange)}). Update Byeori."
            )
        if own is not None and own.get("sha256") and own["sha256"] != source(function)["sha256"]:
            warnings.warn(
                f"{model}: {named} has changed since this model was trained (sha256 {own['sha256'][:12]}… then, "
                f"{source(function)['sha256'][:12]}… now); it may clean otherwise.",
                stacklevel=4,
            )
        return cls(steps, function, form)

    def __bool__(self) -> bool:
        return bool(self.steps or self.function or self.form)

    @property
    def alone(self) -> Cleaner:
        """Without the form: what is left to do where the tokenizer does that."""
        return replace(self, form=None)

    @property
    def named(self) -> tuple[str, ...]:
        """The steps by the names under which they are counted."""
        return (*self.steps, *([FUNCTION] if self.function else []), *([self.form] if self.form else []))

    def saved(self) -> dict[str, Any]:
        """For byeori.json: an own function by its name and hash alone, for no code goes into a run folder."""
        return {
            "clean": list(self.steps),
            "function": None if self.function is None else source(self.function),
            "normalize": self.form,
        }

    def __call__(
        self, texts: Sequence[str], counts: Counter[str] | None = None, problems: dict[int, str] | None = None
    ) -> list[str]:
        """The texts, cleaned; `counts` gets how many each step changed.

        A text that the own function refuses gets a reason in `problems` and stays; without them, Refused is raised.
        """
        now = list(texts)
        for name in self.named:
            if name == FUNCTION:
                made = self._own(now, problems)
            else:
                step = normal(name) if name in FORMS else STEPS[name]
                made = [step.change(text) if step.may(text) else text for text in now]
            if counts is not None:
                counts[name] += sum(a != b for a, b in zip(now, made, strict=True))
            now = made
        return now

    def _own(self, texts: Sequence[str], problems: dict[int, str] | None = None) -> list[str]:
        assert self.function is not None
        known: dict[str, str] = {}
        refused: dict[str, str] = {}
        for place, text in enumerate(texts):
            if text not in known and text not in refused:
                try:
                    new = self.function(text)
                    if isinstance(new, str):
                        known[text] = new
                    else:
                        refused[text] = f"made {short(new)!r} ({type(new).__name__}) of {short(text)!r}, not text"
                except Exception as error:
                    why = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
                    refused[text] = f"failed on {short(text)!r} ({why})"
            if text in refused:
                why = f"{_name(self.function)} {refused[text]}"
                if problems is None:
                    raise Refused(place, why)
                problems[place] = why
        return [known.get(text, text) for text in texts]

    def align(self, text: str) -> tuple[str, Alignment]:
        """The text, cleaned, and where its characters come from. Raises Refused."""
        found = Alignment.of(text)
        for name in self.named:
            if name == FUNCTION:
                (new,) = self._own([text])
                edits = compared(text, new)
            else:
                step = normal(name) if name in FORMS else STEPS[name]
                edits, new = step.edits(text), step.change(text)
            found, text = found.edited(edits), new
        return text, found

    def align_part(self, part: str) -> tuple[str, Alignment]:
        """As `align`, of one of a list: a part of which nothing would be left stays as it was."""
        text, found = self.align(part)
        return (text, found) if text.strip() else (part, Alignment.of(part))

    def parts(self, values: Sequence[str], counts: Counter[str] | None = None) -> list[str]:
        """The texts of a list, cleaned one by one, as many as they were."""
        return [new if new.strip() else old for old, new in zip(values, self(values, counts), strict=True)]


def _name(function: Any) -> str:
    found = source(function)
    return f"{found['file'] or 'the own function'}:{found['function']}"


class Cleaned(NamedTuple):
    """columns: those that changed. texts: how many were looked at. counts: step → how many it changed. emptied: role →
    places of the rows of whose text nothing is left. problems: place → why the row can't be used."""

    columns: dict[str, list[Any]]
    texts: int
    counts: Counter[str]
    emptied: dict[str, list[int]]
    problems: dict[int, str]


@dataclass
class _Work:
    cleaner: Cleaner
    texts: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    problems: dict[int, str] = field(default_factory=dict)

    def flat(self, lists: Sequence[Sequence[str] | None]) -> list[list[str] | None]:
        """Lists of texts, cleaned; None stays. What the own function refuses is a problem of its row."""
        flat = [text for one in lists for text in one or ()]
        owners = [place for place, one in enumerate(lists) for _ in one or ()]
        problems: dict[int, str] = {}
        made = self.cleaner(flat, self.counts, problems)
        self.texts += len(flat)
        for at, why in problems.items():
            self.problems.setdefault(owners[at], why)
        found: list[list[str] | None] = []
        end = 0
        for one in lists:
            found.append(None if one is None else made[end : end + len(one)])
            end += len(one or ())
        return found


def clean(columns: Mapping[str, Sequence[Any]], cleaner: Cleaner) -> Cleaned:
    """Columns of rows by role, checked already → what cleaning makes of them. Values that are None stay so."""
    work = _Work(cleaner)
    found: dict[str, list[Any]] = {}
    emptied: dict[str, list[int]] = {}
    for role in (role for role in TEXTS if role in columns):
        values = columns[role]
        made = work.flat([None if one is None else [one] for one in values])
        new = [None if one is None else one[0] for one in made]
        gone = [at for at, one in enumerate(new) if one is not None and not one.strip() and values[at].strip()]
        if gone:
            emptied[role] = gone
        if new != list(values):
            found[role] = new
    for role in (role for role in LISTS if role in columns):
        values = [None if one is None else list(one) for one in columns[role]]
        made = work.flat(values)
        kept = [old if new is None else [b if b.strip() else a for a, b in zip(old, new, strict=True)]
                for old, new in zip(values, made, strict=True)]  # fmt: skip
        if kept != values:
            found[role] = kept
    if "messages" in columns:
        values = columns["messages"]
        made = work.flat([None if one is None else [turn["content"] for turn in one] for one in values])
        turns = [
            old if new is None else [{**turn, "content": text} for turn, text in zip(old, new, strict=True)]
            for old, new in zip(values, made, strict=True)
        ]
        if turns != list(values):
            found["messages"] = turns
    for text, role, move in (("context", "answers", _answers), ("text", "entities", _entities)):
        if role in columns and text in found:
            found[role] = _moved(columns[text], columns[role], cleaner, move, work.problems)
    return Cleaned(found, work.texts, work.counts, emptied, work.problems)


def _moved(
    texts: Sequence[str], spans: Sequence[Any], cleaner: Cleaner, move: Callable[..., Any], problems: dict[int, str]
) -> list[Any]:
    """Offsets of every row moved to its cleaned text; each text is aligned once, however many rows have it."""
    known: dict[str, tuple[str, Alignment]] = {}
    found = []
    for place, (text, value) in enumerate(zip(texts, spans, strict=True)):
        if not value or place in problems:
            found.append(value)
            continue
        if text not in known:
            known[text] = cleaner.align(text)
        new, alignment = known[text]
        try:
            found.append(value if new == text else move(value, text, new, alignment))
        except _Eaten as eaten:
            problems[place] = str(eaten)
            found.append({"text": [], "answer_start": []} if isinstance(value, Mapping) else [])
    return found


class _Eaten(Exception):
    """Cleaning leaves nothing of a span."""


def _place(what: str, start: int, end: int, text: str, new: str, alignment: Alignment) -> tuple[int, int]:
    span = alignment.forward(start, end)
    if span is None or not new[slice(*span)].strip():
        raise _Eaten(f'cleaning leaves nothing of the {what} "{short(text[start:end])}" at {start}')
    return span


def _answers(value: Mapping[str, Any], text: str, new: str, alignment: Alignment) -> dict[str, list[Any]]:
    bounds = zip(value["answer_start"], value["text"], strict=True)
    spans = [_place("answer", start, start + len(said), text, new, alignment) for start, said in bounds]
    return {"text": [new[start:end] for start, end in spans], "answer_start": [start for start, _ in spans]}


def _entities(value: Sequence[Mapping[str, Any]], text: str, new: str, alignment: Alignment) -> list[dict[str, Any]]:
    found = []
    for one in value:
        start, end = _place("entity", one["start"], one["end"], text, new, alignment)
        found.append({**one, "start": start, "end": end})
    return found


def told(counts: Mapping[str, int], texts: int, cleaner: Cleaner) -> list[str]:
    """One line a step: `clean html: 312 of 7,896 texts changed`; none of a Unicode form that all texts have."""
    said = {name: f"normalize {name}" if name in FORMS else f"clean {name}" for name in cleaner.named}
    if cleaner.function is not None:
        said[FUNCTION] = f"clean by {_name(cleaner.function)}"
    names = [name for name in cleaner.named if counts.get(name) or name not in FORMS]
    return [f"{said[name]}: {counts.get(name, 0):,} of {texts:,} texts changed" for name in names]
