"""question-answering: a question and a context → the span of the context that answers it, or none.

Long contexts are cut into windows that overlap; a window without the answer is taught to say so, and a question is answered
by the best span of all its windows. Rows without an answer (SQuAD 2, KLUE-MRC) make a model that may answer "": where its
score for that beats its best span's by more than a threshold, tuned on the validation rows.

    byeori train --task question-answering --model klue/roberta-base --train klue-mrc-v1.1_train.json --output run
"""

from __future__ import annotations

import dataclasses
from collections import ChainMap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from byeori.data.wording import count, short
from byeori.errors import DataError, SettingError
from byeori.settings import setting
from byeori.tasks.base import Row, Task
from byeori.tasks.label_names import config_of
from byeori.tasks.questions import asked, first_answer
from byeori.tasks.shown import around
from byeori.tasks.spans import NO_SPAN, Spans
from byeori.text.store import SEQUENCE, Encoded
from byeori.text.windows import LEVELS, Cut, null_places, windows

if TYPE_CHECKING:
    import torch

    from byeori.batches.answers import Answers
    from byeori.batches.pack import Pack
    from byeori.data.cleaning import Cleaner
    from byeori.data.rows import Rows
    from byeori.text.encode import Encoder
    from byeori.text.store import TokenStore

LONGEST = 15  # tokens of an answer, where a model that was trained elsewhere is asked: transformers 4's pipeline
TUNED_ON = 2_000  # training rows that choose between two trivial baselines, and fit the other's threshold
FEW_TITLES = 10  # articles below which only the questions of one context stay together in a split
CHUNK = 1_000


@dataclass(kw_only=True)
class Training:
    """What only question answering knows in training."""

    stride: int | None = setting(
        None, "tokens of context that two neighbouring windows share; min(128, max_length // 4) if not given", least=0,
        scores=True,
    )  # fmt: skip
    max_question_length: int | None = setting(
        None, "tokens of a question that are kept; min(64, max_length // 2) if not given", least=1
    )
    max_answer_length: int = setting(30, "most tokens of an answer", least=1, scores=True)
    null_score_diff_threshold: float | None = setting(
        None,
        "no answer is given where its score beats the best answer's by more; tuned on validation if not given",
        scores=True,
    )


@dataclass(kw_only=True)
class Call:
    """What a call may ask for."""

    top_k: int = setting(1, "how many answers to return, the best first", least=1)
    topk: int | None = setting(None, "top_k, by its old name", least=1)
    handle_impossible_answer: bool | None = setting(
        None, "whether no answer may be the answer; as trained here, else false, if not given"
    )
    null_score_diff_threshold: float | None = setting(
        None, "no answer is given where its score beats the best answer's by more; as tuned, else 0, if not given"
    )
    max_answer_len: int | None = setting(None, "most tokens of an answer; that of training, else 15", least=1)
    max_question_len: int | None = setting(None, "tokens of a question that are kept; as in training", least=1)
    max_seq_len: int | None = setting(None, "tokens of a window, question included; the model's length", least=3)
    doc_stride: int | None = setting(None, "tokens of context that neighbouring windows share; as in training", least=0)
    stride: int | None = setting(None, "doc_stride, by the name it has in training", least=0)
    align_to_words: bool | None = setting(
        None, "whether answers grow to whole words; false for models trained here, whose labels are exact, else true"
    )


class QuestionAnswering(Task):
    name = "question-answering"
    summary = "a question and a context → the answer that stands in the context, or none"
    auto_class = "AutoModelForQuestionAnswering"
    roles = ("question", "context", "answers", "id", "title")
    needed = ("question", "context")
    answers = ("answers",)
    forms = (("question", "context", "answers"),)
    levels = {"labels": SEQUENCE, **LEVELS}
    apart = True
    positional = ("context",)
    cut = "questions are longer than --max-question-length and were cut"
    Training = Training
    Call = Call

    def __init__(self, **values: Any):
        super().__init__(**values)
        self.learnt = False  # whether it is known what the training rows were
        self.elsewhere = False  # trained by other tools: asked as transformers 4's pipeline did
        self.impossible = False  # whether some training questions have no answer
        self.threshold: float | None = None  # as tuned

    # rows -------------------------------------------------------------------------------------------------------
    def inputs(self, given: Any) -> tuple[list[dict[str, Any]], bool]:
        """{"question", "context"}, one of lists of both (or of one context), a (question, context) tuple, or a list of these.

        Other keys of SQuAD's rows are left; SquadExample objects are taken too.
        """
        return asked(given)

    def prepare(self, rows: Rows) -> None:
        empty = self._check(rows)
        self.learnt, self.elsewhere, self.impossible = True, False, bool(empty)
        spaced = [max((len(text.split()) for text in one["text"]), default=0) for one in rows.table["answers"][:]]
        long = sum(words > self.settings.max_answer_length for words in spaced)
        if long:
            rows.notes.append(
                f"{count(long, 'answer')} of {len(rows):,} have more than {self.settings.max_answer_length} words, so they can't be "
                f"found whole: raise --max-answer-length (tokens), up to {max(spaced)} words here."
            )

    def adopt(self, config: Any) -> None:
        self.elsewhere = not self.learnt

    def check(self, rows: Rows) -> None:
        """Answers that are missing or don't stand at their offset raise DataError."""
        empty = self._check(rows)
        if empty and self.learnt and not self.impossible:
            rows.notes.append(
                f"{count(empty, 'question')} of {len(rows):,} have no answer, and training had none such: the model always answers."
            )

    def _check(self, rows: Rows) -> int:
        """How many questions have no answer. Raises DataError."""
        if "answers" not in rows.table.column_names:
            raise DataError(
                f"{rows.origin.where(0)}: there is no column of answers. Name it with --answers, as "
                f'{{"text": […], "answer_start": […]}}.'
            )
        empty = 0
        for first, batch in _batches(rows):
            for place, (context, answers) in enumerate(
                zip(batch["context"], batch["answers"], strict=True), start=first
            ):
                if place not in rows.errors:
                    empty += first_answer(answers, context, partial(rows.origin.where, place)) is None
        return empty

    def groups(self, rows: Rows) -> np.ndarray:
        """Rows that must stay on one side of a split, int64 (rows,): those of an article, else of a context."""
        titles = rows.table["title"][:] if "title" in rows.table.column_names else []
        articles = len({title for title in titles if title}) >= FEW_TITLES
        numbers: dict[Any, int] = {}
        found = np.zeros(len(rows), np.int64)
        for first, batch in _batches(rows):
            for place, context in enumerate(batch["context"], start=first):
                key = titles[place] if articles and titles[place] else hash(context)  # contexts may be whole pages
                found[place] = numbers.setdefault(key, len(numbers))
        return found

    # ids --------------------------------------------------------------------------------------------------------
    def encode(self, rows: dict[str, list], encoder: Encoder, labels: bool = True, call: Any | None = None) -> Encoded:
        """Windows; labels int64 (windows, 2) are the first and last token of the answer, both [CLS] where it isn't."""
        questions, contexts = ([text or "" for text in rows[role]] for role in self.needed)
        spans = None
        if labels:
            said = [partial('the question "{}"'.format, short(question)) for question in questions]
            spans = [first_answer(*row) for row in zip(rows["answers"], contexts, said, strict=True)]
        return windows(encoder, questions, contexts, self._cut(encoder, call or Call()), spans)

    def _cut(self, encoder: Encoder, call: Any) -> Cut:
        most = call.max_seq_len or encoder.max_length
        if most > encoder.max_length:
            raise SettingError(
                f"max_seq_len={most}: this model's windows have {encoder.max_length} tokens. Give {encoder.max_length} or less, or a "
                f"larger max_length where the model is loaded."
            )
        # The training's own stride and limit were made for its own length.
        own = self.settings if call.max_seq_len is None else Training()
        stride = call.doc_stride if call.doc_stride is not None else own.stride
        question = call.max_question_len or own.max_question_length
        # transformers 4 put the context first where the tokenizer pads on the left, in training as in the pipeline.
        return Cut(most, stride, question, not self.elsewhere or encoder.tokenizer.padding_side == "right")

    def call_settings(self, values: dict[str, Any]) -> Any:
        call = super().call_settings(values)
        for old, name in (("topk", "top_k"), ("stride", "doc_stride")):
            given = getattr(call, old)
            if given is None:
                continue
            if name in values and getattr(call, name) != given:
                raise SettingError(
                    f"{self.name}: {old}={given} and {name}={getattr(call, name)} are the same setting. Give one."
                )
            call = dataclasses.replace(call, **{name: given, old: None})
        return call

    # model ------------------------------------------------------------------------------------------------------
    def config(self) -> dict[str, Any]:
        """Two outputs, start and end, whatever the checkpoint's old head had; the names are transformers' own for two."""
        return config_of(["LABEL_0", "LABEL_1"])

    def outputs(self, model: torch.nn.Module, pack: Pack) -> Any:
        """logits (tokens of the pack, 2): start and end."""
        from byeori.models.outside import token_logits

        return SimpleNamespace(logits=token_logits(model, pack))

    def loss(self, outputs: Any, pack: Pack) -> torch.Tensor:
        """(windows,): the mean of start's and end's cross-entropy over the tokens of the window itself."""
        import torch
        from torch.nn import functional as F

        starts, lengths = pack.layout.starts, pack.layout.lengths
        places = torch.arange(pack.layout.max_length, device=starts.device)
        index = (starts[:, None] + places).clamp(max=pack.computed - 1)
        outside = (places >= lengths[:, None])[..., None]
        logits = outputs.logits[index].float().masked_fill(outside, -torch.inf)  # (windows, longest, 2)
        return F.cross_entropy(logits, pack.labels, reduction="none").mean(-1)

    # predictions ------------------------------------------------------------------------------------------------
    def gather(self, outputs: Any, pack: Pack, call: Any | None = None) -> tuple[torch.Tensor, np.ndarray | None]:
        """Start and end logits of each window's own tokens, float32 (tokens, 2)."""
        from byeori.batches.answers import spread
        from byeori.models.outside import beside, single

        return single(outputs.logits[beside(spread(pack.starts, pack.lengths), outputs.logits)]), pack.lengths

    def decode(self, answers: Answers, store: TokenStore, call: Any | None = None) -> list[Any]:
        """{"score", "start", "end", "answer"} a row, a list of them for a top_k above 1; "" at 0 is no answer."""
        call = call or Call()
        may_be_none = self.impossible if call.handle_impossible_answer is None else call.handle_impossible_answer
        threshold = self._threshold if call.null_score_diff_threshold is None else call.null_score_diff_threshold
        found = []
        for row in range(len(store)):
            spans = self._spans(answers, store, row, call, may_be_none)
            best: list[dict[str, Any]] = spans.best(call.top_k)
            if may_be_none or not best:
                null = {"score": spans.null, "start": 0, "end": 0, "answer": ""}
                beaten = sum(one["score"] >= spans.null for one in best)
                none = not best or spans.no_answer > threshold
                best.insert(0 if none else max(1, beaten), null)
            best = best[: call.top_k]
            found.append(best[0] if len(best) == 1 else best)
        return found

    def given_back(self, prediction: Any, row: Row, given: Row, cleaner: Cleaner, call: Any | None = None) -> Any:
        """Answers with their characters in the context as it was given."""
        if isinstance(prediction, list):
            return [self.given_back(one, row, given, cleaner, call) for one in prediction]
        if not prediction["answer"] or row["context"] == given["context"]:
            return prediction
        start, end = cleaner.align(given["context"])[1].back(prediction["start"], prediction["end"])
        return {**prediction, "start": start, "end": end, "answer": given["context"][start:end]}

    def _spans(self, answers: Answers, store: TokenStore, row: int, call: Any, none: bool = True) -> Spans:
        longest = call.max_answer_len or (LONGEST if self.elsewhere else self.settings.max_answer_length)
        align = self.elsewhere if call.align_to_words is None else call.align_to_words
        return Spans(answers, store, row, longest, align, none)

    @property
    def _threshold(self) -> float:
        asked = self.settings.null_score_diff_threshold
        return asked if asked is not None else self.threshold or 0.0

    def _read(self, answers: Answers, store: TokenStore) -> tuple[list[str], np.ndarray]:
        """Each question's best answer, had it one, and how much it looks like one without (logits, float64).

        Whoever trained the model: right answers are exact spans, and not the pipeline's, grown to words, of at most 15 tokens.
        """
        exact = Call(align_to_words=False, max_answer_len=self.settings.max_answer_length)
        texts, likeness = [], np.zeros(len(store))
        for row in range(len(store)):
            spans = self._spans(answers, store, row, exact)
            best = spans.best(1)
            texts.append(str(best[0]["answer"]) if best else "")
            likeness[row] = spans.no_answer if best else -NO_SPAN
        return texts, likeness

    def predictions(self, answers: Answers, store: TokenStore) -> list[str]:
        """An answer a question, "" for none: by the threshold where one is asked for, or training or these rows have such questions."""
        texts, likeness = self._read(answers, store)
        asked = self.settings.null_score_diff_threshold is not None
        if not asked and not self.impossible and (self.learnt or not _unanswered(store)):
            return texts
        return ["" if score > self._threshold else text for text, score in zip(texts, likeness, strict=True)]

    def tune(self, answers: Answers, store: TokenStore, references: Any) -> None:
        """Choose the threshold of no answer by the F1 of these (validation) rows; nothing where training had no such rows.

        It stays 0 unless the best one gains more than a standard error of the paired difference: on a few hundred questions the
        best of all thresholds is mostly theirs alone (the rule of one standard error, Breiman et al., 1984).
        """
        from byeori.metrics.answers import AnswerScore, best_threshold

        if not self.impossible or self.settings.null_score_diff_threshold is not None:
            return
        texts, likeness = self._read(answers, store)
        found = best_threshold(texts, references, likeness.tolist())["f1"]["threshold"]
        score = AnswerScore(texts, references)
        answered = (likeness <= found).astype(float) - (likeness <= 0)
        gained = answered * (score.f1 - ~score.answerable)  # of each question
        if gained.mean() <= gained.std() / np.sqrt(len(gained)):
            self.threshold = 0.0
            return
        # Halfway to the next question: another pack's rounding must not move one across.
        kept, dropped = likeness[likeness <= found], likeness[likeness > found]
        low = kept.max() if len(kept) else dropped.min() - 2.0
        high = dropped.min() if len(dropped) else kept.max() + 2.0
        self.threshold = float((low + high) / 2)

    def respond(self, predictions: list[Any], given: Any, single: bool, asked: ChainMap[str, Any]) -> Any:
        """As transformers 4 has it: a list of one question is answered as the question alone."""
        return predictions[0] if single or (isinstance(given, list) and len(predictions) == 1) else predictions

    def kept(self, prediction: Any, reference: Any) -> str:
        return prediction  # what was asked by a threshold, or of a page, may be another text than a call gives

    def scored_again(self, lines: list[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
        return [one["kept"] for one in lines], [one["reference"] for one in lines]

    def references(self, rows: Any) -> list[list[str]]:
        """The right answers of each question, [] for none."""
        return [list(one["text"]) if one else [] for one in rows["answers"][:]]

    def score(self, predictions: Any, references: Any, resamples: int = 0, seed: int = 0) -> dict[str, Any]:
        """Exact match and F1, of words (SQuAD) or syllables where the answers are Korean (KorQuAD)."""
        from byeori.metrics.answers import answer_scores

        said = [one if isinstance(one, str) else next(iter(one), "") for one in predictions]
        return answer_scores(said, references, resamples=resamples, seed=seed)

    def baseline(self, kind: str, train: Rows, rows: Rows, seed: int) -> list[str]:
        """trivial: no answer, or the context's first sentence, by F1 on training rows; linear: the sentence most like the
        question (TF-IDF), and no answer where it is less like it than a threshold fitted on training rows."""
        from byeori.metrics import sentences
        from byeori.metrics.answers import best_threshold

        some = np.random.default_rng(seed).permutation(len(train))[:TUNED_ON]
        known = train.table.select(np.sort(some))
        right = self.references(known)
        if kind == "trivial":
            read = self.score(sentences.first(known["context"][:]), right)["f1"]["value"]
            silent = self.score([""] * len(known), right)["f1"]["value"]
            return [""] * len(rows) if silent > read else sentences.first(rows.table["context"][:])
        said, likeness = sentences.closest(rows.table["question"][:], rows.table["context"][:])
        if all(right):
            return said
        tried, near = sentences.closest(known["question"][:], known["context"][:])
        threshold = best_threshold(tried, right, (-near).tolist())["f1"]["threshold"]
        return ["" if -score > threshold else text for text, score in zip(said, likeness, strict=True)]

    @property
    def best(self) -> str:
        return "f1"

    # people -----------------------------------------------------------------------------------------------------
    def named(self, value: Any) -> Any:
        """An answer as it is; right answers without their copies."""
        return value if isinstance(value, str) else list(dict.fromkeys(value))

    def right_answer(self, row: dict[str, Any]) -> list[str] | None:
        return self.named(row["answers"]["text"]) if row.get("answers") is not None else None

    def show(self, row: dict[str, Any], prediction: Any, reference: Any = None) -> dict[str, Any]:
        """Question, a piece of context around the prediction (around the right answer where none is given), prediction with its
        score, answers, exact match or not; where in that piece both stand."""
        from byeori.metrics.answers import AnswerScore

        best = prediction[0] if isinstance(prediction, list) else prediction
        piece, spans = around(row, best, reference)
        right = None if reference is None else bool(AnswerScore([best["answer"]], [list(reference)]).exact[0])
        return {"kind": "answer", "inputs": {"question": row["question"], "context": piece}, "prediction": best["answer"],
                "score": round(best["score"], 4), "reference": reference, "right": right, "spans": spans}  # fmt: skip

    # saving -----------------------------------------------------------------------------------------------------
    def state(self) -> dict[str, Any]:
        return {**super().state(), "impossible": self.impossible, "threshold": self.threshold}

    def restore(self, state: dict[str, Any]) -> None:
        self.learnt, self.impossible, self.threshold = True, bool(state["impossible"]), state["threshold"]


def _batches(rows: Rows) -> Iterator[tuple[int, dict[str, list]]]:
    """(first row, columns) a few rows at a time: contexts may be long."""
    for first in range(0, len(rows), CHUNK):
        yield first, rows.table[first : first + CHUNK]


def _unanswered(store: TokenStore) -> bool:
    """Whether the labels of some row say in all its windows that there is no answer."""
    if "labels" not in store.columns:
        return False
    none = (np.asarray(store.columns["labels"]) == null_places(store.columns["no_answer"])[:, None]).all(1)
    return bool(np.logical_and.reduceat(none, np.asarray(store.row_offsets[:-1])).any()) if len(none) else False
