"""span-corruption: an encoder-decoder says what stands behind the sentinels of a text, as T5 is pretrained.

It learns from plain texts from which runs of tokens are taken out, others each time; a text longer than the model takes
becomes several pieces, each as long as makes its input fill `--max-length`. Evaluation always takes out the same. It is judged
by the likelihood of the right tokens, and writes where it is called.

    byeori train --task span-corruption --from-scratch t5-mini --tokenizer tok --train articles.txt --output run
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from byeori.errors import DataError, ModelError, RowsError, SettingError
from byeori.generate.decoding import Decoding, over
from byeori.settings import setting
from byeori.tasks.base import DRAW_SEED
from byeori.tasks.likelihood import SUMS, Likelihood, counted, sums
from byeori.tasks.shown import gaps
from byeori.text.blocks import IGNORED, around, token_lists
from byeori.text.corruption import Corrupted, Corruption, noise, sentinels, whole_length
from byeori.text.store import LIST, SEQUENCE, Encoded

if TYPE_CHECKING:
    import torch

    from byeori.batches.answers import Answers
    from byeori.batches.pack import Pack
    from byeori.data.rows import Rows
    from byeori.text.encode import Encoder
    from byeori.text.store import TokenStore

NLL, LABEL, BEST, RUN = range(4)  # what is gathered of each token that was taken out
FIRST = "<extra_id_0>"


@dataclass(kw_only=True)
class Training:
    """What is taken out."""

    noise_density: float = setting(0.15, "share of the tokens that are taken out", least=0.001, most=0.9)
    mean_noise_span_length: float = setting(3.0, "mean length of a run that is taken out, in tokens", least=1)
    document: str | None = setting(
        None, "what a text is in a plain text file; recognised if not given", choices=("line", "paragraph", "file")
    )


@dataclass(kw_only=True)
class Call(Decoding):
    """How it is written."""


class SpanCorruption(Likelihood):
    name = "span-corruption"
    aliases = ("denoising",)
    summary = "a text with sentinels (<extra_id_0> …) → what stands behind them, as T5 is pretrained"
    auto_class = "AutoModelForSeq2SeqLM"
    roles = ("text",)
    needed = ("text",)
    answers = ()
    levels = {"runs": SEQUENCE}
    generates = True
    teacher_forced = True
    in_pieces = True
    apart = True  # each piece of a text loses its own tokens
    Training = Training
    Call = Call

    def __init__(self, **values: Any):
        super().__init__(**values)
        self.tokenizer: Any = None
        self._corrupts: Corruption | None = None
        self._number: dict[int, int] = {}  # sentinel → which one it is

    # rows -------------------------------------------------------------------------------------------------------
    def inputs(self, given: Any) -> tuple[list[dict[str, Any]], bool]:
        """A text, {"text": …}, or a list of them."""
        single = isinstance(given, str | dict)
        rows = []
        for place, item in enumerate([given] if single else list(given), start=1):
            text = item.get("text") if isinstance(item, dict) else item
            if not isinstance(text, str):
                raise DataError(
                    f'input {place} is {type(item).__name__} {str(item)[:60]!r}: a text or {{"text": …}} is needed, with {FIRST}, '
                    f"<extra_id_1> … where words are missing."
                )
            rows.append({"text": text})
        return rows, single

    def prepare(self, rows: Rows) -> None:
        self.check(rows)

    def check(self, rows: Rows) -> None:
        self.refuse_tokenized(rows)

    def meet(self, model: Any, tokenizer: Any) -> None:
        """Raises ModelError for a model that is no encoder-decoder, and for a tokenizer without sentinels."""
        from byeori.tasks.seq2seq_models import check_kind

        check_kind(model, self.name)
        self._know(tokenizer)

    def _know(self, tokenizer: Any) -> Corruption:
        if self._corrupts is not None and tokenizer is self.tokenizer:
            return self._corrupts
        marks = sentinels(tokenizer)
        if len(marks) < 2:
            raise ModelError(
                f"the tokenizer ({type(tokenizer).__name__}) has {len(marks) or 'no'} sentinel token{'s' * (len(marks) != 1)}, and span "
                f"corruption needs {FIRST}, <extra_id_1> …: one for each run that is taken out and one more. `byeori tokenizer train "
                f"--recipe t5` makes 100 of them; T5's and mT5's own tokenizers have them."
            )
        before, after = around(tokenizer)
        end = [one for one in after if one == tokenizer.eos_token_id] or [tokenizer.eos_token_id]
        if end == [None]:
            raise ModelError(
                f"the tokenizer ({type(tokenizer).__name__}) has no end token, so a model would never learn to stop. Take one made by "
                f"`byeori tokenizer train --recipe t5`, or name its eos_token in tokenizer_config.json."
            )
        own = self.settings
        self.tokenizer = tokenizer
        self._number = {token: number for number, token in enumerate(marks)}
        self._corrupts = Corruption(marks, before, after, end, own.noise_density, own.mean_noise_span_length)
        return self._corrupts

    # ids --------------------------------------------------------------------------------------------------------
    def encode(self, rows: dict[str, list], encoder: Encoder, labels: bool = True, call: Any | None = None) -> Encoded:
        """Raises RowsError for a text of a call without sentinels, ModelError where the tokenizer has too few of them."""
        corrupts = self._know(encoder.tokenizer)
        texts = rows["text"]
        if not labels:
            found = encoder(texts)
            self._check_asked(found)
            return found
        room = max(1, encoder.max_length - len(corrupts.before) - len(corrupts.after))
        size = whole_length(room, corrupts.density, corrupts.span)
        made, counts = [], []
        for ids in token_lists(self.tokenizer, texts):
            starts = range(0, max(1, len(ids)), size)
            made += [ids[start : start + size] or [encoder.nothing] for start in starts]
            counts.append(len(starts))
        lengths = np.array([len(ids) for ids in made], np.int64)
        _, runs = noise(lengths, corrupts.density, corrupts.span)
        most, has = int(runs.max(initial=0)), len(corrupts.sentinels)
        if most >= has:
            raise ModelError(
                f"{most} runs are taken out of a piece of {int(lengths[runs.argmax()])} tokens, which needs {most + 1} sentinels; the "
                f"tokenizer has {has} (up to <extra_id_{has - 1}>). Give a shorter --max-length or a longer --mean-noise-span-length; "
                f"`byeori tokenizer train --recipe t5` makes 100."
            )
        flat = np.concatenate([np.asarray(ids, np.int32) for ids in made])
        return Encoded(flat, lengths, {"runs": runs.astype(np.int32)}, np.array(counts, np.int64))

    def _check_asked(self, found: Encoded) -> None:
        """Sentinels of a call stand there as a model learnt them: from the first on, each once, in order."""
        refused = {}
        ends = np.cumsum(found.lengths)
        for row, (start, end) in enumerate(zip(ends - found.lengths, ends, strict=True)):
            there = [self._number[one] for one in found.input_ids[start:end].tolist() if one in self._number]
            if not there:
                refused[row] = f"there is no sentinel in it. Write {FIRST}, <extra_id_1> … where words are missing."
            elif there != list(range(len(there))):
                said = ", ".join(f"<extra_id_{one}>" for one in there[:5])
                refused[row] = f"its sentinels are {said}; a model knows them in order, from {FIRST} on, each once."
            elif len(there) == len(self._number):
                refused[row] = (
                    f"it has {len(there)} sentinels, and the last one of the tokenizer closes the answer. Leave one out."
                )
        if refused:
            raise RowsError(refused)

    def draw(self, pack: Pack, seed: int, epoch: int) -> Pack:
        """The same sequences, shorter and in an order of their own, with their targets as labels, int64 (sequences, longest)."""
        from byeori.batches.pack import build
        from byeori.text.store import TokenStore

        if self._corrupts is None:
            raise SettingError(f"{self.name}: it hasn't seen the tokenizer yet. Encode the rows with this task first.")
        starts, lengths = pack.starts, pack.lengths
        inside = np.repeat(starts - (np.cumsum(lengths) - lengths), lengths) + np.arange(int(lengths.sum()))
        found = self._corrupts(pack.input_ids.cpu().numpy()[inside], lengths, pack.sequences, seed, epoch)
        columns = {"labels": found.targets, "labels_lengths": found.target_lengths}
        encoded = Encoded(found.inputs.astype(np.int32), found.input_lengths, columns)
        store = TokenStore.of(encoded, {"labels": LIST}, {"input_ids": pack.pad_token_id, "labels": IGNORED})
        varlen = pack.layout.cu_seqlens is not None
        made = build(store, np.arange(len(pack)), group_cost=pack.group_cost, varlen=varlen, shapes=pack.shapes)
        own = {name: values[made.rows] for name, values in pack.columns.items() if name != "labels"}
        levels = {**pack.levels, "labels": LIST}
        return dataclasses.replace(
            made.to(pack.input_ids.device), rows=pack.rows[made.rows], sequences=pack.sequences[made.rows],
            columns={**own, **made.columns}, levels=levels,
        )  # fmt: skip

    # model ------------------------------------------------------------------------------------------------------
    def outputs(self, model: torch.nn.Module, pack: Pack) -> Any:
        """nll float32 (sequences, longest target): −log p of each label, 0 where there is none; best int64, the likeliest
        token there, where the model is evaluated."""
        from byeori.models.seq2seq import pack_likelihoods, pack_losses

        if model.training:
            return SimpleNamespace(nll=pack_losses(model, pack)[0], best=None)
        nll, best = pack_likelihoods(model, pack)
        return SimpleNamespace(nll=nll, best=best)

    def loss(self, outputs: Any, pack: Pack) -> torch.Tensor:
        """(sequences, longest target): of every target token, sentinels and the end among them."""
        return outputs.nll

    # predictions ------------------------------------------------------------------------------------------------
    def gather(self, outputs: Any, pack: Pack, call: Any | None = None) -> tuple[torch.Tensor, np.ndarray]:
        """Of the tokens that were taken out float32 (tokens, 4): −log p, right token, likeliest token, its run."""
        import torch

        assert self._corrupts is not None
        labels = pack.labels
        marks = torch.tensor(sorted(self._number), device=labels.device)
        is_mark = torch.isin(labels, marks)
        asked = (labels != IGNORED) & ~is_mark & ~_ends(labels, len(self._corrupts.end))
        run = is_mark.cumsum(1) - 1
        values = torch.stack([outputs.nll.float(), labels.float(), outputs.best.float(), run.float()], -1)
        return values[asked], asked.sum(1).cpu().numpy()

    def generate(self, model: torch.nn.Module, tokenizer: Any, pack: Pack, call: Any | None = None) -> tuple:
        """New ids, −1 between several texts of one row. Of labelled rows (samples) what evaluation would ask."""
        from byeori.models.packed import unwrapped
        from byeori.tasks.seq2seq_models import written

        decoding = over(call)
        if "runs" in pack.columns:
            pack = self.draw(pack, DRAW_SEED, 0)
            decoding = Decoding(max_new_tokens=pack.labels.shape[1], do_sample=False, num_beams=1)
        return written(unwrapped(model), tokenizer, pack, decoding)

    def decode(self, answers: Answers, store: TokenStore, call: Any | None = None) -> list[Any]:
        """{"sequence": the text with its gaps filled, "spans": what stands in each} a row, a list of them where several are
        asked for. Of labelled rows the text as it was shown, what was said in each gap, and what is right."""
        from byeori.tasks.seq2seq_models import apart

        rows = range(len(store))
        if "runs" in store.levels:
            written = not np.issubdtype(answers.values.dtype, np.floating)
            return [self._told(answers, store, row, written) for row in rows]
        several = (call or Call()).num_return_sequences > 1
        found = []
        for row in rows:
            texts = [self._filled(ids, store[row]["input_ids"]) for ids in apart(answers.of(row).tolist())]
            found.append(texts if several else texts[0])
        return found

    def _filled(self, written: list[int], shown: list[int]) -> dict[str, Any]:
        spans = self._spans(written)
        gaps = sum(one in self._number for one in shown)
        spans = (spans + [[]] * gaps)[:gaps]
        hidden = set(self.tokenizer.all_special_ids) - set(self._number)
        whole: list[int] = []
        for one in shown:
            whole += spans[self._number[one]] if one in self._number else [one] if one not in hidden else []
        return {"sequence": self.tokenizer.decode(whole), "spans": [self.tokenizer.decode(span) for span in spans]}

    def _spans(self, ids: list[int]) -> list[list[int]]:
        """What stands behind each sentinel, up to the next one."""
        found: list[list[int]] = [[] for _ in self._number]
        at = None
        special = set(self.tokenizer.all_special_ids)
        for one in ids:
            if one in self._number:
                at = self._number[one]
                found[at] = []
            elif at is not None and one not in special:
                found[at].append(one)
        last = max((number for number, span in enumerate(found) if span), default=-1)
        return found[: last + 1]

    def _told(self, answers: Answers, store: TokenStore, row: int, written: bool) -> dict[str, Any]:
        from byeori.tasks.seq2seq_models import apart

        shown, said, right, nll = [], [], [], []
        hidden = set(self.tokenizer.all_special_ids) - set(self._number)
        for sequence in range(int(store.row_offsets[row]), int(store.row_offsets[row + 1])):
            drawn, gaps = self._drawn_again(store, sequence), int(store.columns["runs"][sequence])
            shown.append(self.tokenizer.decode([one for one in drawn.inputs.tolist() if one not in hidden]))
            true = self._spans(drawn.targets.tolist())
            if written:
                spans = (self._spans(apart(answers.of(sequence).tolist())[0]) + [[]] * gaps)[:gaps]
            else:
                values = answers.of(sequence)
                spans = [values[values[:, RUN] == number, BEST].astype(int).tolist() for number in range(gaps)]
                nll += values[:, NLL].tolist()
            said += [self.tokenizer.decode(span) for span in spans]
            right += [self.tokenizer.decode(span) for span in true]
        found: dict[str, Any] = {"masked": "\n".join(shown), "predicted": said, "right": right}
        if not written:
            mean = sum(nll) / len(nll) if nll else math.nan
            found["perplexity"] = round(math.exp(mean), 4) if mean < 700 else None
        return found

    def _drawn_again(self, store: TokenStore, sequence: int) -> Corrupted:
        """What evaluation showed and asked of a sequence of the store."""
        assert self._corrupts is not None
        ids = store.input_ids[int(store.offsets[sequence]) : int(store.offsets[sequence + 1])]
        return self._corrupts(ids, np.array([len(ids)]), np.array([sequence]), DRAW_SEED, 0)

    def predictions(self, answers: Answers, store: TokenStore) -> np.ndarray:
        """float64 (rows, 4): each row's sums over the tokens that were taken out, no characters."""
        assert answers.offsets is not None
        values = answers.values
        right = values[:, BEST] == values[:, LABEL]
        columns = np.stack([values[:, NLL], np.ones(len(values)), right, np.zeros(len(values))], 1)
        return sums(sums(columns, answers.offsets), store.row_offsets)

    def references(self, rows: Any) -> np.ndarray:
        return super().references(rows) * [1, 1, 1, 0]

    def score(self, predictions: Any, references: Any, resamples: int = 0, seed: int = 0) -> dict[str, Any]:
        """perplexity and accuracy of the tokens that were taken out, each after the right ones before it."""
        return super().score(predictions, references, resamples, seed)

    def baseline(self, kind: str, train: Any, rows: Any, seed: int) -> np.ndarray | None:
        """Of token stores: how frequent each token that was taken out is (add-one); as `predictions`."""
        from byeori.batches.answers import Answers

        if kind != "trivial" or self._corrupts is None:
            return None
        lengths = np.diff(rows.offsets)
        out = self._corrupts.places(lengths, np.arange(len(lengths)), DRAW_SEED, 0)[0]
        places = np.flatnonzero(out)
        ids = np.asarray(rows.input_ids[:], np.int64)
        size = max(len(self.tokenizer), 1 + max(int(store.input_ids.max(initial=0)) for store in (train, rows)))
        model = counted(train, 1, size)
        values = np.zeros((len(places), 4))
        values[:, LABEL], values[:, BEST] = ids[places], model.likeliest
        values[:, NLL] = model.nll(ids, rows.offsets[1:], places)
        return self.predictions(Answers(values, np.searchsorted(places, rows.offsets)), rows)[:, : len(SUMS)]

    def show(self, row: dict[str, Any], prediction: Any, reference: Any = None) -> dict[str, Any]:
        if not isinstance(prediction, dict) or "masked" not in prediction:
            return super().show(row, prediction, reference)
        said, right = prediction["predicted"], prediction["right"]
        marks = self.tokenizer.convert_ids_to_tokens(sorted(self._number, key=lambda token: self._number[token]))
        return {
            "kind": "gaps", "inputs": {"text": prediction["masked"]}, "prediction": " | ".join(said),
            "reference": " | ".join(right), "right": said == right, "gaps": gaps(prediction["masked"], marks, said, right),
        }  # fmt: skip


def _ends(labels: torch.Tensor, end: int) -> torch.Tensor:
    """The last `end` labels of each row; bool, as labels."""
    there = labels != IGNORED
    behind = there.flip(1).cumsum(1).flip(1)  # labels from here to the row's end
    return there & (behind <= end)
