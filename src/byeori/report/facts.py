"""The files of a run folder as one object: what the card, the report and the end table are made from.

Invariants: reading never fails on a missing or damaged file, it says so in `missing`; nothing but the folder is read; a
path of the machine is only ever given as its last part.

    facts = read_facts("run"); facts.headline, facts.verdict
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from byeori.report.lines import Lines
from byeori.report.words import say, told
from byeori.run import FORMAT, RunFolder

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.\-]*(/[A-Za-z0-9][\w.\-]*)?", re.ASCII)
HANGUL = re.compile(r"[\u1100-\u11ff\u3130-\u318f\uac00-\ud7a3]")
NO_SCORE = "–"
_FOUND = "# Found while running"
VERDICTS = {
    "better": "Better than the {kind} baseline. {beside}, outside the interval.",
    "worse": "Worse than the {kind} baseline. {beside}, outside the interval.",
    "open": "Not shown to differ from the {kind} baseline. {beside}, inside the interval.",
}


@dataclass
class Facts:
    """One run. `settings` and `found` are the halves of settings.yaml; `predictions` by part; `missing`: sentences.

    `lang` is the language a page is written in; cards and terminals are in English.
    """

    name: str
    settings: dict[str, Any] = field(default_factory=dict)
    found: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    saved: dict[str, Any] = field(default_factory=dict)  # model/byeori.json
    history: list[dict[str, Any]] = field(default_factory=list)
    samples: list[dict[str, Any]] = field(default_factory=list)
    never_whole: bool = False  # samples were asked for, and no row ever lay whole in a pack
    watched: list[dict[str, Any]] = field(default_factory=list)  # the same validation rows at each evaluation
    slices: dict[str, Any] = field(default_factory=dict)  # scores by length and source
    mistakes: dict[str, Any] = field(default_factory=dict)  # texts of some wrong rows
    predictions: dict[str, Lines] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    lang: str = "en"

    def say(self, sentence: str, **values: Any) -> str:
        """A sentence of the page in its language."""
        return say(self.lang, sentence, **values)

    def interval(self, score: dict[str, float | None] | None) -> str:
        """As `interval`, in the page's language."""
        return say(self.lang, interval(score))

    def miss(self, sentence: str, **values: Any) -> None:
        """Say once what is missing."""
        if (made := told(sentence, **values)) not in self.missing:
            self.missing.append(made)

    @property
    def task(self) -> str:
        named = self.metrics.get("task") or self.saved.get("task") or self.settings.get("task")
        return file_name(named or "unknown task")  # settings.yaml has the path of an own task

    @property
    def kind(self) -> str | None:
        """single_label, multi_label or regression; None for tasks without these, or where nothing says it.

        A config may still hold that of the task its model had before, so it is asked only where it can be of this one.
        """
        named = table(self.saved, "state").get("problem_type")
        if not named and self.task == "text-classification":
            named = self.config.get("problem_type")
        return str(named).removesuffix("_classification") if named else None

    @property
    def labels(self) -> list[str]:
        """Label names in id order; none for regression."""
        if self.kind == "regression":
            return []
        names = table(self.saved, "state").get("labels")
        if not isinstance(names, list):
            names = [
                value for _, value in sorted(table(self.config, "id2label").items(), key=lambda one: _order(one[0]))
            ]
        return [str(name) for name in names]

    @property
    def part(self) -> str | None:
        """The part that the scores shown are of: test, else validation."""
        return next((part for part in ("test", "validation") if table(self.metrics, part)), None)

    @property
    def scores(self) -> dict[str, dict[str, float | None]]:
        """{name: {"value", "low", "high"}} of `part`, the headline first."""
        return self._ordered(table(self.metrics, self.part)) if self.part else {}

    @property
    def headline(self) -> str | None:
        return next(iter(self.scores), None)

    def baseline(self, kind: str) -> dict[str, dict[str, float | None]]:
        """Scores of the trivial or the linear baseline on the same part; empty where there are none."""
        if self.metrics.get("baseline_of", self.part) != self.part:
            return {}
        return self._ordered(table(table(self.metrics, "baseline"), kind))

    def beside(self, kind: str, score: str) -> dict[str, float | None] | None:
        """A baseline's score, or None where it can't have one (the loss, an own metric)."""
        return self.baseline(kind).get(score)

    def words(self, score: str) -> str:
        """A score's name for people, with the class it is of where it is of one alone: F1 (긍정)."""
        label = table(self.metrics, "of_class").get(score)
        if label is None and score.startswith("f1."):
            label, score = score.removeprefix("f1."), "f1"
        name = self.say(words(score))
        return name if label is None else f"{name} ({label})"

    def _ordered(self, scores: dict[str, Any]) -> dict[str, dict[str, float | None]]:
        first = self.metrics.get("headline")
        clean = {name: {key: real(table(scores, name).get(key)) for key in ("value", "low", "high")} for name in scores}
        return {name: clean[name] for name in sorted(clean, key=lambda name: name != first)}

    @property
    def training(self) -> dict[str, Any]:
        return table(self.metrics, "training")

    @property
    def parts(self) -> dict[str, dict[str, Any]]:
        """What data.json says of each part, by name."""
        parts = table(self.data, "parts")
        return {name: table(parts, name) for name in parts}

    @property
    def notes(self) -> list[tuple[str, str]]:
        """(part, what reading found and did), without the folders of the machine."""
        return [(name, plain(note, self)) for name, part in self.parts.items() for note in part.get("notes") or []]

    def rows(self, part: str | None) -> int | None:
        count = self.parts.get(part or "", {}).get("rows")
        return count if isinstance(count, int) else None

    @property
    def pairs(self) -> bool:
        return any("text_pair" in table(one, "columns") for one in self.parts.values())

    @property
    def base_model(self) -> str | None:
        """A Hub id, or the name of the folder the training began with; None for an object or where nothing says it."""
        model = self.settings.get("model")
        if not isinstance(model, str) or not model or model.startswith("<"):
            return None
        is_id = _HUB_ID.fullmatch(model) and not Path(model).exists()
        # a Hub checkpoint has a revision; without one, two parts are a relative path that has since gone
        if is_id and ("/" not in model or not self.found or self.found.get("model_revision")):
            return model
        names = [name for name in re.split(r"[\\/]+", model.rstrip("\\/")) if name not in ("", ".", "..", "~")]
        if len(names) > 1 and names[-1] == "model":
            names.pop()  # RUN/model is named after its run
        return names[-1] if names else None

    @property
    def base_id(self) -> str | None:
        """The base model's id on the Hub, where the training found it there; None for a folder, whatever its name."""
        model = self.settings.get("model")
        is_id = isinstance(model, str) and _HUB_ID.fullmatch(model) and self.found.get("model_revision")
        return model if is_id and not self.from_scratch else None

    @property
    def from_scratch(self) -> str | None:
        """The shape or the name of the configuration a model was made of; None for one that began with a checkpoint."""
        shape = self.settings.get("from_scratch")
        if not isinstance(shape, str) or not shape:
            return None
        is_id = _HUB_ID.fullmatch(shape) and not Path(shape).exists()
        return shape if is_id else re.split(r"[\\/]+", shape.rstrip("\\/"))[-1]

    @property
    def language(self) -> str | None:
        """ko if most letters of the samples are Hangul, else the base model's where it states just one."""
        if self.mostly_korean:
            return "ko"
        stated = self.found.get("model_languages")
        return str(stated[0]) if isinstance(stated, list) and len(stated) == 1 else None

    @property
    def mostly_korean(self) -> bool:
        """Whether most letters of the samples, or where there are none of the watched rows, are Hangul."""
        text = "".join(str(one) for sample in self.samples or self.watched for one in table(sample, "inputs").values())
        letters = [sign for sign in text if sign.isalpha()]
        return sum(bool(HANGUL.match(sign)) for sign in letters) * 2 > len(letters)

    @property
    def licence(self) -> str | None:
        """The base model's licence, where its card stated one."""
        stated = self.found.get("model_licence")
        return str(stated) if stated else None

    def lower_is_better(self, score: str) -> bool:
        """As the task says it; of an own task, whose file is no part of the run, as tasks do."""
        from byeori.tasks import TASKS, Task

        return score in next((task for task in TASKS if task.name == self.task), Task).lower_is_better

    def own(self, name: str) -> Any:
        """What the task learnt or was set to, as byeori.json has it, else settings.yaml; None where neither does."""
        state = table(self.saved, "state")
        places = (state, table(state, "settings"), self.settings)
        return next((place[name] for place in places if place.get(name) is not None), None)

    @property
    def length(self) -> int | None:
        """The most tokens of a sequence."""
        found = self.settings.get("max_length") or table(self.saved, "decoding").get("max_length")
        return found if isinstance(found, int) else None

    @property
    def truncation(self) -> str:
        """Which tokens of a longer text are kept: head, tail or middle."""
        return str(self.settings.get("truncation") or table(self.saved, "decoding").get("truncation") or "head")

    @property
    def verdict(self) -> tuple[str, str]:
        """("better", "worse", "open" or "unknown", one sentence): the headline's interval against the baseline.

        Where the baselines can't have the headline (the loss), the first score that they have speaks for it.
        """
        name = self.headline
        if name is None:
            said = "There are no test or validation scores, so nothing can be said about this model's quality."
            return "unknown", self.say(said)
        kinds = ("linear", "trivial")
        if not any(self.beside(kind, name) for kind in kinds):
            name = next((one for one in self.scores if any(self.beside(kind, one) for kind in kinds)), name)
        score, part = self.scores[name], self.say(str(self.part))
        if score["value"] is None:
            said = "{score} is undefined on the {part} rows, so no verdict is possible."
            return "unknown", self.say(said, score=self.words(name), part=part)
        rows, shown = self.rows(self.part), self.words(name)
        beside = self.say(
            "{score} {value} on {rows} {part} rows" if rows else "{score} {value} on {part} rows",
            score=_begun(shown), value=self.interval(score), rows=f"{rows or 0:,}", part=part,
        )  # fmt: skip
        kind = next((k for k in kinds if (self.beside(k, name) or {}).get("value") is not None), None)
        if kind is None:
            said = "{beside}. No baseline was scored, so there is nothing to hold it against."
            return "unknown", self.say(said, beside=beside)
        other = self.baseline(kind)[name]["value"]
        assert other is not None
        low, high, named = score["low"], score["high"], self.say(kind)
        beside = self.say(
            "{beside}; the {kind} baseline reaches {value}", beside=beside, kind=named, value=number(other)
        )
        if low is None or high is None:
            return "unknown", self.say("{beside}. Without an interval the difference may be chance.", beside=beside)
        if self.lower_is_better(name):
            low, high, other = -high, -low, -other
        verdict = "better" if low > other else "worse" if high < other else "open"
        return verdict, self.say(VERDICTS[verdict], kind=named, beside=beside)


def read_facts(run: RunFolder | str | Path) -> Facts:
    """All there is in a run folder; what is missing or damaged stands in `missing`."""
    folder = run if isinstance(run, RunFolder) else RunFolder(run)
    facts = Facts(folder.path.resolve().name)
    facts.settings, facts.found = _settings(folder.settings, facts.missing)
    for name, path in (
        ("metrics", folder.metrics), ("data", folder.data),
        ("config", folder.model / "config.json"), ("saved", folder.model / "byeori.json"),
    ):  # fmt: skip
        setattr(facts, name, _json(path, facts.missing, folder.path))
    facts.history = _lines(folder.history, facts.missing, folder.path)
    if folder.samples.exists() or facts.settings.get("previews") != 0:
        facts.samples = [*Lines.found(folder.samples, facts.missing, folder.path, none=True)]
        facts.never_whole = folder.samples.is_file() and not folder.samples.stat().st_size
    if folder.watched.exists():
        facts.watched = _lines(folder.watched, facts.missing, folder.path)
    for name, path in (("slices", folder.slices), ("mistakes", folder.mistakes)):
        if path.exists():  # runs of before have none
            setattr(facts, name, _json(path, facts.missing, folder.path))
    for part in ("test", "validation"):
        path = folder.predictions / f"{part}.jsonl"
        if part in facts.metrics or path.exists():
            facts.predictions[part] = Lines.found(path, facts.missing, folder.path)
    return facts


def attempt(make: Callable[[Facts], str], facts: Facts, what: str) -> str:
    """A part of the card or report; empty, and named in `missing`, where the files hold what no run writes."""
    try:
        return make(facts)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        said = f"{type(error).__name__}: {error}"
        facts.miss("{what} could not be made: the files hold something unexpected ({said}).", what=what, said=said)
        return ""


def _json(path: Path, missing: list[str], top: Path) -> dict[str, Any]:
    text = _text(path, missing, top)
    if text is None:
        return {}
    try:
        found = json.loads(text)
    except ValueError as error:
        missing.append(told("{file} is damaged, not JSON ({error}).", file=path.relative_to(top), error=error))
        return {}
    if not isinstance(found, dict):
        said = "{file} is damaged: it holds a {kind}, not names and values."
        missing.append(told(said, file=path.relative_to(top), kind=type(found).__name__))
        return {}
    version = found.get("format", FORMAT)
    if path.name != "config.json" and isinstance(version, int) and version > FORMAT:
        said = "{file} has format {version}; this Byeori reads up to {most}. Update it."
        missing.append(told(said, file=path.relative_to(top), version=version, most=FORMAT))
    return found


def _lines(path: Path, missing: list[str], top: Path) -> list[dict[str, Any]]:
    """Lines of JSON objects; those that are none are counted and left out."""
    return [*Lines.found(path, missing, top)]


def _text(path: Path, missing: list[str], top: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        missing.append(told("{file} is missing.", file=path.relative_to(top)))
    except (OSError, UnicodeDecodeError) as error:
        missing.append(told("{file} can't be read ({error}).", file=path.relative_to(top), error=type(error).__name__))
    return None


def _settings(path: Path, missing: list[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings, and what is told in the comments under them."""
    import yaml

    text = _text(path, missing, path.parent)
    if text is None:
        return {}, {}
    head, _, tail = text.partition(_FOUND)
    halves: list[dict[str, Any]] = []
    for half in (head, "\n".join(line.removeprefix("# ") for line in tail.split("\n")[1:])):
        try:
            one = yaml.safe_load(half) or {}
        except yaml.YAMLError as error:
            one = str(error).splitlines()[0]
        if not isinstance(one, dict):
            missing.append(told("settings.yaml is damaged, not YAML of names and values ({one}).", one=str(one)[:80]))
        halves.append(one if isinstance(one, dict) else {})
    return halves[0], halves[1]


def _order(key: str) -> tuple[bool, int, str]:
    return (not key.isdecimal(), int(key) if key.isdecimal() else 0, key)


def table(parent: Any, name: str | None) -> dict[str, Any]:
    """The dict under a name; an empty one if it isn't there or isn't a dict."""
    found = parent.get(name) if isinstance(parent, dict) else None
    return found if isinstance(found, dict) else {}


def real(value: Any) -> float | None:
    """A finite number, or None."""
    usable = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if usable else None


def number(value: Any) -> str:
    """A score for people: four decimals, fewer for large values; "undefined" for None."""
    found = real(value)
    if found is None:
        return "undefined"
    return f"{found:,.0f}" if abs(found) >= 10_000 else f"{found:,.1f}" if abs(found) >= 100 else f"{found:.4f}"


def interval(score: dict[str, float | None] | None) -> str:
    """`0.9120 (0.8940 to 0.9300)`, the value alone where it has no interval, a dash where there is no score at all."""
    if score is None:
        return NO_SCORE
    if score.get("low") is None or score.get("high") is None:
        return number(score.get("value"))
    value, low, high = (number(score[key]) for key in ("value", "low", "high"))
    return told("{value} ({low} to {high})", value=value, low=low, high=high)


def words(name: str) -> str:
    """A score's name for people: macro_f1 → macro F1."""
    known = {"f1": "F1", "mcc": "MCC", "r2": "R²", "rmse": "RMSE", "mae": "MAE", "ece": "ECE"}
    known |= {"pearson": "Pearson", "spearman": "Spearman", "auroc": "AUROC", "klue": "KLUE", "bleu": "BLEU"}
    known |= {"rouge1": "ROUGE-1", "rouge2": "ROUGE-2", "rougeL": "ROUGE-L", "rougeLsum": "ROUGE-Lsum"}
    known |= {"chrf": "chrF", "chrf++": "chrF++"}
    return " ".join(known.get(word, word) for word in str(name).split("_"))


def _begun(name: str) -> str:
    """A score's name at the beginning of a sentence; one that is written in its own way, as chrF, stays."""
    return name[:1].upper() + name[1:] if name.split(" ")[0].islower() else name


def file_name(path: Any) -> str:
    """The last part of a path of any system; a Hub id stays whole."""
    text = str(path)
    return text if _HUB_ID.fullmatch(text) and "." not in text else re.split(r"[\\/]+", text.rstrip("\\/"))[-1]


def plain(text: Any, facts: Facts) -> str:
    """A text without the folders of the machine: the data files' paths in it become their names."""
    shown = str(text)
    given = [one for part in facts.parts.values() for one in part.get("files") or [] if isinstance(one, dict)]
    files = {str(one.get("path")) for one in given}
    for path in sorted(files, key=len, reverse=True):
        shown = shown.replace(path, file_name(path))
    return re.sub(r"(?<![\w.:/\\])(?:~|[A-Za-z]:)?[\\/](?:[^\s\\/,;\"']+[\\/])+([^\s\\/,;\"']+)", r"\1", shown)
