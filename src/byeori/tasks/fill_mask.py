"""fill-mask: an encoder says which words stand behind the masks of a text.

It learns from plain texts in which some tokens are hidden, others each time: 80% of them behind the mask token, 10% behind a
random one, 10% in plain sight. Texts longer than the model takes are cut into pieces. Evaluation always hides the same.

    byeori train --task fill-mask --model klue/bert-base --train articles.txt --output run
"""

from __future__ import annotations

import dataclasses
import math
from collections import ChainMap
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from byeori.errors import ModelError, SettingError
from byeori.settings import setting
from byeori.tasks.base import DRAW_SEED, texts_from
from byeori.tasks.fillers import check_masks, filled, likeliest, target_ids
from byeori.tasks.likelihood import SUMS, Likelihood, a_sequence, at_labels, counted, sums
from byeori.tasks.shown import gaps
from byeori.text.blocks import IGNORED, around, token_lists
from byeori.text.masking import Masking, Pieces
from byeori.text.store import SEQUENCE, TOKEN, Encoded

if TYPE_CHECKING:
    import torch

    from byeori.batches.answers import Answers
    from byeori.batches.pack import Pack
    from byeori.data.rows import Rows
    from byeori.text.encode import Encoder
    from byeori.text.store import TokenStore

PLACE, LABEL, BEST, NLL, FOLLOWS = range(5)  # what is gathered of each masked token
GUESSES = 3  # of a masked token in a sample


@dataclass(kw_only=True)
class Training:
    """What is hidden."""

    mlm_probability: float = setting(0.15, "share of the tokens that are hidden", least=0.001, most=1)
    whole_words: bool = setting(False, "hide all pieces of a word together")
    next_sentence: bool = setting(False, "learn also whether a second sentence follows the first (BERT)")
    long_texts: str = setting(
        "pieces",
        "a text of more than --max-length tokens becomes several, or is cut off",
        choices=("pieces", "truncate"),
    )
    document: str | None = setting(
        None, "what a text is in a plain text file; recognised if not given", choices=("line", "paragraph", "file")
    )


@dataclass(kw_only=True)
class Call:
    """How much is answered."""

    top_k: int = setting(5, "words for each mask", least=1)
    targets: Any = setting(None, "choose among these words only: one, or a list")


class FillMask(Likelihood):
    name = "fill-mask"
    aliases = ("masked-lm",)
    summary = "a text with a mask → the words that fit there"
    auto_class = "AutoModelForMaskedLM"
    roles = ("text", "text_pair")
    needed = ("text",)
    answers = ()
    levels = {}
    in_pieces = True
    apart = True  # each piece of a text hides its own tokens
    Training = Training
    Call = Call

    def __init__(self, **values: Any):
        super().__init__(**values)
        self.tokenizer: Any = None
        self._masking: Masking | None = None
        self._targets: tuple[Any, Any] = (None, None)  # the last ones asked for, and their ids
        if self.settings.next_sentence:
            self.auto_class = "AutoModelForPreTraining"  # type: ignore[misc]
            self.levels = {"next": SEQUENCE}  # type: ignore[misc]

    # rows -------------------------------------------------------------------------------------------------------
    def inputs(self, given: Any) -> tuple[list[dict[str, Any]], bool]:
        return texts_from(given, ("text", "text_pair"))

    def prepare(self, rows: Rows) -> None:
        self.check(rows)

    def check(self, rows: Rows) -> None:
        if self.settings.next_sentence:
            self.refuse_tokenized(rows)

    def meet(self, model: Any, tokenizer: Any) -> None:
        """Raises ModelError for a tokenizer without a mask token, and for a model that can't tell next sentences."""
        self._know(tokenizer)
        if self.settings.next_sentence:
            from byeori.tasks import next_sentence

            next_sentence.check(model)

    def _know(self, tokenizer: Any) -> None:
        if tokenizer is self.tokenizer:
            return
        if tokenizer.mask_token_id is None:
            raise ModelError(
                f"the tokenizer ({type(tokenizer).__name__}) has no mask token, so nothing can be hidden. Take an encoder (BERT, RoBERTa, "
                f"ELECTRA, ALBERT…), or train this model for text-generation."
            )
        self.tokenizer = tokenizer
        self._masking = Masking(Pieces(tokenizer), self.settings.mlm_probability, self.settings.whole_words)
        self._targets = (None, None)

    # ids --------------------------------------------------------------------------------------------------------
    def encode(self, rows: dict[str, list], encoder: Encoder, labels: bool = True, call: Any | None = None) -> Encoded:
        """Raises DataError for a text of a call without the mask token."""
        self._know(encoder.tokenizer)
        texts, pairs = rows["text"], rows.get("text_pair")
        if not labels:
            found = encoder(texts, pairs)
            check_masks(texts, found, self.tokenizer, encoder.max_length)
            return found
        if self.settings.next_sentence:
            return self._sentences(texts, pairs, encoder)
        if pairs is not None or self.settings.long_texts == "truncate":
            return encoder(texts, pairs)
        return self._pieces(texts, encoder)

    def _pieces(self, texts: list[str], encoder: Encoder) -> Encoded:
        """Each text in as many sequences as it takes, the special tokens around each."""
        before, after = around(self.tokenizer)
        room = max(1, encoder.max_length - len(before) - len(after))
        made, counts = [], []
        for ids in token_lists(self.tokenizer, texts):
            starts = range(0, max(1, len(ids)), room)
            made += [[*before, *ids[start : start + room], *after] or [encoder.nothing] for start in starts]
            counts.append(len(starts))
        lengths = np.array([len(ids) for ids in made], np.int64)
        flat = np.concatenate([np.asarray(ids, np.int32) for ids in made])
        columns = {"token_type_ids": np.zeros(len(flat), np.uint8)} if encoder.token_types else {}
        return Encoded(flat, lengths, columns, np.array(counts, np.int64))

    def _sentences(self, texts: list[str], pairs: list[str | None] | None, encoder: Encoder) -> Encoded:
        from byeori.tasks import next_sentence

        first, second, follows, counts = next_sentence.pairs(texts, pairs)
        found = encoder(first, list(second))
        found.columns["next"] = follows
        return dataclasses.replace(found, sequences_a_row=counts)

    def draw(self, pack: Pack, seed: int, epoch: int) -> Pack:
        from byeori.models.outside import beside, host

        if self._masking is None:
            raise SettingError(f"{self.name}: it hasn't seen the tokenizer yet. Encode the rows with this task first.")
        ids = host(pack.input_ids).copy()
        lengths, inside = pack.lengths, _inside(pack)
        labels = np.full(len(ids), IGNORED, np.int64)
        ids[inside], labels[inside] = self._masking(ids[inside], lengths, pack.sequences, seed, epoch)
        columns = {**pack.columns, "labels": beside(labels, pack.input_ids)}
        seen = beside(ids, pack.input_ids)
        return dataclasses.replace(pack, input_ids=seen, columns=columns, levels={**pack.levels, "labels": TOKEN})

    # model ------------------------------------------------------------------------------------------------------
    def outputs(self, model: torch.nn.Module, pack: Pack) -> Any:
        """Of hidden tokens nll float32 and best int64 (labels,): −log p of each and the likeliest token there; places int64.
        Where people will see them guesses float32 (labels, GUESSES, 2) too: probability and token.

        Without labels logits (masks, vocabulary) at the mask tokens, and their places. With next_sentence also `follows`, logits
        (sequences, 2).
        """
        from byeori.models.outside import likelihoods, vocabulary_logits

        if "labels" not in pack.columns:
            places = _masks(pack, self.tokenizer.mask_token_id)
            return SimpleNamespace(logits=vocabulary_logits(model, pack, places), places=places)
        places = pack.counted
        states: list[torch.Tensor] | None = [] if self.watched else None
        if not self.settings.next_sentence:
            nll, best = likelihoods(model, pack, places, pack.labels[places], states)
            made = SimpleNamespace(nll=nll, best=best, places=places)
        else:
            import torch

            from byeori.tasks import next_sentence

            with next_sentence.answering(model, pack) as found:
                nll, best = likelihoods(model, pack, places, pack.labels[places], states)
            made = SimpleNamespace(nll=nll, best=best, places=places, follows=torch.cat(found))
        if states:
            from byeori.models.language import several

            made.guesses = several(model, states[0], GUESSES)
        return made

    def loss(self, outputs: Any, pack: Pack) -> torch.Tensor:
        """(tokens,): −log p of each hidden token, 0 elsewhere; with next_sentence each adds that of its sequence's answer."""
        losses = outputs.nll
        if self.settings.next_sentence:
            from torch.nn import functional as F

            follows = F.cross_entropy(outputs.follows.float(), pack.columns["next"], reduction="none")
            losses = losses + follows[_owner(outputs.places, pack)]
        return at_labels(losses, outputs.places, pack)

    # predictions ------------------------------------------------------------------------------------------------
    def gather(self, outputs: Any, pack: Pack, call: Any | None = None) -> tuple[Any, np.ndarray]:
        """Of hidden tokens float32 (labels, 4 or 5): place in the sequence, right token, likeliest token, −log p, and whether the
        answer on the next sentence is right, then probability and token of each guess; of mask tokens (masks, top_k, 2)."""
        from byeori.models.outside import host

        chosen = np.zeros(pack.computed, bool)
        chosen[host(outputs.places)] = True
        counts = a_sequence(chosen, pack)
        if "labels" not in pack.columns:
            call = call or Call()
            if call.targets is not None and call.targets != self._targets[0]:
                self._targets = call.targets, target_ids(call.targets, self.tokenizer)
            return likeliest(outputs.logits, call.top_k, None if call.targets is None else self._targets[1]), counts
        owner = _owner(outputs.places, pack)
        columns = [outputs.places - pack.layout.starts[owner], pack.labels[outputs.places], outputs.best, outputs.nll]
        if self.settings.next_sentence:
            columns.append((outputs.follows.argmax(-1) == pack.columns["next"])[owner])
        if isinstance(outputs.nll, np.ndarray):
            return np.stack([one.astype(np.float32) for one in columns], 1), counts
        import torch

        values = torch.stack([one.float() for one in columns], 1)
        if hasattr(outputs, "guesses"):
            values = torch.cat([values, outputs.guesses.flatten(1)], 1)
        return values, counts

    def decode(self, answers: Answers, store: TokenStore, call: Any | None = None) -> list[Any]:
        """A list of {"score", "token", "token_str", "sequence"} a mask, in a list where there are several masks.

        Of hidden tokens a dict a row: the text as it was shown, what was said and what is right.
        """
        rows = range(len(store))
        if answers.values.ndim == 3:
            return [filled(answers.of(row), store[row]["input_ids"], self.tokenizer) for row in rows]
        return [self._told(answers, store, row) for row in rows]

    def _told(self, answers: Answers, store: TokenStore, row: int) -> dict[str, Any]:
        shown, said, right, nll, guesses = [], [], [], [], []
        known = FOLLOWS + bool(self.settings.next_sentence)
        hidden = set(self.tokenizer.all_special_ids) - {self.tokenizer.mask_token_id}
        for sequence in range(int(store.row_offsets[row]), int(store.row_offsets[row + 1])):
            ids = store.input_ids[int(store.offsets[sequence]) : int(store.offsets[sequence + 1])].tolist()
            for one in answers.of(sequence):
                ids[int(one[PLACE])] = self.tokenizer.mask_token_id
                said.append(self.tokenizer.decode([int(one[BEST])]))
                right.append(self.tokenizer.decode([int(one[LABEL])]))
                nll.append(float(one[NLL]))
                likely = one[known:].reshape(-1, 2).tolist()
                guesses.append([[self.tokenizer.decode([int(token)]), round(share, 4)] for share, token in likely])
            shown.append(self.tokenizer.decode([one for one in ids if one not in hidden]))
        mean = sum(nll) / len(nll) if nll else math.nan
        found = {
            "masked": "\n".join(shown), "predicted": said, "right": right,
            "perplexity": round(math.exp(mean), 4) if mean < 700 else None,
        }  # fmt: skip
        return {**found, "guesses": guesses} if any(guesses) else found

    def respond(self, predictions: list[Any], given: Any, single: bool, asked: ChainMap[str, Any]) -> Any:
        """As transformers has it: a list of one text is answered as the text itself."""
        one = isinstance(given, list) and len(given) == 1
        return super().respond(predictions, given, single or one, asked)

    def predictions(self, answers: Answers, store: TokenStore) -> np.ndarray:
        """float64 (rows, 4): each row's sums, no characters; with next_sentence (rows, 6): pairs, and those told right."""
        assert answers.offsets is not None
        values, counts = answers.values, np.diff(answers.offsets)
        columns = np.stack(
            [values[:, NLL], np.ones(len(values)), values[:, BEST] == values[:, LABEL], np.zeros(len(values))], 1
        )
        found = sums(columns, answers.offsets)
        if self.settings.next_sentence:
            told = np.zeros((len(counts), 2))
            told[counts > 0] = np.stack(
                [np.ones((counts > 0).sum()), values[answers.offsets[:-1][counts > 0], FOLLOWS]], 1
            )
            found = np.concatenate([found, told], 1)
        return sums(found, store.row_offsets)

    def references(self, rows: Any) -> np.ndarray:
        found = super().references(rows) * [1, 1, 1, 0]
        return np.concatenate([found, np.ones((len(found), 2))], 1) if self.settings.next_sentence else found

    def score(self, predictions: Any, references: Any, resamples: int = 0, seed: int = 0) -> dict[str, Any]:
        """accuracy and perplexity of hidden tokens (each with the others hidden: a pseudo-perplexity); next_sentence_accuracy."""
        found = super().score(predictions, references, resamples, seed)
        if self.settings.next_sentence and np.shape(predictions)[1] > len(SUMS):
            from byeori.metrics.intervals import Ratios, scored

            pairs, right = np.asarray(predictions, np.float64).T[len(SUMS) :]
            follows = Ratios({"next_sentence_accuracy": (right, pairs)})
            found |= scored(follows, len(pairs), resamples=resamples, seed=seed)
        return found

    def baseline(self, kind: str, train: Any, rows: Any, seed: int) -> np.ndarray | None:
        """Of token stores: how frequent each hidden token is (add-one); as `predictions`."""
        from byeori.batches.answers import Answers

        if kind != "trivial" or self._masking is None:
            return None
        ids, special = rows.input_ids[:], self._masking.pieces.special
        lengths = np.diff(rows.offsets)
        _, labels = self._masking(ids, lengths, np.arange(len(lengths)), DRAW_SEED, 0)
        places = np.flatnonzero(labels != IGNORED)
        model = counted(train, 1, len(special), without=special)
        values = np.zeros((len(places), 5))
        values[:, LABEL], values[:, BEST] = labels[places], model.likeliest
        values[:, NLL] = model.nll(ids, rows.offsets[1:], places)
        found = self.predictions(Answers(values, np.searchsorted(places, rows.offsets)), rows)
        return found[:, : len(SUMS)]

    def show(self, row: dict[str, Any], prediction: Any, reference: Any = None) -> dict[str, Any]:
        if not isinstance(prediction, dict):
            return super().show(row, prediction, reference)
        text, said, right = prediction["masked"], prediction["predicted"], prediction["right"]
        return {
            "kind": "gaps", "inputs": {"text": text}, "prediction": ", ".join(said), "reference": ", ".join(right),
            "right": said == right,
            "gaps": gaps(text, [self.tokenizer.mask_token], said, right, prediction.get("guesses", ())),
        }  # fmt: skip


def _inside(pack: Pack) -> np.ndarray:
    """Places of the sequences' own tokens, one sequence after the other; int64."""
    starts, lengths = pack.starts, pack.lengths
    return np.repeat(starts - (np.cumsum(lengths) - lengths), lengths) + np.arange(int(lengths.sum()))


def _masks(pack: Pack, token: int) -> Any:
    """Places of mask tokens in the sequences; int64."""
    from byeori.models.outside import beside

    inside = beside(_inside(pack), pack.input_ids)
    return inside[pack.input_ids[inside] == token]


def _owner(places: Any, pack: Pack) -> Any:
    """The sequence of the pack that each place belongs to; int64."""
    if isinstance(places, np.ndarray):
        return np.searchsorted(pack.starts, places, side="right") - 1
    import torch

    return torch.searchsorted(pack.layout.starts, places, right=True) - 1
