"""An ONNX export run by ONNX Runtime: rectangles of a pack → logits.

Invariants: padded places are masked; logits come back in the pack's order.

    model = load(Path("exported"), said, config, threads=2)
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from byeori.errors import ModelError
from byeori.models.outside import Outside, Plain

FILE = "model.onnx"
SLOWER = [
    "SkipLayerNormFusion"
]  # its step takes eight times as long on a CPU as the two that it is made of (1.31.0, 1.32.0)


class OnnxModel(Outside):
    """`session` is an onnxruntime.InferenceSession; `head`: "pooled" or "tokens", what its logits are of."""

    # MiniLM in int8 on one core, rows of 32 tokens: 23.7 thousand tokens a second with 512 at once, 20.2 with 2,048, whose
    # intermediate results are in no cache any more; a run of the graph costs what 7 tokens do.
    pack_tokens, group_cost = 512, 8.0

    def __init__(self, session: Any, head: str, *args: Any):
        super().__init__(*args)
        self.session, self.head = session, head
        self.names = [one.name for one in session.get_inputs()]

    def _run(self, given: dict[str, np.ndarray]) -> np.ndarray:
        (found,) = self.session.run(None, {name: given[name] for name in self.names})
        return np.asarray(found, np.float32)

    def pooled_logits(self, pack: Any) -> np.ndarray:
        if self.head != "pooled":
            raise self.lacks("a head that reads a whole sequence")
        return np.concatenate([self._run(given) for _, given in pack.rectangles()])

    def token_logits(self, pack: Any) -> np.ndarray:
        if self.head != "tokens":
            raise self.lacks("answers for each token")
        every = np.arange(pack.computed)
        return np.concatenate([self._tokens(given, every[: at.stop - at.start]) for at, given in pack.rectangles()])

    def logits_at(self, pack: Any, places: np.ndarray) -> np.ndarray:
        """Logits (places, vocabulary) of a masked language model, whose matrix is applied to these places alone."""
        found = np.zeros((len(places), self.vocabulary), np.float32)
        for at, given in pack.rectangles():
            inside = (places >= at.start) & (places < at.stop)
            if inside.any():
                found[inside] = self._tokens(given, places[inside] - at.start)
        return found

    def _tokens(self, given: dict[str, np.ndarray], places: np.ndarray) -> np.ndarray:
        logits = self._run({**given, "places": places.astype(np.int64)})
        return logits.reshape(-1, logits.shape[-1])


def load(path: Path, said: dict[str, Any], config: Plain, threads: int) -> OnnxModel:
    """Raises ModelError for a graph that is missing, damaged, or of another version."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    if not (path / FILE).is_file():
        raise ModelError(f"{path}: there is no {FILE} in it; the export isn't whole. Export the model again.")
    try:
        session = onnxruntime.InferenceSession(
            str(path / FILE), options, providers=["CPUExecutionProvider"], disabled_optimizers=SLOWER
        )
    except Exception as error:  # ONNX Runtime's own classes stand in a private module
        raise ModelError(
            f"{path / FILE}: ONNX Runtime {onnxruntime.__version__} can't load it ({' '.join(str(error).split())[:200]}). Export the model "
            f"again, or install onnxruntime {said['versions'].get('onnxruntime')} or later, which it was made with."
        ) from error
    return OnnxModel(
        session, said["head"], config, Plain(**said["generation"]), said["vocabulary"], said["first_position"]
    )
