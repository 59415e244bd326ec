"""The words that fill masks: which are asked for, how likely each is, and what the text is with them.

Invariant: scores, tokens and texts are those of transformers' FillMaskPipeline.

    filled(values, ids, tokenizer)      # [{"score": 0.9, "token": 1820, "token_str": "of", "sequence": "… of …"}, …]
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from byeori.data.wording import short
from byeori.errors import RowsError, SettingError
from byeori.tasks.probabilities import softmax
from byeori.text.blocks import token_lists

if TYPE_CHECKING:
    from byeori.text.store import Encoded

MASKS = ("[MASK]", "<mask>", "<MASK>", "[mask]", "<extra_id_0>", "___")  # what models call theirs


def check_masks(texts: Sequence[str], encoded: Encoded, tokenizer: Any, most: int) -> None:
    """Raises RowsError for texts without the mask token; `most`: the tokens of a text that are read."""
    masks = np.cumsum(encoded.input_ids == tokenizer.mask_token_id)
    ends = np.cumsum(encoded.lengths)
    without = np.flatnonzero(np.diff(masks[ends - 1], prepend=0) == 0)
    if len(without):
        raise RowsError({int(place): _maskless(texts[int(place)], tokenizer.mask_token, most) for place in without})


def _maskless(text: str, own: str, most: int) -> str:
    other = next((mask for mask in MASKS if mask != own and mask in text), None)
    start = f'the text "{short(text)}" has '
    if own in text:
        return f"{start}its {own} beyond the {most} tokens that are read. Shorten it, or raise --max-length."
    if other is not None:
        right = short(text.replace(other, own), 60)
        return f'{start}{other}, but the mask token of this model is {own}. Write "{right}".'
    return f"{start}no mask: put {own} where a word is to be found."


def target_ids(targets: Any, tokenizer: Any) -> np.ndarray:
    """Ids of the words asked for; one that is no token stands for its first, with a warning. Raises SettingError."""
    words = [targets] if isinstance(targets, str) else list(targets)
    vocabulary = tokenizer.get_vocab()
    found = []
    for word in words:
        if not isinstance(word, str):
            raise SettingError(f"targets={targets!r}: {word!r} is no word. Give a word or a list of words.")
        number = vocabulary.get(word)
        if number is None:
            ids = token_lists(tokenizer, [word])[0]
            said = f"fill-mask: the target {word!r} is no token of this model"
            if not ids:
                warnings.warn(f"{said} and has none in it; it is left out.", stacklevel=2)
                continue
            number = ids[0]
            token = tokenizer.convert_ids_to_tokens(number)
            warnings.warn(f"{said}; its first piece, {token!r}, stands for it.", stacklevel=2)
        found.append(number)
    if not found:
        raise SettingError(
            f"targets={targets!r}: none of these words is known to the tokenizer. Give at least one that is."
        )
    return np.array(sorted(set(found)), np.int64)


def likeliest(logits: Any, top_k: int, targets: np.ndarray | None) -> Any:
    """Logits (masks, vocabulary) → the likeliest tokens, of `targets` alone if given: float32 (masks, top_k, 2), probability and id.

    Of arrays an array.
    """
    if isinstance(logits, np.ndarray):
        chances = softmax(logits)
        wanted_ids = np.arange(chances.shape[-1]) if targets is None else targets
        chances = chances[:, wanted_ids]
        order = np.argsort(-chances, axis=-1, kind="stable")[:, :top_k]
        return np.stack([np.take_along_axis(chances, order, -1), wanted_ids[order].astype(np.float32)], -1)
    import torch

    scores = logits.float().softmax(-1)
    if targets is None:
        values, ids = scores.topk(min(top_k, scores.shape[-1]))
        return torch.stack([values, ids.float()], -1)
    wanted = torch.from_numpy(targets).to(scores.device)
    values, places = scores[:, wanted].topk(min(top_k, len(wanted)))
    return torch.stack([values, wanted[places].float()], -1)


def filled(found: np.ndarray, ids: list[int], tokenizer: Any) -> list[Any]:
    """The answer to one text: a dict a word, in lists of their own where there are several masks.

    `found` (masks, top_k, 2) as `likeliest` gives it, `ids` the text's own.
    """
    masks = [place for place, one in enumerate(ids) if one == tokenizer.mask_token_id]
    result = []
    for place, best in zip(masks, found, strict=True):
        row = []
        for score, token in best:
            new = [*ids[:place], int(token), *ids[place + 1 :]]
            kept = [one for one in new if one != tokenizer.pad_token_id]
            row.append({
                "score": float(score), "token": int(token), "token_str": tokenizer.decode([int(token)]),
                "sequence": tokenizer.decode(kept, skip_special_tokens=len(masks) == 1),
            })  # fmt: skip
        result.append(row)
    return result[0] if len(masks) == 1 else result
