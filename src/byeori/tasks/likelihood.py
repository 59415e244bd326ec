"""What tasks share that are judged by how likely a model finds the right tokens: running text and masked words.

Invariants: a row's prediction is its sums (`SUMS`), so rows of any length weigh by their tokens; a right answer as `score`
takes it is what a model without doubt would get. A perplexity compares models of one tokenizer.

    class TextGeneration(Likelihood): ...
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from byeori.errors import DataError
from byeori.tasks.base import Task

if TYPE_CHECKING:
    import torch

    from byeori.batches.pack import Pack
    from byeori.metrics.ngrams import Ngrams
    from byeori.text.store import TokenStore

SUMS = ("nll", "tokens", "right", "characters")
NO_DOUBT = (0.0, 1.0, 1.0, 1.0)
COUNTED = 20_000_000  # tokens that the baselines count: some 2 GB of pairs and triples, a minute


class Likelihood(Task):
    """`Task` with scores from each row's sums: −log p in nats, tokens, right ones, characters (0 where nobody counts them)."""

    counts_tokens = True
    lower_is_better = Task.lower_is_better | {"bits_per_character"}

    @property
    def best(self) -> str:
        return "perplexity"

    def references(self, rows: Any) -> np.ndarray:
        """float64 (rows, 4), as `predictions`: the right tokens are in the text itself."""
        return np.tile(NO_DOUBT, (len(rows), 1))

    def score(self, predictions: Any, references: Any, resamples: int = 0, seed: int = 0) -> dict[str, Any]:
        """perplexity, bits_per_character where characters are counted, accuracy; intervals over rows."""
        from byeori.metrics.intervals import check_lengths
        from byeori.metrics.language import language_scores

        check_lengths(predictions, references)
        nll, tokens, right, characters = np.asarray(predictions, np.float64).T[: len(SUMS)]
        long = characters if characters.any() else None
        return language_scores(nll, tokens, characters=long, right=right, resamples=resamples, seed=seed)

    def named(self, value: Any) -> Any:
        """A row's sums → its perplexity and tokens; None for a right answer, which is in the text."""
        nll, tokens, right = (float(one) for one in value[:3])
        if (nll, tokens, right) == NO_DOUBT[:3] or not tokens:
            return None
        mean = nll / tokens
        perplexity = round(math.exp(mean), 4) if mean < 700 else None
        return {"perplexity": perplexity, "tokens": int(tokens), "accuracy": round(right / tokens, 4)}

    def kept(self, prediction: Any, reference: Any) -> list[float]:
        return [float(one) for one in prediction]

    def scored_again(self, lines: list[dict[str, Any]]) -> tuple[np.ndarray, np.ndarray]:
        """Of right answers `score` looks at the number alone."""
        found = np.array([one["kept"] for one in lines], np.float64)
        return found, np.zeros(len(found))

    def refuse_tokenized(self, rows: Any) -> None:
        """Raises DataError for rows that come as token ids, whose borders and labels would have to be guessed."""
        if "input_ids" in rows.table.column_names:
            raise DataError(
                f"{rows.origin.where(0)}: these rows are tokenized already. {self.name} makes its rows and labels itself: give it the "
                f"texts."
            )


def at_labels(losses: torch.Tensor, places: torch.Tensor, pack: Pack) -> torch.Tensor:
    """Losses of labelled places, (places,), in the shape of the pack's labels, (tokens,), 0 elsewhere."""
    return losses.new_zeros(pack.computed).index_copy(0, places, losses)


def a_sequence(chosen: Any, pack: Pack) -> np.ndarray:
    """How many of a pack's tokens are chosen, bool (tokens,), in each of its sequences; int64 (sequences,)."""
    from byeori.models.outside import host

    before = np.concatenate([[0], np.cumsum(host(chosen))])
    return before[pack.starts + pack.lengths] - before[pack.starts]


def sums(values: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Values (n, …) from each offset to the next, added up; float64 (len(offsets) − 1, …)."""
    before = np.concatenate([np.zeros((1, *values.shape[1:])), np.cumsum(values, 0, np.float64)])
    return before[offsets[1:]] - before[offsets[:-1]]


def counted(train: TokenStore, order: int, vocabulary: int, without: np.ndarray | None = None) -> Ngrams:
    """The n-gram model of a training store, of its first `COUNTED` tokens; `without`: ids left out, bool (vocabulary,)."""
    from byeori.metrics.ngrams import Ngrams

    last = int(np.searchsorted(train.offsets, COUNTED, side="right")) - 1 or 1
    ids = np.asarray(train.input_ids[: int(train.offsets[last])])
    if without is not None:
        ids = ids[~without[ids]]
        return Ngrams(ids, [len(ids)], vocabulary, order)
    return Ngrams(ids, train.offsets[1 : last + 1], vocabulary, order)
