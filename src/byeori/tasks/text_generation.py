"""text-generation: a decoder learns to go on with a text, and does.

It learns from running text, packed end to end into blocks of `--block-length` tokens (a row of the batch is a block; no
document sees another), from prompts and completions, or from conversations as the tokenizer's chat template writes them;
of the last two only the completions and the assistant's turns are learnt, a row each. It is judged by the likelihood of
the right text, token by token, and writes where it is called.

    byeori train --task text-generation --model openai-community/gpt2 --train book.txt --output run
"""

from __future__ import annotations

import dataclasses
import warnings
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from byeori.errors import DataError, ModelError, RowsError, SettingError
from byeori.generate.decoding import Decoding, over
from byeori.settings import setting
from byeori.tasks.likelihood import Likelihood, a_sequence, at_labels, counted, sums
from byeori.tasks.replies import (
    END,
    Call,
    check_lengths,
    fitting,
    goes_on,
    is_chat,
    own_decoding,
    replies,
    request,
    said,
    texts_of,
    words,
)  # fmt: skip
from byeori.text import parts
from byeori.text.blocks import IGNORED, LEVELS, around, encode_documents, token_lists
from byeori.text.store import Encoded

if TYPE_CHECKING:
    import torch

    from byeori.batches.answers import Answers
    from byeori.batches.pack import Pack
    from byeori.data.rows import Rows
    from byeori.text.encode import Encoder
    from byeori.text.store import TokenStore

PREVIEW_PROMPT, PREVIEW_NEW = 32, 48  # tokens of a running text that a sample begins with, and that are written
CODES = ("Books", "Links", "News", "Questions", "Reviews", "Wikipedia")  # some of CTRL's
ORDERS = {"trivial": 1, "linear": 3}  # baselines: how frequent a token is; what follows the two before it


@dataclass(kw_only=True)
class Training:
    """What it learns from."""

    block_length: int | None = setting(
        None, "tokens a block of running text; --max-length if not given", least=2, scores=True
    )
    document: str | None = setting(
        None, "what a document is in a plain text file; recognised if not given", choices=("line", "paragraph", "file")
    )
    chat_template: str | None = setting(
        None, "a Jinja file: how conversations are written, for a tokenizer that doesn't say", metavar="FILE"
    )


class TextGeneration(Likelihood):
    name = "text-generation"
    summary = "a text → how it goes on; a conversation → the next turn"
    auto_class = "AutoModelForCausalLM"
    roles = ("text", "prompt", "completion", "messages")
    needed = ()
    answers = ("completion",)
    forms = (("messages",), ("prompt", "completion"), ("text",))
    levels = LEVELS
    generates = True
    teacher_forced = True
    default_length = 1_024  # as the examples of transformers cut running text
    Training = Training
    Call = Call

    def __init__(self, **values: Any):
        super().__init__(**values)
        self.form: str | None = None  # the column it learnt from
        self.tokenizer: Any = None
        self.limit: int | None = None  # tokens the model takes
        self.prompts_cut = self.ended = 0  # rows whose prompt was cut, until noted; that got an end token, until told
        self._hinted = False

    # rows -------------------------------------------------------------------------------------------------------
    def inputs(self, given: Any) -> tuple[list[dict[str, Any]], bool]:
        """A text, a conversation (a list of {role, content}), {"text" | "prompt" | "messages": …}, or a list of them."""
        single = isinstance(given, str | dict) or is_chat(given)
        items = [given] if single else list(given)
        return [request(item, place) for place, item in enumerate(items)], single

    def prepare(self, rows: Rows) -> None:
        self.form = next((form[0] for form in self.forms if form[0] in rows.table.column_names), None)
        self.check(rows)

    def check(self, rows: Rows) -> None:
        """Raises DataError for rows that are token ids already, and for a conversation in which there is nothing to learn."""
        self.refuse_tokenized(rows)
        if "messages" not in rows.table.column_names:
            return
        for place, messages in enumerate(rows.table["messages"]):
            if not any(message["role"] == parts.WRITER for message in messages):
                found = ", ".join(dict.fromkeys(message["role"] for message in messages))
                raise DataError(
                    f"{rows.origin.where(place)}: no turn of the conversation is the {parts.WRITER}'s (found: {found}), so there is "
                    f'nothing to learn from it. Name the turns to be learnt "{parts.WRITER}", or leave such rows out.'
                )

    def meet(self, model: Any, tokenizer: Any) -> None:
        """Raises ModelError for a model whose tokens see those after them, and for conversations without a template."""
        from byeori.models.checks import usable_length
        from byeori.models.outside import Outside

        self.tokenizer, self.limit = tokenizer, usable_length(model, tokenizer)
        template = self.settings.chat_template
        if template is not None:
            if not Path(template).is_file():
                raise SettingError(f"chat_template={template!r}: there is no such file.")
            tokenizer.chat_template = Path(template).read_text(encoding="utf-8")
        if self.form == "messages" and not tokenizer.chat_template:
            parts.render(tokenizer, [{"role": "user", "content": ""}])
        if isinstance(model, Outside):  # it was asked when it was exported
            return
        from byeori.models.language import sees_ahead

        if sees_ahead(model):
            raise ModelError(
                f"{type(model).__name__} is an encoder: its tokens see those after them, so that it would learn to copy, not to write. "
                f"Take a decoder (GPT-2, Llama, Qwen, Gemma…), or train this model for fill-mask."
            )

    # ids --------------------------------------------------------------------------------------------------------
    def encode(self, rows: dict[str, list], encoder: Encoder, labels: bool = True, call: Any | None = None) -> Encoded:
        self.tokenizer = encoder.tokenizer
        found = self._learnt(rows, encoder) if labels else self._prompts(rows, encoder, call or Call())
        if encoder.token_types:
            found.columns["token_type_ids"] = np.zeros(len(found.input_ids), np.uint8)
        return found

    def _learnt(self, rows: dict[str, list], encoder: Encoder) -> Encoded:
        tokenizer, most, cut = encoder.tokenizer, encoder.max_length, encoder.truncation
        if "messages" in rows:
            return self._counted(parts.encode_parts(
                tokenizer, parts.conversations(tokenizer, rows["messages"]), most, cut, special=False
            ))  # fmt: skip
        if "prompt" in rows:
            pairs = zip(rows["prompt"], rows["completion"], strict=True)
            both = [[parts.Part(prompt, False), parts.Part(completion, True)] for prompt, completion in pairs]
            return self._counted(parts.encode_parts(tokenizer, both, most, cut))
        self._hint(rows["text"])
        length = self.settings.block_length or most
        if self.limit is not None and length > self.limit:
            raise SettingError(
                f"block_length={length}: the model takes {self.limit} tokens at most. Give that or less."
            )
        return encode_documents(tokenizer, rows["text"], length)

    def _counted(self, encoded: parts.EncodedParts) -> Encoded:
        self.prompts_cut += encoded.prompts_cut
        self.ended += encoded.ended
        return encoded

    def notes(self, store: TokenStore) -> list[str]:
        """Prompts that were cut since this was last asked. Raises DataError where nothing at all can be learnt."""
        if len(store) and not (np.asarray(store.columns["labels"]) != IGNORED).any():
            where = "the texts" if store.source is None else store.source.origin.where(0)
            raise DataError(
                f"{where}: nothing of it can be learnt, nor of any other row: after its first token there is none that is to be "
                f"written. Check which columns are the prompt and the completion (--prompt, --completion), or give longer texts."
            )
        cut, self.prompts_cut = self.prompts_cut, 0
        if not cut:
            return []
        return [
            f"{cut:,} of {len(store):,} prompts fill --max-length ({store.decoding['max_length']}) by themselves; they were cut from "
            f"their left, so that what follows them is learnt."
        ]

    def told(self) -> list[str]:
        """Of a chat template without an end token, since this was last asked."""
        ended, self.ended = self.ended, 0
        if not ended:
            return []
        return [
            f"The chat template writes no end token after the assistant's turn; {self.tokenizer.eos_token} is added, or the model "
            f"would not learn to stop."
        ]

    def _prompts(self, rows: dict[str, list], encoder: Encoder, call: Any) -> Encoded:
        """Prompts of a call. Raises RowsError for those that leave no room for what is asked, or no template takes, SettingError."""
        tokenizer = encoder.tokenizer
        check_lengths(call, self.limit)
        before = around(tokenizer)[0] if call.add_special_tokens else []
        texts, chats, refused = [], [], {}
        for row in (dict(zip(rows, values, strict=True)) for values in zip(*rows.values(), strict=True)):
            chats.append(row.get("messages") is not None)
            try:
                texts.append(self._rendered(row["messages"], call) if chats[-1] else (call.prefix or "") + said(row))
            except DataError as error:
                refused[len(texts)] = str(error)
                texts.append("")
        self._hint([text for text, chat in zip(texts, chats, strict=True) if not chat])
        start = encoder.nothing if tokenizer.bos_token_id is None else tokenizer.bos_token_id
        lists = []
        for text, chat, own in zip(texts, chats, token_lists(tokenizer, texts), strict=True):
            ids = (own if chat else [*before, *own]) or [start]
            try:
                lists.append(fitting(ids, text, call, self.limit))
            except DataError as error:
                refused[len(lists)] = str(error)
                lists.append([])
        if refused:
            raise RowsError(refused)
        lengths = np.array([len(ids) for ids in lists], np.int64)
        return Encoded(np.concatenate([np.asarray(ids, np.int32) for ids in lists]), lengths, {})

    def _rendered(self, messages: list[dict[str, str]], call: Any) -> str:
        going_on = goes_on(messages, call)
        return parts.render(self.tokenizer, messages, opening=not going_on, going_on=going_on)

    def _hint(self, texts: list[str]) -> None:
        """CTRL was trained on texts that each begin with a word for their kind."""
        codes = getattr(self.tokenizer, "control_codes", None)
        if codes and not self._hinted and any(text.split(" ", 1)[0] not in codes for text in texts):
            self._hinted = True
            warnings.warn(
                f"{type(self.tokenizer).__name__}: texts of this model begin with a control code, a word for their kind, and some of these "
                f"don't; what it writes will be poor. Begin each with one of them ({', '.join(CODES)}…).",
                stacklevel=2,
            )

    # model ------------------------------------------------------------------------------------------------------
    def outputs(self, model: torch.nn.Module, pack: Pack) -> Any:
        """nll float32 and best int64 (labels,): −log p of each label and the likeliest token there; places int64 (labels,).

        Logits are not kept: an own loss that wants them takes `byeori.models.packed.token_logits(model, pack)`.
        """
        from byeori.models.outside import likelihoods

        places = pack.counted
        nll, best = likelihoods(model, pack, places, pack.labels[places])
        return SimpleNamespace(nll=nll, best=best, places=places)

    def loss(self, outputs: Any, pack: Pack) -> torch.Tensor:
        """(tokens,): −log p of each label, 0 where there is none."""
        return at_labels(outputs.nll, outputs.places, pack)

    # predictions ------------------------------------------------------------------------------------------------
    def gather(self, outputs: Any, pack: Pack, call: Any | None = None) -> tuple[Any, np.ndarray]:
        """float32 (labels, 2): −log p, and 1 where the likeliest token is the right one."""
        counts = a_sequence(pack.labels != IGNORED, pack)
        if isinstance(outputs.nll, np.ndarray):
            same = outputs.best == pack.labels[outputs.places]
            return np.stack([outputs.nll, same], 1).astype(np.float32), counts
        import torch

        right = (outputs.best == pack.labels[outputs.places]).float()
        return torch.stack([outputs.nll.float(), right], 1), counts

    def generate(self, model: torch.nn.Module, tokenizer: Any, pack: Pack, call: Any | None = None) -> tuple:
        """New ids, each text closed by −1. Of labelled rows (samples) only the longest sequence is gone on with."""
        from byeori.generate.decoding import own_way
        from byeori.models.outside import Outside, host
        from byeori.models.shortage import placed

        starts, lengths = pack.starts.tolist(), pack.lengths.tolist()
        ids = host(pack.input_ids)
        wanted = np.arange(len(pack))
        decoding, own, _ = self.way(model, tokenizer, call)
        ends = self.with_ends(call)
        if "labels" in pack.columns:
            most = min(PREVIEW_NEW, (self.limit or 2 * PREVIEW_NEW) // 2)
            decoding, own = Decoding(max_new_tokens=most, do_sample=False, num_beams=1), {}
            longest = {int(row): place for place, row in enumerate(pack.rows)}  # a pack is in order of length
            labels = host(pack.labels)
            lengths = [_prompt(labels[s : s + n]) for s, n in zip(starts, lengths, strict=True)]
            wanted = np.array([place for place in longest.values() if lengths[place]], np.int64)
            if self.limit is not None:  # of a prompt without room behind it the end is gone on with
                skipped = [max(0, n + most - self.limit) for n in lengths]
                starts, lengths = np.add(starts, skipped).tolist(), np.subtract(lengths, skipped).tolist()
        prompts = [ids[starts[place] : starts[place] + lengths[place]].tolist() for place in wanted]
        with own_way(model, own), placed(lambda place: int(wanted[place])):
            if isinstance(model, Outside):
                written = model.write(prompts, decoding, ends=ends)
            else:
                from byeori.generate.write import write

                written = write(model, prompts, decoding, pad=pack.pad_token_id, tokenizer=tokenizer, ends=ends)
        counts = np.zeros(len(pack), np.int64)
        values: list[int] = []
        for place, texts in zip(wanted, written, strict=True):
            closed = self.laid(texts)
            values += closed
            counts[place] = len(closed)
        flat: Any = np.array(values, np.int64)
        if not isinstance(model, Outside):
            import torch

            flat = torch.from_numpy(flat)
        return flat, counts

    def with_ends(self, call: Any | None) -> bool:
        """Whether a call wants the end tokens of its texts."""
        return call is not None and bool(call.return_tensors or not call.skip_special_tokens)

    def laid(self, texts: list[list[int]]) -> list[int]:
        """The texts of one row as `decode` takes them: each closed by −1."""
        return [one for text in texts for one in (*text, END)]

    def way(self, model: Any, tokenizer: Any, call: Any | None) -> tuple[Decoding, dict[str, Any], dict[str, Any]]:
        """How a call's texts are written: what is asked, the checkpoint's own way, tokens that are forced."""
        return over(call), own_decoding(model.config, self.name), {}

    def words(self, prompt: list[int], new: list[int], call: Any) -> str:
        """The text of new tokens behind their prompt."""
        return words(self.tokenizer, prompt, new, call)

    def decode(self, answers: Answers, store: TokenStore, call: Any | None = None) -> list[Any]:
        """A list of {"generated_text"} a row; of what was evaluated each row's perplexity; of samples prompt, text, right text."""
        if np.issubdtype(answers.values.dtype, np.floating):
            return [self.named(row) for row in self.predictions(answers, store)]
        if "labels" in store.levels:
            return [self._sample(answers, store, row) for row in range(len(store))]
        call = call or Call()
        return [
            replies(texts_of(answers.of(row)), store[row]["input_ids"], store.row(row), self.tokenizer, call)
            for row in range(len(store))
        ]

    def _sample(self, answers: Answers, store: TokenStore, row: int) -> dict[str, Any]:
        """The one sequence of a row that was gone on with."""
        own = range(int(store.row_offsets[row]), int(store.row_offsets[row + 1]))
        chosen = next((sequence for sequence in own if len(answers.of(sequence))), own[0])
        inside = slice(int(store.offsets[chosen]), int(store.offsets[chosen + 1]))
        ids, length = store.input_ids[inside].tolist(), _prompt(store.columns["labels"][inside])
        written, call = texts_of(answers.of(chosen)), Call()
        right = ids[length : length + PREVIEW_NEW]
        return {
            "prompt": self.tokenizer.decode(ids[:length], skip_special_tokens=True),
            "generated_text": words(self.tokenizer, ids[:length], written[0], call) if written else "",
            "reference": words(self.tokenizer, ids[:length], right, call),
        }

    def predictions(self, answers: Answers, store: TokenStore) -> np.ndarray:
        """float64 (documents, 4): each document's sums, over all the blocks that it stands in."""
        assert answers.offsets is not None
        found = sums(answers.values, answers.offsets)  # (sequences, 2)
        tokens = np.diff(answers.offsets)
        columns = np.stack([found[:, 0], tokens, found[:, 1], store.columns["characters"]], 1)
        return sums(columns, np.append(np.flatnonzero(store.columns["begins"]), len(columns)))

    def baseline(self, kind: str, train: Any, rows: Any, seed: int) -> np.ndarray:
        """Of token stores: add-one unigrams, Witten–Bell trigrams; as `predictions`, over the same tokens."""
        from byeori.batches.answers import Answers

        labels = np.asarray(rows.columns["labels"])
        places = np.flatnonzero(labels != IGNORED)
        vocabulary = 1 + max(int(store.input_ids.max(initial=0)) for store in (train, rows))
        vocabulary = max(vocabulary, 0 if self.tokenizer is None else len(self.tokenizer))
        model = counted(train, ORDERS[kind], vocabulary)
        ids, ends = rows.input_ids[:], rows.offsets[1:]
        values = np.stack([model.nll(ids, ends, places + 1), model.best(ids, ends, places + 1) == labels[places]], 1)
        return self.predictions(Answers(values, np.searchsorted(places, rows.offsets)), rows)

    def show(self, row: dict[str, Any], prediction: Any, reference: Any = None) -> dict[str, Any]:
        if not isinstance(prediction, dict) or "prompt" not in prediction:
            return super().show(row, prediction, reference)
        return {
            "kind": "text", "inputs": {"prompt": prediction["prompt"]}, "prediction": prediction["generated_text"],
            "reference": prediction["reference"], "right": None,
        }  # fmt: skip

    # saving -----------------------------------------------------------------------------------------------------
    def state(self) -> dict[str, Any]:
        """The chat template goes with the tokenizer."""
        return {"settings": {**dataclasses.asdict(self.settings), "chat_template": None}, "form": self.form}

    def restore(self, state: dict[str, Any]) -> None:
        self.form = state["form"]


def _prompt(labels: np.ndarray) -> int:
    """Tokens of a labelled sequence that a sample begins with: all before what is learnt, or some of a running text."""
    learnt = np.flatnonzero(labels != IGNORED)
    if not len(learnt):
        return 0
    return int(learnt[0]) + 1 if learnt[0] else min(PREVIEW_PROMPT, max(1, len(labels) // 2))
