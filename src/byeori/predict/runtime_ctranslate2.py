"""A CTranslate2 export: texts written by its beam search, likelihoods by its decoder, and encoders with their head in NumPy.

Invariants: tokens are named by their ids; what a text is written by is the task's own settings, and one that CTranslate2 hasn't is refused
by its name; beams end as with early_stopping=true, as soon as there are as many texts as beams, and are weighed after what a minimum of
tokens or no_repeat_ngram_size forbids was taken out, where transformers weighs first: with these they may part from the model's own.

    model = load(Path("exported"), said, config, threads=2)
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from byeori.errors import DataError, ModelError, SettingError
from byeori.generate.decoding import Decoding, resolve, room
from byeori.models.outside import Outside, Plain

HEAD = "head.safetensors"
ROWS = 64  # written together, at most
# What a text could be written by, and CTranslate2 has not; with the values that ask for nothing.
LACKING: dict[str, tuple[Any, ...]] = {
    "min_p": (None,), "encoder_no_repeat_ngram_size": (None, 0), "stop_strings": (None,), "bad_words_ids": (None,),
    "typical_p": (None, 1.0), "epsilon_cutoff": (None, 0.0), "eta_cutoff": (None, 0.0), "encoder_repetition_penalty": (None, 1.0),
    "sequence_bias": (None,), "guidance_scale": (None, 1.0), "exponential_decay_length_penalty": (None,),
}  # fmt: skip

UNTOLD = {
    "stop": "an export by CTranslate2 ends at tokens, and knows no text to end at",
    "generation_seed": "CTranslate2 draws by a seed of each of its own threads, so that nothing drawn can be had again",
}


class Head:
    """The steps of a head over hidden states (n, size)."""

    def __init__(self, steps: list[dict[str, Any]], weights: dict[str, np.ndarray]):
        self.steps, self.weights = steps, weights

    def __call__(self, hidden: np.ndarray) -> np.ndarray:
        for step in self.steps:
            kind = step["kind"]
            weight, bias = (self.weights.get(f"{step.get('name')}.{part}") for part in ("weight", "bias"))
            if kind == "linear":
                assert weight is not None
                hidden = hidden @ weight.T if bias is None else hidden @ weight.T + bias
            elif kind == "norm":
                centred = hidden - hidden.mean(-1, keepdims=True)
                hidden = (
                    centred / np.sqrt((centred**2).mean(-1, keepdims=True) + np.float32(step["eps"])) * weight + bias
                )
            else:
                hidden = _activated(hidden, kind)
        return np.asarray(hidden, np.float32)


def _activated(values: np.ndarray, kind: str) -> np.ndarray:
    if kind == "tanh":
        return np.tanh(values)
    if kind == "relu":
        return np.maximum(values, 0)
    if kind == "silu":
        return values / (1 + np.exp(-values))
    if kind == "gelu_new":
        return 0.5 * values * (1 + np.tanh(np.float32(np.sqrt(2 / np.pi)) * (values + 0.044715 * values**3)))
    from scipy.special import erf

    return 0.5 * values * (1 + erf(values / np.float32(np.sqrt(2))))


class EncoderModel(Outside):
    """A body by CTranslate2, its head by NumPy."""

    pack_tokens, group_cost = 2_048, 8.0

    def __init__(self, encoder: Any, head: Head, kind: str, types: bool, *args: Any):
        super().__init__(*args)
        self.encoder, self.head, self.kind, self.types = encoder, head, kind, types

    def _hidden(self, given: dict[str, np.ndarray]) -> np.ndarray:
        import ctranslate2

        mask = given["attention_mask"]
        ids, lengths = (np.ascontiguousarray(one, np.int32) for one in (given["input_ids"], mask.sum(1)))
        types = given["token_type_ids"].tolist() if self.types else None
        made = self.encoder.forward_batch(
            ctranslate2.StorageView.from_array(ids), ctranslate2.StorageView.from_array(lengths), token_type_ids=types
        )
        return np.array(made.last_hidden_state)

    def pooled_logits(self, pack: Any) -> np.ndarray:
        if self.kind != "pooled":
            raise self.lacks("a head that reads a whole sequence")
        return self.head(np.concatenate([self._hidden(given)[:, 0] for _, given in pack.rectangles()]))

    def token_logits(self, pack: Any) -> np.ndarray:
        if self.kind != "tokens":
            raise self.lacks("answers for each token")
        return self.head(self._states(pack))

    def logits_at(self, pack: Any, places: np.ndarray) -> np.ndarray:
        return self.head(self._states(pack)[places])

    def _states(self, pack: Any) -> np.ndarray:
        found = [self._hidden(given) for _, given in pack.rectangles()]
        return np.concatenate([one.reshape(-1, one.shape[-1]) for one in found])


class WriterModel(Outside):
    """`engine`: a ctranslate2.Translator or Generator."""

    pack_tokens, group_cost = 512, 8.0

    def __init__(self, engine: Any, forced: dict[str, Any], *args: Any):
        super().__init__(*args)
        self.engine, self.forced = engine, forced
        self.seq2seq = bool(self.config.is_encoder_decoder)

    def write(self, prompts: list[list[int]], decoding: Decoding, *, ends: bool = False) -> list[list[list[int]]]:
        """Raises SettingError for a way of writing that CTranslate2 hasn't, DataError for a prompt that leaves no room."""
        for name, why in UNTOLD.items():
            if getattr(decoding, name) is not None:
                raise SettingError(
                    f"{name}={getattr(decoding, name)!r}: {why}. Leave it out, or predict with the model itself."
                )
        start = self._start()
        found: list[list[list[int]]] = [[] for _ in prompts]
        alike: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
        configs: dict[int, Any] = {}
        for place, prompt in enumerate(prompts):
            taken = len(start) if self.seq2seq else len(prompt)
            if taken not in configs:
                left = room(self, taken)
                if left is not None and left < 1:
                    raise DataError(
                        f"input {place + 1} has {taken:,} tokens and the model takes {taken + left:,}, what it writes included. Shorten it."
                    )
                configs[taken] = resolve(decoding, self, left, taken)
            alike[configs[taken].max_new_tokens, 0 if self.seq2seq else taken].append(place)
        for (_, taken), places in alike.items():
            config = configs[taken if not self.seq2seq else len(start)]
            texts = self._written([prompts[place] for place in places], config)
            for place, several in zip(places, texts, strict=True):
                found[place] = [self._closed(ids, start if self.seq2seq else [], config, ends) for ids in several]
        return found

    def _start(self) -> list[int]:
        own = self.generation_config.decoder_start_token_id
        start = self.forced.get("decoder_start_token_id", self.generation_config.bos_token_id if own is None else own)
        return [int(start)] if start is not None else []

    def _written(self, prompts: list[list[int]], config: Any) -> list[list[list[int]]]:

        options = self._options(config)
        most = config.max_new_tokens
        if config.forced_eos_token_id is not None:  # BART's: what doesn't end by itself is ended by its last token
            most = max(1, most - 1)
        named = [[str(one) for one in prompt] for prompt in prompts]
        if not self.seq2seq:
            made = self.engine.generate_batch(
                named, max_batch_size=ROWS, include_prompt_in_result=False, max_length=most,
                min_length=config.min_new_tokens or 0, **options,
            )  # fmt: skip
            return [[list(map(int, one)) for one in result.sequences] for result in made]
        first = self.forced.get("forced_bos_token_id", config.forced_bos_token_id)
        prefix = None if first is None else [[str(first)]] * len(named)
        made = self.engine.translate_batch(
            named, prefix, max_batch_size=ROWS, max_input_length=0, max_decoding_length=most,
            min_decoding_length=config.min_new_tokens or 0, **options,
        )  # fmt: skip
        return [[list(map(int, one)) for one in result.hypotheses] for result in made]

    def _options(self, config: Any) -> dict[str, Any]:
        """What CTranslate2 calls the settings. Raises SettingError for those it hasn't."""
        for name, idle in LACKING.items():
            if (value := getattr(config, name)) not in idle:
                raise SettingError(
                    f"{name}={value!r}: CTranslate2 can't write so. Leave it out, or predict with the model itself."
                )
        penalty, ngram = config.repetition_penalty or 1.0, config.no_repeat_ngram_size or 0
        if not self.seq2seq and (penalty != 1.0 or ngram):
            name = "repetition_penalty" if penalty != 1.0 else "no_repeat_ngram_size"
            raise SettingError(
                f"{name}: CTranslate2 counts what it wrote, and not the prompt as the model's own way of writing does. Leave it out, or "
                f"predict with the model itself."
            )
        ends = config.eos_token_id
        beams, several = config.num_beams or 1, config.num_return_sequences or 1
        length = 1.0 if config.length_penalty is None else config.length_penalty
        found: dict[str, Any] = {
            "beam_size": beams, "num_hypotheses": several, "length_penalty": length,
            "repetition_penalty": penalty, "no_repeat_ngram_size": ngram,
        }  # fmt: skip
        if ends is not None:
            found["end_token"] = [int(one) for one in ends] if isinstance(ends, list) else [int(ends)]
        if config.suppress_tokens or config.begin_suppress_tokens:
            found["suppress_sequences"] = [[str(one)] for one in config.suppress_tokens or ()]
        if config.do_sample:
            if beams > 1:
                raise SettingError(
                    f"do_sample with {beams} beams: CTranslate2 draws or searches, not both. Give num_beams=1."
                )
            found |= {
                "sampling_topk": int(50 if config.top_k is None else config.top_k),
                "sampling_topp": 1.0 if config.top_p is None else config.top_p,
                "sampling_temperature": 1.0 if config.temperature is None else config.temperature,
            }
        return found

    def _closed(self, ids: list[int], start: list[int], config: Any, ends: bool) -> list[int]:
        if not ends:
            return ids
        closing = config.eos_token_id
        closing = closing[0] if isinstance(closing, list) else closing
        return [*start, *ids, *([int(closing)] if closing is not None and len(ids) < config.max_new_tokens else [])]

    def token_logits(self, pack: Any) -> np.ndarray:
        return np.concatenate([one.reshape(-1, one.shape[-1]) for one in self._logits(pack)])

    def logits_at(self, pack: Any, places: np.ndarray) -> np.ndarray:
        found = []
        for (at, _), logits in zip(pack.rectangles(), self._logits(pack), strict=True):
            inside = places[(places >= at.start) & (places < at.stop)] - at.start
            found.append(logits.reshape(-1, logits.shape[-1])[inside])
        return np.concatenate(found)  # places ascend, and so do rectangles

    def _logits(self, pack: Any) -> Any:
        import ctranslate2

        if self.seq2seq:
            raise self.lacks("likelihoods of given texts")
        for _, given in pack.rectangles():
            ids, lengths = (
                np.ascontiguousarray(one, np.int32) for one in (given["input_ids"], given["attention_mask"].sum(1))
            )
            view = ctranslate2.StorageView.from_array
            yield np.array(self.engine.forward_batch(view(ids), view(lengths)))


def load(path: Path, said: dict[str, Any], config: Plain, threads: int) -> Outside:
    """Raises ModelError for files that are missing, damaged, or of another version."""
    import ctranslate2

    shared = config, Plain(**said["generation"]), said["vocabulary"], said["first_position"]
    if not (path / "model.bin").is_file():
        raise ModelError(f"{path}: there is no model.bin in it; the export isn't whole. Export the model again.")
    kind = getattr(ctranslate2, said["kind"])
    try:
        engine = kind(str(path), device="cpu", inter_threads=1, intra_threads=threads, compute_type=said["precision"])
    except (RuntimeError, ValueError) as error:
        raise ModelError(
            f"{path}: CTranslate2 {ctranslate2.__version__} can't load it ({' '.join(str(error).split())[:200]}). Export the model again, "
            f"or install ctranslate2 {said['versions'].get('ctranslate2')} or later, which it was made with."
        ) from error
    if said["kind"] != "Encoder":
        return WriterModel(engine, said["begins"], *shared)
    from safetensors.numpy import load_file

    return EncoderModel(engine, Head(said["steps"], load_file(str(path / HEAD))), said["head"], said["types"], *shared)
