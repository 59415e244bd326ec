"""What an update's numbers say of it: one that is no number stops the training or is left out, a sudden loss is noted.

Invariants: nothing here changes a number; what was seen goes into the checkpoint, so that a resumed training notes the same.

    sentinel = Sentinel(settings, where, note, write); if sentinel.refuses(update, scaled=False): ...
"""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from byeori.errors import TrainingError

if TYPE_CHECKING:
    from byeori.settings import Train
    from byeori.train.stepper import Update

WINDOW, FEWEST = 100, 20  # updates that a loss is compared with, and from how many on
# A spike is this many deviations above the median, and so many times the median: after Chowdhery et al., "PaLM" (2022, section 5.1),
# who saw some twenty in a training and went on 200 to 500 batches after each. The deviation is 1.4826 times the median distance.
DEVIATIONS, TIMES = 8.0, 1.5
IN_A_ROW = 20  # updates without a number after which none will have one
NAMED = 5  # rows that a sentence names


class Sentinel:
    """`where(row)` names a row's place in its file; `note` tells people, `write` adds a line to history."""

    def __init__(
        self, settings: Train, where: Callable[[int], str], note: Callable[[str], None], write: Callable[[dict], None]
    ):
        self.settings, self.where, self.note, self.write = settings, where, note, write
        self.losses: deque[float] = deque(maxlen=WINDOW)
        self.left_out = self.spikes = 0
        self._row = 0  # updates without a number, one after the other
        self._quiet = 0  # updates until a spike is noted again

    def refuses(self, update: Update, scaled: bool) -> bool:
        """Whether the update must not move a weight. Raises TrainingError where the training can't go on.

        `scaled`: in float16 a gradient beyond its range is a scale too large, which GradScaler shrinks.
        """
        if math.isfinite(update.loss) and math.isfinite(update.norm):
            self._row = 0
            self._spike(update)
            return False
        self._row += 1
        overflow = scaled and math.isfinite(update.loss)
        if overflow and self._row < IN_A_ROW:
            return False  # the scaler leaves it out by itself
        if overflow or self.settings.on_nan == "stop" or self._row >= IN_A_ROW:
            raise TrainingError(self._sentence(update))
        self.left_out += 1
        self.write({"step": update.step, "left_out": self._what(update), "rows": self._rows(update)})
        self.note(
            f"step {update.step} is left out: {self._what(update)}. Its rows begin with {', '.join(self._rows(update))}."
        )
        return True

    def state(self) -> dict[str, Any]:
        return {
            "losses": list(self.losses), "left_out": self.left_out, "spikes": self.spikes, "row": self._row, "quiet": self._quiet,
        }  # fmt: skip

    def restore(self, state: dict[str, Any]) -> None:
        self.losses = deque(state["losses"], maxlen=WINDOW)
        self.left_out, self.spikes, self._row, self._quiet = (state[n] for n in ("left_out", "spikes", "row", "quiet"))

    def _spike(self, update: Update) -> None:
        self._quiet = max(0, self._quiet - 1)
        if len(self.losses) >= FEWEST:
            median = statistics.median(self.losses)
            deviation = 1.4826 * statistics.median(abs(loss - median) for loss in self.losses)
            if update.loss > max(median + DEVIATIONS * deviation, TIMES * median):
                self.spikes += 1
                self.write({"step": update.step, "spike": update.loss, "median": median, "rows": self._rows(update)})
                if not self._quiet:
                    self.note(
                        f"step {update.step}: the loss jumped to {update.loss:.3g}, from {median:.3g} (median of the {len(self.losses)} "
                        f"updates before). Its rows begin with {', '.join(self._rows(update))}; `byeori replay` runs it again."
                    )
                    self._quiet = WINDOW
        self.losses.append(update.loss)

    def _rows(self, update: Update) -> list[str]:
        return [self.where(int(row)) for row in update.batch.update[:NAMED]]

    def _what(self, update: Update) -> str:
        if math.isfinite(update.loss):
            return f"the gradient's norm is {update.norm}"
        return f"the loss is {update.loss}"

    def _sentence(self, update: Update) -> str:
        rate = float(self.settings.learning_rate)
        often = f" It is the {self._row}th update in a row that has no number." if self._row > 1 else ""
        skip = (
            ""
            if self.settings.on_nan == "skip"
            else ", rows that hold something odd (--on-nan skip leaves such updates out)"
        )
        return (
            f"step {update.step}: {self._what(update)} at learning rate {update.rate:.2e}. Its {len(update.batch.update)} rows begin "
            f"with {', '.join(self._rows(update))}.{often} The usual causes: a learning rate too high (try --learning-rate "
            f"{rate / 10:g}), float16 (try --precision float32), a weight that was already not a number in the checkpoint{skip}."
        )
