"""A model that runs outside of torch: what tasks ask of a model, answered in NumPy by a runtime (ONNX Runtime, CTranslate2).

Invariants: nothing of torch is imported for one; what tasks ask of any model goes through the functions here, which hand a model of
torch on to `byeori.models.packed` and `byeori.models.language`.

    logits = pooled_logits(model, pack)
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from byeori.errors import ModelError


class Plain(SimpleNamespace):
    """A configuration as plain values; what it doesn't say is None."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return None


class Outside:
    """`config` and `generation_config` are plain values; `first_position` as `byeori.models.packed.first_position`."""

    pack_tokens = 4_096  # computed at once
    group_cost = 8.0  # of one more rectangle, in tokens

    def __init__(self, config: Plain, generation_config: Plain, vocabulary: int, first_position: int = 0):
        self.config, self.generation_config = config, generation_config
        self.vocabulary, self.first_position = vocabulary, first_position
        self.training, self.dtype = False, "float32"

    def get_input_embeddings(self) -> Any:
        return SimpleNamespace(num_embeddings=self.vocabulary)

    def pooled_logits(self, pack: Any) -> np.ndarray:
        """float32 (sequences, labels), in the pack's order."""
        raise self.lacks("a head that reads a whole sequence")

    def token_logits(self, pack: Any) -> np.ndarray:
        """float32 (tokens, labels), in the pack's order; the last hidden states of a model without a head."""
        raise self.lacks("answers for each token")

    def logits_at(self, pack: Any, places: np.ndarray) -> np.ndarray:
        """float32 (places, vocabulary) at some of the pack's tokens."""
        found: np.ndarray = self.token_logits(pack)[places]
        return found

    def write(self, prompts: list[list[int]], decoding: Any, *, ends: bool = False) -> list[list[list[int]]]:
        """New ids, `num_return_sequences` lists for each prompt."""
        raise self.lacks("a decoder that writes")

    def lacks(self, what: str) -> ModelError:
        return ModelError(f"this export has not {what}. Export the model again for the task that it is to do.")


def pooled_logits(model: Any, pack: Any) -> Any:
    """As `byeori.models.packed.pooled_logits`."""
    if isinstance(model, Outside):
        return model.pooled_logits(pack)
    from byeori.models import packed

    return packed.pooled_logits(model, pack)


def token_logits(model: Any, pack: Any) -> Any:
    """As `byeori.models.packed.token_logits`."""
    if isinstance(model, Outside):
        return model.token_logits(pack)
    from byeori.models import packed

    return packed.token_logits(model, pack)


def vocabulary_logits(model: Any, pack: Any, places: Any) -> Any:
    """As `byeori.models.language.vocabulary_logits`."""
    if isinstance(model, Outside):
        return model.logits_at(pack, places)
    from byeori.models import language

    return language.vocabulary_logits(model, pack, places)


def likelihoods(model: Any, pack: Any, places: Any, labels: Any, states: list[Any] | None = None) -> tuple[Any, Any]:
    """As `byeori.models.language.likelihoods`."""
    if not isinstance(model, Outside):
        from byeori.models import language

        return language.likelihoods(model, pack, places, labels, states)
    logits = model.logits_at(pack, places)
    highest = logits.max(-1, keepdims=True, initial=-np.inf)
    total = np.log(np.exp(logits - highest).sum(-1)) + highest[:, 0]
    return total - logits[np.arange(len(logits)), labels], logits.argmax(-1)


def host(values: Any) -> np.ndarray:
    """A tensor of torch, or what is an array already, as an array."""
    found: np.ndarray = values if isinstance(values, np.ndarray) else values.cpu().numpy()
    return found


def single(values: Any) -> Any:
    """In float32; an array or a tensor."""
    return values.astype(np.float32) if isinstance(values, np.ndarray) else values.float()


def beside(values: np.ndarray, other: Any) -> Any:
    """An array as `other` is one: itself beside arrays, beside a tensor a tensor on its device."""
    if isinstance(other, np.ndarray):
        return values
    import torch

    return torch.from_numpy(values).to(other.device, non_blocking=True)
