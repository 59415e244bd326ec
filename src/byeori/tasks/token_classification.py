"""token-classification (ner): a text → its entities with their characters, or a tag for each word (parts of speech).

What is tagged in the file is the unit: words, whose tag goes to their first token (the others count for nothing), or
characters, whose tags go to the token that begins there. Entities are learnt as BIO whatever the file's scheme
(`byeori.tasks.tag_schemes`); tags without B- and I- are parts of speech or the like, and are scored by accuracy.

    byeori train --task token-classification --model klue/roberta-base --train klue-ner-v1.1_train.tsv --output run
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from byeori.errors import DataError
from byeori.metrics.entities import spans
from byeori.tasks import aggregation, tag_schemes, tagged
from byeori.tasks.base import Row, Task
from byeori.tasks.label_names import config_of, names_in
from byeori.tasks.probabilities import softmax
from byeori.tasks.tag_schemes import OUTSIDE, Parts, Scheme, labels_for, of_labels, recognise, slips, to_bio
from byeori.text.align import align, encode_whole
from byeori.text.blocks import IGNORED
from byeori.text.store import TOKEN, Encoded

if TYPE_CHECKING:
    import torch

    from byeori.batches.answers import Answers
    from byeori.batches.pack import Pack
    from byeori.data.cleaning import Cleaner
    from byeori.data.rows import Rows
    from byeori.tasks.tagged import Tagged
    from byeori.text.align import Alignment
    from byeori.text.encode import Encoder
    from byeori.text.store import TokenStore

WORD, CHARACTER = "word", "character"


class TokenClassification(Task):
    name = "token-classification"
    aliases = ("ner",)
    summary = "a text → its entities (who, where, when…), or a tag for each word"
    auto_class = "AutoModelForTokenClassification"
    roles = ("tokens", "tags", "text", "entities")
    needed = ()  # text, or tokens: `encode` says it where both lack
    answers = ("tags", "entities")
    forms = (("tokens", "tags", "text"), ("tokens", "tags"), ("text", "entities"))
    levels = {"labels": TOKEN, "starts": TOKEN, "ends": TOKEN}
    Call = aggregation.Call

    def __init__(self, labels: list[str] | None = None, **values: Any):
        super().__init__(**values)
        self.labels = [str(label) for label in labels] if labels is not None else None
        self.unit: str | None = None  # what carries a tag, "word" or "character"; None until a file shows it
        self.trained_here = False
        self.commonest: str | None = None  # of bare tags: what a word gets that no token stands for
        self.tokenizer: Any = None  # the one at hand, which spells entities; never saved

    # rows -------------------------------------------------------------------------------------------------------
    def inputs(self, given: Any, call: Any | None = None) -> tuple[list[dict[str, Any]], bool]:
        """A text, a list of words (`is_split_into_words`), a dict with text or tokens, or a list of them."""
        return tagged.inputs(given, call is not None and call.is_split_into_words)

    def prepare(self, rows: Rows) -> None:
        if "input_ids" in rows.table.column_names:
            raise DataError(
                f"{rows.origin.where(0)}: these rows are tokenized already, so words and their tags can't be told any more. Give the "
                f"rows as they were before: tokens and tags, or text and entities."
            )
        self.unit = self._unit_of(rows)
        self._tell_unplaced(rows)
        given, tags = self.labels or rows.label_names, _tags(rows)
        if tags is None:
            given_spans = rows.table["entities"][:]
            types = sorted({one["label"] for row in given_spans for one in row})
            if not types:
                raise DataError(f"{rows.origin.where(0)}: none of these {len(rows):,} rows has an entity to learn.")
            scheme = Scheme("BIO", tuple(types))
            rows.notes.append(f"Entities of {len(types)} types ({', '.join(types[:12])}), learnt as BIO.")
            if lost := tagged.overlapping(given_spans):
                rows.notes.append(f"{lost:,} entities overlap an earlier or longer one, and are left out.")
        else:
            scheme = recognise(tags, rows.origin.where)
            rows.notes.append(
                f"The tags are {scheme.said}" + ("." if scheme.bare or scheme.name == "BIO" else "; learnt as BIO.")
            )
            rows.notes += slips(tags, scheme, rows.origin.where)
        self.labels = labels_for(scheme, given)
        self.trained_here = True
        self.commonest = tagged.commonest(tags) if scheme.bare and tags is not None else None

    def _unit_of(self, rows: Rows) -> str:
        """Raises DataError where the model was trained on the other one."""
        from byeori.data.tokens import unit

        if "tokens" not in rows.table.column_names:
            found = CHARACTER
        else:
            found = rows.facts.get("unit") or unit(rows.table[: min(len(rows), 1_000)]["tokens"])
        if self.trained_here and self.unit not in (None, found):
            raise DataError(
                f"{rows.origin.where(0)}: the model was trained on tags of {self.unit}s, and these are tags of {found}s. Give rows "
                f"tagged as those of training."
            )
        return found

    @property
    def prepared(self) -> bool:
        return self.labels is not None

    def check(self, rows: Rows) -> None:
        """Tags that training lacks count as wrong, and are told; DataError where most are such."""
        unit, tags, scheme = self._unit_of(rows), _tags(rows), self.scheme
        self.unit = self.unit if self.trained_here else unit
        if tags is not None and any(tag != OUTSIDE for row in tags for tag in row):
            theirs = recognise(tags, rows.origin.where)
            if theirs.bare != scheme.bare:
                raise DataError(
                    f"{rows.origin.where(0)}: the tags are {theirs.said}, the model's are {scheme.said}. Name the column of the tags "
                    f"with --tags, or give rows tagged as those of training."
                )
        self._tell_unplaced(rows)
        types = set(scheme.types)
        seen = [kind for one in self._read(rows.table[:]) for kind in one.kinds(scheme.bare)]
        unknown = [kind for kind in seen if kind not in types]
        if not unknown:
            return
        names = list(dict.fromkeys(unknown))
        if 2 * len(unknown) > len(seen):
            raise DataError(
                f"{rows.origin.where(0)}: most tags here are none the model knows ({', '.join(names[:6])}; it knows "
                f"{', '.join(scheme.types[:12])}). Name the column of the tags with --tags, or give rows tagged as those of training."
            )
        rows.notes.append(
            f"{len(unknown):,} of {len(seen):,} {'words' if scheme.bare else 'entities'} have a tag that training lacks "
            f"({', '.join(names[:6])}); they can't be found, and count as missed."
        )

    def _tell_unplaced(self, rows: Rows) -> None:
        if number := tagged.unplaced(rows.table[:]):
            rows.notes.append(
                f"The tokens of {number:,} of {len(rows):,} rows don't stand in their text one after the other; these tokens are "
                f"joined, and offsets refer to that."
            )

    def groups(self, rows: Rows) -> np.ndarray | None:
        """Equal sentences stay on one side of a split."""
        if "tokens" not in rows.table.column_names:
            return super().groups(rows)
        return np.unique(["\0".join(words) for words in rows.table["tokens"][:]], return_inverse=True)[1]

    def adopt(self, config: Any) -> None:
        self.labels = names_in(config)

    @property
    def scheme(self) -> Scheme:
        """How the labels are written."""
        return of_labels(self.labels or [])

    def count_labels(self, values: np.ndarray) -> dict[str, int] | None:
        names = self.labels or []
        counts = np.bincount(values[values != IGNORED], minlength=len(names))
        return {name: int(count) for name, count in zip(names, counts, strict=True)}

    # ids --------------------------------------------------------------------------------------------------------
    def meet(self, model: Any, tokenizer: Any) -> None:
        self.tokenizer = tokenizer

    def _read(self, rows: dict[str, list]) -> list[Tagged]:
        """Rows by role → their texts with units and tags, entities as BIO."""
        scheme = self.scheme
        parts = None if scheme.bare else Parts(set(scheme.types))
        found = tagged.read(rows, self.unit or WORD)
        return found if parts is None else [one.tagged(to_bio(one.tags, parts)) for one in found]

    def encode(self, rows: dict[str, list], encoder: Encoder, labels: bool = True, call: Any | None = None) -> Encoded:
        """`labels` int64 (tokens,): −100 where nothing is learnt; `starts`, `ends`: characters of the text, −1 of special tokens."""
        self.tokenizer = encoder.tokenizer
        found = self._read(rows) if labels else []
        texts = [one.text for one in found] if labels else tagged.texts(rows, self.unit, call and call.delimiter)
        pieces = encode_whole(encoder, texts)
        fitted = pieces.fitted(encoder.max_length, encoder.truncation, call and call.stride)
        columns = {"labels": self._labels_of(found, pieces)} if labels else {}
        return fitted.encoded(pieces, encoder.token_types, **columns)

    def _labels_of(self, rows: Sequence[Tagged], pieces: Any) -> np.ndarray:
        """A label id a token: that of the unit it is the first token of; of characters the others continue it.

        Of a model that writes its labels in another way, the tokens that have one are written so, text by text.
        """
        units, scheme = tagged.units(rows), self.scheme
        met = align(units, pieces.starts, pieces.ends, pieces.lengths)
        own = scheme.bare or scheme.is_ours
        names = (self.labels or []) if own else tag_schemes.bio_labels(scheme.types)
        numbers = {name: number for number, name in enumerate(names)}
        of_unit = np.fromiter((numbers.get(tag, IGNORED) for one in rows for tag in one.tags), np.int64)
        found = np.full(len(pieces.ids), IGNORED, np.int64)
        found[met.first] = of_unit[met.unit[met.first]]
        if self.unit == CHARACTER:
            rest = (met.unit >= 0) & ~met.first
            theirs = of_unit[met.unit[rest]]
            found[rest] = theirs if scheme.bare else tag_schemes.continued(theirs, names)
        if own:
            return found
        ids, last = {name: number for number, name in enumerate(self.labels or [])}, 0
        for length in pieces.lengths.tolist():
            first, last = last, last + length
            at = first + np.flatnonzero(found[first:last] != IGNORED)
            found[at] = [ids.get(tag, IGNORED) for tag in scheme.write([names[number] for number in found[at]])]
        return found

    def notes(self, store: TokenStore) -> list[str]:
        """What of labelled rows can't be learnt or found: units without a token, entities that don't end where tokens do."""
        rows = self._read(_rows(store))
        units = tagged.units(rows)
        met = align(units, store.columns["starts"], store.columns["ends"], np.diff(store.offsets))
        found = []
        if lost := int((met.covered < 0).sum()):
            found.append(
                f"{lost:,} of {len(met.covered):,} {self.unit}s have no token that stands for them, most since their text was cut; "
                f"they count as missed."
            )
        if self.unit == CHARACTER and not self.scheme.bare:
            labels = np.asarray(store.columns["labels"])
            outside = len(self.labels or [])  # as `_tags_of` has it: a checkpoint may have no "O" of its own
            said = self._tags_of(np.where(labels < 0, outside, labels), units.lengths, met)
            right = [spans(one.tags) for one in rows]
            if lost := sum(len(set(b) - set(spans(tags))) for tags, b in zip(said, right, strict=True)):
                found.append(
                    f"{lost:,} of {sum(map(len, right)):,} entities begin or end inside a token of this tokenizer (or were cut off): no "
                    f"model over it can find them."
                )
        return found

    # model ------------------------------------------------------------------------------------------------------
    def config(self) -> dict[str, Any]:
        return config_of(self.labels or ["LABEL_0"])

    def outputs(self, model: torch.nn.Module, pack: Pack) -> Any:
        from byeori.models.outside import token_logits

        return SimpleNamespace(logits=token_logits(model, pack))

    def loss(self, outputs: Any, pack: Pack) -> torch.Tensor:
        """(tokens,): cross-entropy, 0 where the label is −100."""
        from torch.nn import functional as F

        return F.cross_entropy(outputs.logits.float(), pack.labels, reduction="none", ignore_index=IGNORED)

    # predictions ------------------------------------------------------------------------------------------------
    def gather(self, outputs: Any, pack: Pack, call: Any | None = None) -> tuple[torch.Tensor, np.ndarray | None]:
        """The logits of every real token, (tokens, labels)."""
        from byeori.batches.answers import spread
        from byeori.models.outside import beside

        return outputs.logits[beside(spread(pack.starts, pack.lengths), outputs.logits)], pack.lengths

    def call_settings(self, values: dict[str, Any]) -> aggregation.Call:
        call = super().call_settings(values)
        return aggregation.checked(call, self._strategy(call), self.name)

    def _strategy(self, call: aggregation.Call) -> str:
        """transformers' default for models of others; for ours what was taught: the first token of a word, every character."""
        ours = "word" if self.scheme.bare else "simple" if self.unit == CHARACTER else "first"
        return call.aggregation_strategy or (ours if self.trained_here else "none")

    def decode(self, answers: Answers, store: TokenStore, call: Any | None = None) -> list[Any]:
        call = call if call is not None else self.call_settings({})
        strategy, names = self._strategy(call), self.labels or []
        starts, ends = store.columns["starts"], store.columns["ends"]
        # A row's own words are those that were taught and are evaluated; what others would take for words is asked for by name.
        own = self.trained_here and self.unit == WORD and call.aggregation_strategy is None
        found = []
        for row, (text, words) in enumerate(tagged.placed(_rows(store), self.unit, call.delimiter)):
            windows = range(int(store.row_offsets[row]), int(store.row_offsets[row + 1]))
            if own and words is not None:
                bounds = store.offsets[windows.start : windows.stop + 1]
                of_row = slice(int(bounds[0]), int(bounds[-1]))
                given = starts[of_row], ends[of_row], np.diff(bounds), np.asarray(answers.values[of_row])
                found.append(aggregation.of_words(text, words, *given, names, strategy, call.ignore_labels))
                continue
            entities: list[dict[str, Any]] = []
            for sequence in windows:
                first, last = int(store.offsets[sequence]), int(store.offsets[sequence + 1])
                index = np.flatnonzero(starts[first:last] >= 0)
                scores = softmax(np.asarray(answers.of(sequence), np.float32)[index])
                at = first + index
                tokens = aggregation.Tokens(text, store.input_ids[at], starts[at], ends[at], index, scores)
                entities += aggregation.entities(tokens, strategy, names, self.tokenizer, call.ignore_labels)
            found.append(aggregation.merged(entities) if len(windows) > 1 else entities)
        return found

    def given_back(self, prediction: Any, row: Row, given: Row, cleaner: Cleaner, call: Any | None = None) -> Any:
        """Entities with their characters in the text as it was given, or in its words as they were."""
        text, raw, alignment = tagged.aligned(row, given, cleaner, self.unit, call and call.delimiter)
        found = []
        for one in prediction:
            if one.get("start") is None or one.get("end") is None:
                found.append(one)
                continue
            start, end = alignment.back(one["start"], one["end"])
            word = raw[start:end] if one["word"] == text[one["start"] : one["end"]] else one["word"]
            found.append({**one, "word": word, "start": start, "end": end})
        return found

    def predictions(self, answers: Answers, store: TokenStore) -> list[list[str]]:
        """A tag a unit for each row, entities as BIO; of characters spaces are left out, as KLUE does.

        What was cut off or has no token gets "O", or the commonest of bare tags.
        """
        units = tagged.units(tagged.read(_rows(store), self.unit or WORD))
        met = align(units, store.columns["starts"], store.columns["ends"], np.diff(store.offsets))
        return self._tags_of(np.asarray(answers.values).argmax(-1), units.lengths, met)

    def _tags_of(self, best: np.ndarray, lengths: np.ndarray, met: Alignment) -> list[list[str]]:
        """Label ids (tokens,) → tags of the units, which lie in rows of `lengths`; an id behind the last label says "O"."""
        names, scheme = np.array([*(self.labels or []), self.commonest or OUTSIDE], object), self.scheme
        label = np.full(len(met.covered), len(names) - 1)
        own, inside = met.unit[met.first], np.zeros(len(met.covered), bool)
        if self.unit == CHARACTER:
            inside = met.covered >= 0
            inside[own] = False
            label[inside] = best[met.covered[inside]]
        label[own] = best[met.first]
        parts, cuts = Parts(set(scheme.types)), np.concatenate([[0], np.cumsum(lengths)]).tolist()
        rows = [slice(first, last) for first, last in zip(cuts, cuts[1:], strict=False)]
        return [tag_schemes.answered(names[label[row]].tolist(), inside[row].tolist(), scheme, parts) for row in rows]

    def kept(self, prediction: Any, reference: Any) -> Any:
        """[place, tag] of each unit whose tag isn't the right one: an entity of a text doesn't say which units it is of."""
        pairs = zip(prediction, reference, strict=True)
        return [[place, said] for place, (said, right) in enumerate(pairs) if said != right] or None

    def scored_again(self, lines: list[dict[str, Any]]) -> tuple[list[list[str]], list[list[str]]]:
        said = [list(one["reference"]) for one in lines]
        for tags, one in zip(said, lines, strict=True):
            for place, tag in one.get("kept") or ():
                tags[place] = tag
        return said, [one["reference"] for one in lines]

    def references(self, rows: Any) -> list[list[str]]:
        """As `predictions`."""
        return [one.tags for one in self._read(rows[:])]

    def score(self, predictions: Any, references: Any, resamples: int = 0, seed: int = 0) -> dict[str, Any]:
        """Entities: f1 and its like by span and type without "O", f1.TYPE; of characters KLUE's char_f1 too. Bare tags: accuracy
        and macro_f1. f1_strict (seqeval's strict mode) where the labels are BIO: of other schemes tags become BIO before they are
        compared, which leaves none that is ill formed."""
        from byeori.metrics.entities import character_scores, entity_scores, strict_f1, tag_scores

        doubt: dict[str, Any] = {"resamples": resamples, "seed": seed}
        if self.scheme.bare:
            return tag_scores(predictions, references, **doubt)
        right = [spans(tags) for tags in references]
        found = entity_scores([spans(tags) for tags in predictions], right, per_class=True, **doubt)
        if self.scheme.is_ours:
            strict = strict_f1([spans(tags, "BIO") for tags in predictions], right, **doubt)
            found = {"f1": found.pop("f1"), **strict, **found}
        return found | (character_scores(predictions, references, **doubt) if self.unit == CHARACTER else {})

    def baseline(self, kind: str, train: Rows, rows: Rows, seed: int) -> list[list[str]]:
        """Trivial: "O", or the commonest bare tag, everywhere.

        "linear" is no linear model here but a lexicon: the tag that each word (of characters each run between spaces, with
        its tags) had most often in training; words it lacks as trivial.
        """
        filler = self.commonest or OUTSIDE
        read = self._read(rows.table[:])
        if kind == "trivial":
            return [[filler] * len(one.tags) for one in read]
        return tagged.from_lexicon(self._read(train.table[:]), read, self.unit or WORD, filler)

    @property
    def best(self) -> str:
        return "accuracy" if self.scheme.bare else "f1"

    def right_answer(self, row: dict[str, Any]) -> Any:
        """Entities with their characters, or each word with its tag; None for a row without."""
        if row.get("tags") is None and row.get("entities") is None:
            return None
        (one,) = self._read({name: [value] for name, value in row.items()})
        return one.words() if self.scheme.bare else one.entities()

    def show(self, row: dict[str, Any], prediction: Any, reference: Any = None) -> dict[str, Any]:
        """The text with what was found marked in it (<서울:LOC>, or 서울/NOUN), and both answers as short lists."""
        (text,) = tagged.texts({name: [value] for name, value in row.items()}, self.unit)
        return tagged.shown(text, prediction, reference)

    # saving -----------------------------------------------------------------------------------------------------
    def state(self) -> dict[str, Any]:
        return {
            "settings": dataclasses.asdict(self.settings),
            "labels": self.labels,
            "unit": self.unit,
            "commonest": self.commonest,
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.labels, self.unit, self.commonest = state["labels"], state["unit"], state["commonest"]
        self.trained_here = self.labels is not None


def _tags(rows: Rows) -> list[list[str]] | None:
    return rows.table["tags"][:] if "tags" in rows.table.column_names else None  # None: spans


def _rows(store: TokenStore) -> dict[str, list]:
    """The rows of a store by role, as they were before encoding."""
    if store.source is None:
        raise DataError("a token store without its rows has no texts. Make it with byeori.encode(rows, …).")
    return store.source if isinstance(store.source, dict) else store.source.table[:]
