"""feature-extraction: a text → the model's last hidden states, a vector a token; pooled to one vector on request.

What comes back is what transformers' pipeline gives: special tokens included, nothing scaled. `pooling` mean (of a text's
own tokens, special ones included) or cls (its first one), with `normalize`, is the recipe of sentence-transformers
(Reimers and Gurevych, 2019). Any model can be asked, one that was trained for another task too; none is trained here.

    byeori predict MODEL texts.tsv --task feature-extraction --pooling mean --normalize --output vectors.parquet
"""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from byeori.errors import SettingError
from byeori.settings import setting
from byeori.tasks.base import Task, texts_from

if TYPE_CHECKING:
    import torch

    from byeori.batches.answers import Answers
    from byeori.batches.pack import Pack
    from byeori.data.rows import Rows
    from byeori.text.encode import Encoder
    from byeori.text.store import Encoded, TokenStore

TOKENS_AT_ONCE = 32_768  # vectors of tokens held at once: 128 MB for 1,024 numbers each
TENSORS = {"pt": "pt", "true": "pt", "np": "np", "none": None, "false": None}
_FEEDS_ITSELF: WeakKeyDictionary[Any, bool] = WeakKeyDictionary()
NO_ANSWERS = (
    "feature-extraction has no right answers to score. To judge vectors train a text-classification on them, or compare the "
    "cosines of pairs with their similarities yourself."
)


@dataclass(kw_only=True)
class Call:
    """What a call may ask for."""

    pooling: str = setting("none", "one vector a text instead of one a token", choices=("none", "mean", "cls"))
    normalize: bool = setting(False, "scale every vector to length 1")
    return_tensors: bool | str | None = setting(
        None, "tensors instead of lists, in Python: pt (or true) for torch, np for NumPy", choices=("pt", "np")
    )


class FeatureExtraction(Task):
    name = "feature-extraction"
    summary = "a text → vectors: one a token, or one for the text"
    auto_class = "AutoModel"
    roles = ("text", "text_pair")
    needed = ("text",)
    answers = ()
    levels = {}
    trains = False
    models_of = ("*",)
    unread = ("pooler",)  # BERT's second output; many checkpoints come without its weights
    Call = Call

    # rows -------------------------------------------------------------------------------------------------------
    def inputs(self, given: Any) -> tuple[list[dict[str, Any]], bool]:
        return texts_from(given, ("text", "text_pair"))

    def prepare(self, rows: Rows | None) -> None:
        """Raises SettingError: there is nothing to learn."""
        raise SettingError(
            "feature-extraction is not trained: it gives what a model has learnt at another task. Train that one, such as "
            "text-classification, and name the run as the model here."
        )

    def check(self, rows: Rows) -> None:
        """Raises SettingError: rows are only checked to be scored."""
        raise SettingError(NO_ANSWERS)

    def window(self, call: Any, max_length: int) -> int | None:
        """The most rows whose answers should be held at once; None where they are as small as any task's."""
        return max(1, TOKENS_AT_ONCE // max_length) if (call or Call()).pooling == "none" else None

    # ids --------------------------------------------------------------------------------------------------------
    def encode(self, rows: dict[str, list], encoder: Encoder, labels: bool = False, call: Any | None = None) -> Encoded:
        """Raises SettingError for `cls` where a text's first token isn't the one that stands for all of it."""
        encoded = encoder(rows["text"], rows.get("text_pair"))
        if (call or Call()).pooling == "cls":
            first = encoded.input_ids[np.cumsum(encoded.lengths) - encoded.lengths]
            if not (first == (-1 if encoder.tokenizer.cls_token_id is None else encoder.tokenizer.cls_token_id)).all():
                raise SettingError(
                    f"pooling='cls': this model's texts don't begin with a token that stands for all of them "
                    f"({type(encoder.tokenizer).__name__} has {encoder.tokenizer.cls_token or 'none'}). Give mean."
                )
        return encoded

    # model ------------------------------------------------------------------------------------------------------
    def outputs(self, model: torch.nn.Module, pack: Pack) -> Any:
        """`logits`: the last hidden states, (tokens of the pack, size).

        Of an encoder-decoder, as transformers has it, the decoder's where it makes its own input (BART), else the
        encoder's (T5), where transformers has an error.
        """
        from byeori.models.outside import Outside, token_logits

        if isinstance(model, Outside):
            return SimpleNamespace(logits=token_logits(model, pack))
        import torch

        from byeori.models.packed import unwrapped

        inner: Any = unwrapped(model)
        if not inner.config.is_encoder_decoder or _feeds_itself(inner):
            return SimpleNamespace(logits=token_logits(model, pack))
        rectangles = (pack.rectangle(group) for group in pack.layout.groups)
        found = [
            inner.get_encoder()(input_ids=one["input_ids"], attention_mask=one["attention_mask"])[0].flatten(0, 1)
            for one in rectangles
        ]
        return SimpleNamespace(logits=torch.cat(found))

    # predictions ------------------------------------------------------------------------------------------------
    def gather(self, outputs: Any, pack: Pack, call: Any | None = None) -> tuple[torch.Tensor, np.ndarray | None]:
        """float32 (sequences, size), or (tokens, size) with the number of tokens a sequence."""
        asked = call or Call()
        hidden = outputs.logits
        if isinstance(hidden, np.ndarray):
            return _pooled(hidden, pack, asked)
        import torch
        from torch.nn import functional as F

        from byeori.batches.answers import spread

        starts, lengths = (places.cpu().numpy() for places in (pack.layout.starts, pack.layout.lengths))
        counts = None
        if asked.pooling == "cls":
            found = hidden[pack.layout.starts].float()
        else:
            found = hidden[torch.from_numpy(spread(starts, lengths)).to(hidden.device)].float()
            if asked.pooling == "mean":
                owner = torch.repeat_interleave(pack.layout.lengths)
                sums = found.new_zeros(len(pack), found.shape[1]).index_add(0, owner, found)
                found = sums / pack.layout.lengths[:, None]
            else:
                counts = lengths
        return (F.normalize(found, dim=-1) if asked.normalize else found), counts

    def decode(self, answers: Answers, store: TokenStore, call: Any | None = None) -> list[Any]:
        """[[[number]]] a row, (1, tokens, size), as transformers has it; [number], (size,), where they are pooled.

        With `return_tensors` float32 tensors or arrays of these shapes, which are not JSON-ready.
        """
        asked = call or Call()
        kind = TENSORS[str(asked.return_tensors).lower()]
        found: list[Any] = []
        for sequence in range(len(answers)):
            vectors = answers.of(sequence) if asked.pooling != "none" else answers.of(sequence)[None]
            if kind == "pt":
                import torch

                found.append(torch.from_numpy(vectors.copy()))
            else:
                found.append(vectors.copy() if kind == "np" else vectors.tolist())
        return found


def _pooled(hidden: np.ndarray, pack: Any, asked: Call) -> tuple[Any, np.ndarray | None]:
    """As `FeatureExtraction.gather`, of an array (tokens, size)."""
    from byeori.batches.answers import spread

    counts = None
    if asked.pooling == "cls":
        found = hidden[pack.starts]
    else:
        found = hidden[spread(pack.starts, pack.lengths)]
        if asked.pooling == "mean":
            found = np.add.reduceat(found, np.cumsum(pack.lengths) - pack.lengths) / pack.lengths[:, None].astype(
                np.float32
            )
        else:
            counts = pack.lengths
    if asked.normalize:
        found = found / np.maximum(np.linalg.norm(found, axis=-1, keepdims=True), 1e-12)
    return found, counts


def _feeds_itself(model: Any) -> bool:
    """Whether an encoder-decoder makes its decoder's input of its own where nobody gives it one: tried once."""
    import torch

    if model not in _FEEDS_ITSELF:
        token = 0 if model.config.pad_token_id else 1  # any that is no padding
        ids = torch.full((1, 2), token, device=next(model.parameters()).device)
        with torch.no_grad():
            try:
                model(input_ids=ids)
                _FEEDS_ITSELF[model] = True
            except ValueError:
                _FEEDS_ITSELF[model] = False
    return _FEEDS_ITSELF[model]
