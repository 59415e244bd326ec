"""Texts → a tokenizer, in a folder that transformers loads.

Two passes over the texts: one that looks (survey.py), one that learns, by the trainers of the tokenizers library. The
same texts and settings give the same tokenizer; but for unigram, whose trainer adds up in the order of a hash table:
its scores differ from process to process in the second decimal, its pieces hardly ever.

    trained = train_tokenizer(["wiki.txt"], algorithm="wordpiece", vocab_size=8000, output="tok")
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from byeori import settings as settings_
from byeori.data.wording import count
from byeori.errors import DataError, SettingError
from byeori.run import write_folder, write_json, write_text
from byeori.text import corpus as corpora
from byeori.text.components import built
from byeori.text.recipes import Plan, resolve
from byeori.text.survey import Kept, Survey, rare, survey
from byeori.text.tokenizer_checks import BYTES, byte_signs, check_asked, check_hangul, check_output, check_size, starts
from byeori.text.tokenizer_folder import GENERAL, spelled, wrapped, write
from byeori.text.tokenizer_settings import Learning, Texts

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_EVERY = 10.0  # seconds between two lines of progress
_LARGE = 20_000_000  # bytes, whose learning takes its time and says nothing meanwhile
Note = Callable[[str], None]


@dataclass
class Trained:
    """A tokenizer that was learnt. tokenizer: as transformers loads it; report: what `tokenizer_report.measure` found."""

    tokenizer: Any
    folder: Path | None
    saved_as: str
    plan: Plan
    report: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def train_tokenizer(
    data: Any, *, rivals: Sequence[tuple[str, Any]] = (), note: Note | None = None, **values: Any
) -> Trained:
    """Learn a tokenizer from texts and save it.

    data: a file, folder, glob, Hub id, data set or DataFrame, a list of texts or paths, a function that makes an
    iterator of texts, or a tuple of such. values: the settings of `byeori tokenizer train --help`; without `output`
    nothing is saved. rivals: (name, tokenizer) pairs that the report stands beside. note: takes a line at a time on what
    is done. Raises SettingError, DataError, ModelError.
    """
    from byeori.text.tokenizer_report import compare

    notes: list[str] = []

    def say(line: str) -> None:
        notes.append(line)
        if note is not None:
            note(line)

    began = time.perf_counter()
    (settings,) = settings_.read(values, Learning)
    check_asked(settings, resolve(settings, compose=True, hangul=True))
    check_output(settings)
    corpus = corpora.Corpus(data, settings)
    watch = Watch(corpus.bytes, note)
    found, plan, texts = look(corpus, settings, watch)
    for line in dict.fromkeys(corpus.notes):
        say(line)
    if not found.texts:
        raise DataError("the data holds no text: every row of it is blank.")
    say(f"{count(found.texts, 'text')}, {found.characters:,} characters, {found.bytes / 1e6:,.1f} MB.")
    for mark, times in ((one, times) for one, times in found.marks.items() if times):
        say(f"The texts hold {mark} {count(times, 'time')} themselves: it is read as the special token, not as text.")
    check_hangul(plan, found, say)
    check_size(settings, plan, found)
    looked = time.perf_counter()
    backend = learn(texts, settings, plan, found, watch)
    learnt = time.perf_counter()
    if backend.get_vocab_size() < settings.vocab_size:
        say(_fewer(backend.get_vocab_size(), settings, plan))
    folder = None if settings.output is None else Path(settings.output)
    made = Trained(wrapped(plan, backend), folder, GENERAL, plan, notes=notes)
    sample, of = found.sample, "a sample of those learnt from"
    if settings.validation is not None:
        elsewhere = dataclasses.replace(settings, split=None, max_rows=None)
        sample, of = sampled(settings.validation, elsewhere, say), "validation"
    made.report = compare([("trained", made.tokenizer), *rivals], sample, on=of)
    made.report["training"] = {
        "texts": found.texts, "characters": found.characters, "bytes": found.bytes, "words": found.words,
        "alphabet": len(found.alphabet), "survey_seconds": looked - began, "learn_seconds": learnt - looked,
        "total_seconds": time.perf_counter() - began, "mb_per_second": found.bytes / 1e6 / (learnt - began),
    }  # fmt: skip
    if folder is not None:
        _save(folder, backend, made, settings, data, sample)
        if plan.own and made.saved_as != plan.saved_as:
            say(
                f"Saved as {made.saved_as}, which transformers loads as it is: {plan.saved_as} would build its own normalizer, without "
                f"{_steps(plan)}. Special tokens and inputs are those of {plan.saved_as}."
            )
    return made


def _fewer(size: int, settings: Learning, plan: Plan) -> str:
    """The sentence for a vocabulary too large for the texts."""
    often = settings.min_frequency if plan.algorithm in ("wordpiece", "bpe", "word") else 0
    why = f"nothing else occurs {often:,} times or more (--min-frequency)" if often > 1 else "they hold no more"
    return f"The texts give {size:,} tokens, fewer than the {settings.vocab_size:,} asked for: {why}."


class Watch:
    """A line of progress now and then, while texts are read. size: of all of them in bytes, 0 where nobody knows."""

    def __init__(self, size: int, note: Note | None):
        self.size, self.note, self.said = size, note, time.perf_counter()

    def __call__(self, doing: str, done: float) -> None:
        now = time.perf_counter()
        if self.note is not None and now - self.said >= _EVERY:
            self.said = now
            self.note(f"{doing}: {done / 1e6:,.1f} MB" + (f" of about {self.size / 1e6:,.1f}" if self.size else ""))


def look(corpus: Iterable[list[str]], settings: Learning, watch: Watch) -> tuple[Survey, Plan, Iterable[list[str]]]:
    """What the texts hold, the plan that follows from it, and the texts as they are learnt from.

    Whether there is Hangul decides on the normalizer, and that on the alphabet: where the first guess was wrong, the texts
    are looked at again. The sample is of the texts as they are: rare characters (--limit-alphabet) are unknown in its report.
    """
    texts = corpus
    sample: list[str] | None = None
    found: Survey | None = None
    plan = resolve(settings, compose=True, hangul=True)
    while True:
        words = not plan.byte_level or plan.algorithm == "word"
        counted = settings.limit_alphabet is not None and texts is corpus
        normalizer, pre_tokenizer = built("normalizer", plan.normalizer), built("pre_tokenizer", plan.pre_tokenizer)
        found = survey(
            texts, normalizer, pre_tokenizer, words=words, count=counted, marks=[*plan.tokens, *plan.sentinels],
            seen=lambda now: watch("reading", now.bytes),
        )  # fmt: skip
        sample = found.sample = found.sample if sample is None else sample
        if counted and (gone := rare(found.counts, settings.limit_alphabet or 0)):
            texts = Kept(corpus, gone)
            continue
        right = resolve(settings, compose=found.hangul or found.decomposed, hangul=found.hangul)
        if right.normalizer == plan.normalizer or not found.texts:
            return found, right, texts
        plan = right
        if not words:
            return found, right, texts


def learn(texts: Iterable[list[str]], settings: Learning, plan: Plan, found: Survey, watch: Watch) -> Tokenizer:
    """The second pass: the library's trainer for the algorithm, then its vocabulary in a tokenizer of the plan's blocks."""
    from tokenizers import Tokenizer, models

    learner = Tokenizer(_untrained(plan))
    normalizer, pre_tokenizer = built("normalizer", plan.normalizer), built("pre_tokenizer", plan.pre_tokenizer)
    if normalizer is not None:
        learner.normalizer = normalizer
    if pre_tokenizer is not None:
        learner.pre_tokenizer = pre_tokenizer

    watch.size = found.bytes

    def passing() -> Iterable[list[str]]:
        done = 0
        for batch in texts:
            done += sum(map(len, batch))
            watch("reading again", done * found.bytes / max(1, found.characters))
            yield batch
        if watch.note is not None and found.bytes > _LARGE:
            watch.note(f"read twice; now {plan.algorithm} is learnt from what was counted.")

    try:
        learner.train_from_iterator(passing(), _trainer(settings, plan, found))
    except (DataError, SettingError):
        raise
    except Exception as error:
        text = " ".join(str(error).split())
        raise SettingError(f"{plan.algorithm}: the texts can't be learnt from ({text[:200]}).") from None
    learnt = json.loads(learner.to_str())["model"]
    unknown = plan.special.get("unk")
    model: Any
    if plan.algorithm == "unigram":
        pieces = [(piece, score) for piece, score in learnt["vocab"] if piece not in plan.tokens]
        if (
            settings.byte_fallback
        ):  # as unlikely as can be: they are for characters nobody knows, not for the text "<0x0A>"
            lowest = 100 * min((score for _, score in pieces), default=-1.0)
            pieces = [*((one, lowest) for one in BYTES), *pieces]
        scored = [*((token, 0.0) for token in plan.tokens), *pieces]
        place = plan.tokens.index(unknown) if unknown in plan.tokens else None
        model = models.Unigram(scored, unk_id=place, byte_fallback=settings.byte_fallback)
    elif plan.algorithm == "wordpiece":
        model = models.WordPiece(learnt["vocab"], unk_token=unknown or "[UNK]", max_input_chars_per_word=100)
    elif plan.algorithm == "bpe":
        pairs = (one.split(" ") if isinstance(one, str) else one for one in learnt["merges"])
        merges = [(left, right) for left, right in pairs]
        more: dict[str, Any] = (
            {} if plan.byte_level else {"unk_token": unknown, "byte_fallback": settings.byte_fallback}
        )
        model = models.BPE(learnt["vocab"], merges, **more)
    else:
        model = models.WordLevel(learnt["vocab"], unk_token=unknown or "[UNK]")
    return _assembled(model, plan)


def _untrained(plan: Plan) -> Any:
    from tokenizers import models

    kinds = {"wordpiece": models.WordPiece, "bpe": models.BPE, "unigram": models.Unigram}
    return kinds.get(plan.algorithm, models.WordLevel)()


def _trainer(settings: Learning, plan: Plan, found: Survey) -> Any:
    """The library's trainer. Its alphabet comes first in the vocabulary, sorted, so that no hash table orders it."""
    from tokenizers import trainers

    always = starts(settings)
    size = settings.vocab_size - plan.extra_ids
    common: dict[str, Any] = {"show_progress": False}
    if plan.algorithm == "unigram":
        size -= len(BYTES) if settings.byte_fallback else 0
        return trainers.UnigramTrainer(
            vocab_size=size, special_tokens=plan.tokens, unk_token=plan.special.get("unk"), initial_alphabet=sorted(always),
            max_piece_length=settings.max_piece_length or 16, **common,
        )  # fmt: skip
    common |= {"vocab_size": size, "min_frequency": settings.min_frequency}
    if plan.algorithm == "wordpiece":
        inner = [f"##{one}" for one in sorted(found.inner | always)]
        known = [*plan.tokens, *sorted(found.alphabet | always), *inner]
        return trainers.WordPieceTrainer(special_tokens=list(dict.fromkeys(known)), **common)
    if plan.algorithm == "bpe":
        alphabet = byte_signs() if plan.byte_level else sorted(always)
        known = [*plan.tokens, *(BYTES if settings.byte_fallback else ())]
        if settings.max_piece_length:
            common["max_token_length"] = settings.max_piece_length
        return trainers.BpeTrainer(special_tokens=known, initial_alphabet=alphabet, **common)
    if plan.algorithm == "character":
        common["min_frequency"] = 0
    known = [*plan.tokens, *(sorted(always) if plan.algorithm == "character" else ())]
    return trainers.WordLevelTrainer(special_tokens=known, **common)


def _assembled(model: Any, plan: Plan) -> Tokenizer:
    """Model, blocks, special tokens and template together."""
    from tokenizers import AddedToken, Tokenizer

    made = Tokenizer(model)
    for kind in ("normalizer", "pre_tokenizer", "decoder"):
        block = built(kind, getattr(plan, kind))
        if block is not None:
            setattr(made, kind, block)
    mask = plan.special.get("mask")
    made.add_special_tokens([
        AddedToken(token, lstrip=token == mask and plan.byte_level, normalized=False, special=True)
        for token in [*plan.tokens, *plan.sentinels]
    ])  # fmt: skip
    processor = _processor(made, plan)
    if processor is not None:
        made.post_processor = processor
    return made


def _processor(made: Tokenizer, plan: Plan) -> Any:
    """What puts the special tokens around a text. Raises SettingError for a template that is none."""
    from tokenizers import processors

    around = [part.split(":")[0] for part in f"{plan.single} {plan.pair}".split() if not part.startswith("$")]
    ids = made.get_vocab()
    if not around:
        return processors.ByteLevel(trim_offsets=True) if plan.byte_level else None
    try:
        if plan.own and plan.recipe == "roberta":  # the template, and words that begin after their space
            sep, cls = ((plan.special[role], ids[plan.special[role]]) for role in ("sep", "cls"))
            return processors.RobertaProcessing(sep, cls, trim_offsets=True, add_prefix_space=False)
        tokens = [(token, ids[token]) for token in dict.fromkeys(around)]
        return processors.TemplateProcessing(single=plan.single, pair=plan.pair, special_tokens=tokens)
    except Exception as error:
        raise SettingError(
            f"template {plan.single!r}, pair {plan.pair!r}: {' '.join(str(error).split())[:160]}. Write special tokens, $A and, in a pair, "
            f"$B, with spaces between."
        ) from None


def _steps(plan: Plan) -> str:
    own = [name for name, _ in plan.normalizer if name != "bert"]
    return ", ".join(own) or "what was changed here"


def sampled(data: Any, settings: Texts, say: Note | None = None) -> list[str]:
    """Texts for a report: all of them, or every n-th of many. Raises DataError where there are none."""
    corpus = corpora.Corpus(data, settings)
    found = survey(corpus, None, None, words=False)
    for line in dict.fromkeys(corpus.notes):
        if say is not None:
            say(line)
    if not found.texts:
        raise DataError(f"{data if isinstance(data, str) else 'the data'}: it holds no text, every row of it is blank.")
    return found.sample


def _save(folder: Path, backend: Tokenizer, made: Trained, settings: Learning, data: Any, sample: list[str]) -> None:
    """The folder, whole or not at all: the tokenizer, its report, and the settings that repeat it."""
    from transformers import AutoTokenizer

    def fill(place: Path) -> None:
        made.saved_as = write(place, made.plan, backend, sample)
        made.report["saved_as"] = made.saved_as
        write_json(place / "report.json", made.report)
        write_text(place / "settings.yaml", spelled(settings, made.plan, data))

    write_folder(folder, fill)
    made.tokenizer = AutoTokenizer.from_pretrained(str(folder))
