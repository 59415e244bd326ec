"""text2text-generation: a text → a text, by an encoder-decoder; summarization and translation are kinds of it.

Invariants: sources get the prefix and the language tokens that a setting, byeori.json or the checkpoint names, targets
are encoded as targets, and what is trained on is what is written from; nothing ever decodes −100.

    byeori train --task text2text-generation --model t5-small --train pairs.tsv --source question --target answer --output run
"""

from __future__ import annotations

import copy
import dataclasses
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from byeori.errors import DataError, ModelError, SettingError
from byeori.generate.decoding import Decoding, Writing, over
from byeori.tasks.base import Task
from byeori.tasks.seq2seq_settings import Call, RougeTraining
from byeori.text import language_tokens as languages
from byeori.text.store import LIST, Encoded
from byeori.text.targets import encode_targets, take_targets

if TYPE_CHECKING:
    from collections import ChainMap

    import torch

    from byeori.batches.answers import Answers
    from byeori.batches.pack import Pack
    from byeori.data.rows import Rows
    from byeori.text.encode import Encoder
    from byeori.text.store import TokenStore

SAMPLE_NEW = 48  # tokens of a sample while it trains
MANY_ROWS = 500  # from so many on, what evaluation costs is told
DOUBLED = 0.5  # the share of sources that begin with the prefix, from which it is taken to stand there already


class Seq2Seq(Task):
    name = "text2text-generation"
    summary = "a text → a text (generative question answering, correction, rewriting…)"
    auto_class = "AutoModelForSeq2SeqLM"
    roles = ("source", "target", "references")
    needed = ("source",)
    answers = ("target", "references")
    forms = (("source", "target"),)
    levels = {"labels": LIST}
    generates = True
    cut = "sources are longer than {length} tokens and were cut (--max-length and --truncation of training)"
    Training: ClassVar[type] = RougeTraining
    Call: ClassVar[type] = Call
    key = "generated"  # a prediction is {"generated_text": …}
    pair = False  # sources are single texts, which a call may say by truncation="only_first"
    one_language = False  # whether sources and targets are of one language

    def __init__(self, **values: Any):
        super().__init__(**values)
        self.tokenizer: Any = None  # the one at hand, for `decode`; never saved
        self.trained = False  # by us: then how long it writes is by its targets, not by what its checkpoint was for
        self.own_prefix: str | None = None  # the checkpoint's
        self.own_decoding: dict[str, Any] = {}  # of its task_specific_params, where it isn't trained by us
        self.seen: tuple[str | None, str | None] = (None, None)  # languages of the data
        self.shortened = self.targets = 0  # targets cut, and targets encoded, until noted
        self.said: list[str] = []  # of the model, until told

    # rows -------------------------------------------------------------------------------------------------------
    def inputs(self, given: Any) -> tuple[list[dict[str, Any]], bool]:
        """A text, {"source": …} (or {"text": …}), or a list of them."""
        single = isinstance(given, str | dict)
        rows = []
        for place, item in enumerate([given] if single else list(given), start=1):
            text = item if isinstance(item, str) else None
            if isinstance(item, dict):
                text = item.get("source", item.get("text"))
            if not isinstance(text, str):
                raise DataError(
                    f'input {place} is {type(item).__name__} {str(item)[:60]!r}: a text or {{"source": …}} is needed.'
                )
            if not text.strip():
                raise DataError(f"input {place} is empty: there is nothing to write from. Leave it out.")
            rows.append({"source": text})
        return rows, single

    def prepare(self, rows: Rows) -> None:
        self.trained = True
        self.seen = (rows.facts.get("source_lang"), rows.facts.get("target_lang"))
        self._sound(rows)

    def check(self, rows: Rows) -> None:
        self._sound(rows)
        most, hint = self.settings.eval_max_rows, "Each evaluation writes"
        if len(rows) >= MANY_ROWS and most is None and not any(note.startswith(hint) for note in rows.notes):
            rows.notes.append(
                f"{hint} all {len(rows):,} of them token by token, which can take longer than the training between two: --eval-max-rows "
                f"200 writes the first 200, --evaluate-every end does it once."
            )

    def _sound(self, rows: Rows) -> None:
        """Raises DataError for an empty source or target."""
        for role in ("source", "target"):
            for place, text in enumerate(rows.table[role][:] if role in rows.table.column_names else ()):
                if not isinstance(text, str) or not text.strip():
                    raise DataError(
                        f"{rows.origin.where(place)}: the {role} is empty. Drop such rows with --drop-empty, or fix the file."
                    )

    # ids --------------------------------------------------------------------------------------------------------
    @property
    def prefix(self) -> str:
        """What stands before each source."""
        asked = self.settings.source_prefix
        return asked if asked is not None else self.own_prefix or ""

    def encode(self, rows: dict[str, list], encoder: Encoder, labels: bool = True, call: Any | None = None) -> Encoded:
        tokenizer = self.tokenizer = encoder.tokenizer
        _, target = self.speak(tokenizer, call, labels)
        front = self.prefix
        if labels and front.strip() and rows["source"]:
            there = sum(text.startswith(front.strip()) for text in rows["source"]) / len(rows["source"])
            if there > DOUBLED:
                raise SettingError(
                    f"source_prefix={front!r}: {there:.0%} of the sources begin with it already, and would have it twice. Give "
                    f'--source-prefix "", and write it before every text you predict.'
                )
        mark = languages.marks(tokenizer).get(target or "")
        front = f"{mark} {front}" if mark else front
        encoded = encoder([front + text for text in rows["source"]])
        if labels:
            ids, lengths, cut = encode_targets(tokenizer, rows["target"], self.settings.max_target_length)
            encoded.columns |= {"labels": ids, "labels_lengths": lengths}
            self.shortened, self.targets = self.shortened + cut, self.targets + len(lengths)
        return encoded

    def label_lists(self, values: list[list[int]], tokenizer: Any) -> dict[str, np.ndarray]:
        """Labels of rows that come tokenized, as the store holds them: without −100, without padding behind the end."""
        self.tokenizer = tokenizer
        ids, lengths, cut = take_targets(self.tokenizer, values, self.settings.max_target_length)
        self.shortened, self.targets = self.shortened + cut, self.targets + len(lengths)
        return {"labels": ids, "labels_lengths": lengths}

    def notes(self, store: TokenStore) -> list[str]:
        """Targets that were cut since this was last asked."""
        cut, of = self.shortened, self.targets
        self.shortened = self.targets = 0
        if not cut:
            return []
        return [
            f"{cut:,} of {of:,} targets ({cut / of:.1%}) are longer than {self.settings.max_target_length} tokens and were cut "
            f"(--max-target-length); the model learns to end there."
        ]

    def told(self) -> list[str]:
        """Prefix, languages and what else the model brings, since this was last asked."""
        found, self.said = self.said, []
        return found

    def speak(self, tokenizer: Any, call: Any | None, both: bool) -> tuple[str | None, str | None]:
        """Set the tokenizer's languages; returns its codes of them. Raises SettingError where one it needs isn't told."""
        names = ("source_lang", "target_lang") if call is None else ("src_lang", "tgt_lang")
        own = (self.settings.source_lang, self.settings.target_lang)
        asked = [call and getattr(call, name) or ours for name, ours in zip(("src_lang", "tgt_lang"), own, strict=True)]
        if not languages.codes(tokenizer):
            return None, self._marked(tokenizer, call, asked[1], names[1])
        found = [languages.find(tokenizer, one, name) if one else None for one, name in zip(asked, names, strict=True)]
        found = [one or told for one, told in zip(found, languages.own(tokenizer), strict=True)]
        if self.one_language:
            found = [found[0] or found[1], found[1] or found[0]]
        if found[0] is None or (both and found[1] is None):
            raise languages.missing(tokenizer, names, self.seen)
        languages.speak(tokenizer, *found)
        return found[0], found[1]

    def _marked(self, tokenizer: Any, call: Any | None, target: str | None, name: str) -> str | None:
        """The language of a tokenizer that has no tokens for it, or, in a Marian of several, for the target's alone."""
        if target is not None and languages.marks(tokenizer):
            return languages.find(tokenizer, target, name)
        for asked in ("src_lang", "tgt_lang") if call is not None else ():
            given = getattr(call, asked)
            if given and not languages.is_only(tokenizer, asked, given):
                raise SettingError(
                    f"{asked}={given!r}: this model has no language tokens and knows one direction. Leave it out, or take a model of "
                    f"several languages (mBART, M2M-100, NLLB)."
                )
        return None

    # model ------------------------------------------------------------------------------------------------------
    def adopt(self, config: Any) -> None:
        """The prefix and the way of writing that the checkpoint names for this task (T5, BART)."""
        found = self.named_by(config)
        if self.own_prefix is None:
            self.own_prefix = found.get("prefix")
        self.own_decoding = {} if self.trained else found

    @property
    def task_keys(self) -> tuple[str, ...]:
        """The names a checkpoint's task_specific_params may have for this task, the closest first."""
        return (self.name,)

    def named_by(self, config: Any) -> dict[str, Any]:
        params = getattr(config, "task_specific_params", None) or {}
        return next((dict(params[key]) for key in self.task_keys if isinstance(params.get(key), dict)), {})

    def meet(self, model: Any, tokenizer: Any) -> None:
        """Take what the checkpoint names, and have a model that is trained here carry how it writes.

        Raises ModelError for one that isn't an encoder-decoder, SettingError for targets longer than its decoder takes, and
        for languages it needs and nobody says.
        """
        from byeori.tasks.seq2seq_models import meet

        self.tokenizer = tokenizer
        self.said = meet(self, model, tokenizer)

    def outputs(self, model: torch.nn.Module, pack: Pack) -> Any:
        """`nll` and `spread`, float32 with the shape of the labels: no logits, which would be vocabulary times as large."""
        from byeori.models.seq2seq import pack_losses
        from byeori.tasks.seq2seq_models import check_kind

        check_kind(model, self.name)
        smooth = bool(self.settings.label_smoothing) and model.training
        nll, spread = pack_losses(model, pack, smooth)
        return SimpleNamespace(nll=nll, spread=spread if smooth else None)

    def loss(self, outputs: Any, pack: Pack) -> torch.Tensor:
        """(sequences, longest target): cross-entropy of each target token, 0 where there is none."""
        share = self.settings.label_smoothing
        if not share or outputs.spread is None:
            return outputs.nll
        return (1 - share) * outputs.nll + share * outputs.spread

    def for_samples(self) -> Seq2Seq:
        """Greedy, and at most `SAMPLE_NEW` tokens: whole texts of many beams took a quarter of a short training."""
        found = copy.copy(self)
        most = min(SAMPLE_NEW, self.settings.max_new_tokens or SAMPLE_NEW, self.settings.max_target_length)
        own = {"max_new_tokens": most, "min_new_tokens": 0, "num_beams": 1, "length_penalty": None}
        found.settings = dataclasses.replace(self.settings, **own)
        return found

    def judging(self) -> Seq2Seq:
        if not self.settings.label_smoothing:
            return self
        found = copy.copy(self)
        found.settings = dataclasses.replace(self.settings, label_smoothing=0.0)
        return found

    # predictions ------------------------------------------------------------------------------------------------
    def decoding(self, room: int | None, call: Any | None = None) -> Decoding:
        """How a text is written: by the call, over the task's settings; the rest is the checkpoint's own (`own_decoding`).

        `room`: the most tokens the model can write. A trained model writes as long texts as its targets were.
        """
        most = min(self.settings.max_target_length, room or self.settings.max_target_length)
        return over(call, self.settings, Writing(max_new_tokens=most) if self.trained else None)

    def generate(self, model: torch.nn.Module, tokenizer: Any, pack: Pack, call: Any | None = None) -> tuple:
        """(ids int64 flat, how many a sequence): the best text, or several with −1 between them; none of a row past
        `eval_max_rows`."""
        from byeori.tasks.seq2seq_models import write

        self.tokenizer = tokenizer
        return write(self, model, tokenizer, pack, call)

    def with_ends(self, call: Any | None) -> bool:
        """Whether a call wants the start and end tokens of its texts."""
        return bool(call and call.return_tensors)

    def laid(self, texts: list[list[int]]) -> list[int]:
        """The texts of one row as `decode` takes them: −1 between them."""
        from byeori.tasks.seq2seq_models import joined

        return joined(texts)

    def way(self, model: Any, tokenizer: Any, call: Any | None) -> tuple[Decoding, dict[str, Any], dict[str, Any]]:
        """How a call's texts are written: what is asked, the checkpoint's own way, tokens that are forced."""
        from byeori.tasks.seq2seq_models import first_tokens, room

        return self.decoding(room(model, 1), call), self.own_decoding, first_tokens(self, model, tokenizer, call)

    def words(self, prompt: list[int], new: list[int], call: Any) -> str:
        """The text of new tokens."""
        clean = call.clean_up_tokenization_spaces
        said: str = self.tokenizer.decode(new, skip_special_tokens=True, clean_up_tokenization_spaces=clean)
        return said

    def most_rows(self, call: Any | None) -> float:
        """Rows of a store that are written out: all of a call, in evaluation the first ones."""
        most = self.settings.eval_max_rows
        return np.inf if call is not None or most is None else most

    def decode(self, answers: Answers, store: TokenStore, call: Any | None = None) -> list[Any]:
        """{"generated_text": …} a row, a list of them where several are asked for, as the pipelines of transformers 4 gave;
        None for a row that was not written."""
        from byeori.tasks.seq2seq_models import apart

        most, chosen = self.most_rows(call), call or type(self).Call()
        if not (chosen.return_text or chosen.return_tensors):
            raise SettingError(
                "return_text=false without return_tensors: nothing would be returned. Give return_tensors=true."
            )
        several = chosen.num_return_sequences > 1
        found: list[Any] = []
        for row in range(len(answers)):
            if row >= most:
                found.append(None)
                continue
            texts = [self._one(ids, chosen) for ids in apart(answers.of(row).tolist())]
            found.append(texts if several else texts[0])
        return found

    def _one(self, ids: list[int], call: Any) -> dict[str, Any]:
        made: dict[str, Any] = {}
        if call.return_text:
            made[f"{self.key}_text"] = self.words([], ids, call)
        if call.return_tensors:
            made[f"{self.key}_token_ids"] = ids
        return made

    def respond(self, predictions: list[Any], given: Any, single: bool, asked: ChainMap[str, Any]) -> Any:
        """As transformers 4 has it: a list of texts is answered by a flat list where each gets one, else by a list an input."""
        if isinstance(given, list):
            return predictions
        found = [one if isinstance(one, list) else [one] for one in predictions]
        return found[0] if single else found

    def predictions(self, answers: Answers, store: TokenStore) -> list[str | None]:
        """The best text of each row; None for one that was not written (`eval_max_rows`)."""
        return [None if one is None else one[f"{self.key}_text"] for one in self.decode(answers, store)]

    def scored_again(self, lines: list[dict[str, Any]]) -> tuple[list[str | None], list]:
        said = [one["prediction"] and one["prediction"][f"{self.key}_text"] for one in lines]
        return said, [one["reference"] for one in lines]

    def references(self, rows: Any) -> list[str | list[str]]:
        """The target of each row, or all its references where there are several."""
        if "target" not in rows.column_names:  # tokenized already
            return [self._text(ids) for ids in rows["label"][:]]
        targets = rows["target"][:]
        if "references" not in rows.column_names:
            return targets
        return [list(several) or one for several, one in zip(rows["references"][:], targets, strict=True)]

    def right_answer(self, row: dict[str, Any]) -> Any:
        found = super().right_answer(row)
        return self._text(row["label"]) if found is None and row.get("label") is not None else found

    def _text(self, ids: list[int]) -> str:
        """Token ids with or without −100 → a text."""
        return self.tokenizer.decode([one for one in ids if one >= 0], skip_special_tokens=True)

    def score(self, predictions: Any, references: Any, resamples: int = 0, seed: int = 0) -> dict[str, Any]:
        pairs = [(one, right) for one, right in zip(predictions, references, strict=True) if one is not None]
        written = [one if isinstance(one, str) else one[0] for one, _ in pairs]
        return self.scores(written, [right for _, right in pairs], resamples, seed)

    def scores(self, written: list[str], references: list, resamples: int, seed: int) -> dict[str, Any]:
        """ROUGE, and the share of texts that are one of their references."""
        from byeori.metrics.intervals import Ratios, scored
        from byeori.metrics.rouge import rouge_scores

        found = rouge_scores(written, references, unit=self.settings.rouge_unit, resamples=resamples, seed=seed)
        same = np.array([
            " ".join(one.split()) in {" ".join(text.split()) for text in ([right] if isinstance(right, str) else right)}
            for one, right in zip(written, references, strict=True)
        ])  # fmt: skip
        exact = scored(Ratios({"exact_match": (same, np.ones(len(same)))}), len(same), resamples=resamples, seed=seed)
        return {**found, **exact}

    def baseline(self, kind: str, train: Rows, rows: Rows, seed: int) -> Any:
        """trivial: a copy of the source; linear: the target of the most similar training source. Of the rows that the model
        writes (`eval_max_rows`)."""
        if "source" not in rows.table.column_names:  # tokenized already
            return None
        written = self.without_model(
            kind, train, rows.table["source"][: int(min(len(rows), self.most_rows(None)))], seed
        )
        return None if written is None else [*written, *[None] * (len(rows) - len(written))]

    def without_model(self, kind: str, train: Rows, sources: list[str], seed: int) -> list[str] | None:
        """What a baseline writes for these sources; None where there is no such baseline."""
        from byeori.metrics.text_baselines import nearest

        return (
            sources if kind == "trivial" else nearest(train.table["source"][:], train.table["target"][:], sources, seed)
        )

    @property
    def best(self) -> str:
        return "rougeL"

    def show(self, row: dict[str, Any], prediction: Any, reference: Any = None) -> dict[str, Any]:
        """Source, what was written, the target; right only where they are equal, else nobody can say."""
        first = prediction[0] if isinstance(prediction, list) else prediction
        text = None if first is None else first.get(f"{self.key}_text")
        right = reference[0] if isinstance(reference, list) else reference
        shown = {"source": row.get("source", row.get("text"))}
        same = True if text is not None and text == right else None
        return {"kind": "text", "inputs": shown, "prediction": text, "reference": right, "right": same}

    # saving -----------------------------------------------------------------------------------------------------
    def state(self) -> dict[str, Any]:
        own = dataclasses.asdict(self.settings)
        own.pop("eval_max_rows")  # of this training, not of the model
        return {"settings": own, "prefix": self.prefix, "trained": self.trained}

    def restore(self, state: dict[str, Any]) -> None:
        self.own_prefix, self.trained = state["prefix"], state["trained"]
        if not isinstance(self.own_prefix, str):
            raise ModelError("byeori.json: the prefix of its sources is no text. The file is damaged.")
