"""Running a pack through an ordinary transformers model: packed where the model can, in rectangles where it can't.

Whether it can is found by probing, not by a list of names: three short sequences are run packed and alone, and unless
the numbers agree the model gets rectangles, behind the same two functions. Heads that pool a sequence to one vector
keep their own code: the packed hidden states are gathered to one row a sequence just before it, and in families of
BERT's build already inside the last layer, whose other tokens nobody reads.

    logits = pooled_logits(model, pack)        # (sequences, labels): heads that read a whole sequence
    logits = token_logits(model, pack)         # (tokens, labels): heads that answer for each token
"""

from __future__ import annotations

import inspect
import weakref
from contextlib import nullcontext
from threading import RLock
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import nn

from byeori.batches.pack import Pack, build
from byeori.models import attention, fused
from byeori.models.noise import use_fast_dropout
from byeori.models.ready import forget
from byeori.text.store import Encoded, TokenStore

if TYPE_CHECKING:
    from byeori.models.paired import Pairs
    from byeori.tasks.base import Task

PROBE_LENGTHS = (3, 9, 5)
TOLERANCE = 1e-4

WRAPPED = ("module", "_orig_mod")
# Bodies whose last hidden state comes out of this part, before any pooling.
ENDS = ("encoder", "transformer", "final_norm")
# The place in a last layer from which tokens no longer meet: attention is over, what follows is token by token.
LAST_MEETING = ("attention.output", "sa_layer_norm")


class Runner:
    """How one model runs packs. Found again by `runner(model)`; holds the hooks that gather pooled positions."""

    def __init__(self, model: Any):
        self._model = weakref.ref(model)  # a strong one would keep the model in _runners for good
        use_fast_dropout(model)
        body: Any = getattr(model, model.base_model_prefix, model)
        self.accepts = set(inspect.signature(model.forward).parameters)
        config = model.config
        self.choices = type(model).__name__.endswith("ForMultipleChoice")  # these want (rows, choices, tokens)
        self.first_position = first_position(model)
        self.end: Any = next((getattr(body, name) for name in ENDS if hasattr(body, name)), None)
        self.mean_pooling = getattr(config, "classifier_pooling", "cls") == "mean"
        self.pack: Pack | None = None  # the pack to pool, while one runs
        self.gathered = False
        self.fuses = True  # whether layers of BERT's build are one step each
        self._lock = RLock()  # a pack at a time
        self.reason = ""  # why it can't run packed
        self.pairs: Pairs | None = None  # of an encoder-decoder with a head that writes: sources with their targets
        if self.end is not None:
            self.end.register_forward_hook(self._pool_at_end)
            meeting = None if self.mean_pooling else _last_meeting(self.end)
            if meeting is not None:
                meeting.register_forward_pre_hook(self._pool_in_last_layer)
        for part in (model, body):  # nothing of a pack is padding, whatever token it begins with
            if hasattr(part, "warn_if_padding_and_no_attention_mask"):
                part.warn_if_padding_and_no_attention_mask = _unwarned
        self.biased = False  # by position (T5): variable-length attention has no place for that
        for part in model.modules():
            if hasattr(part, "has_relative_attention_bias"):
                part.register_forward_pre_hook(_bias_of_one, with_kwargs=True)
                self.biased = True
        self.packs = self._probe()

    @property
    def model(self) -> Any:
        return self._model()

    def __getstate__(self) -> dict[str, Any]:
        """A pickled model takes its hooks along; they do nothing, until its own runner is made."""
        return {**vars(self), "_model": _nothing, "_lock": None, "pack": None}

    def packs_for(self, task: Task) -> bool:
        """Whether a task's packs run packed: those of sources with targets (seq2seq.py), or of sequences."""
        if self.pairs is not None and task.auto_class == "AutoModelForSeq2SeqLM":
            return self.pairs.packs
        return self.packs

    def varlen(self, precision: str) -> bool:
        """Whether packs run without any padding: variable-length attention needs a GPU and 16 bits, and takes no bias by position."""
        if self.biased:
            return False
        return next(self.model.parameters()).device.type == "cuda" and precision in ("bfloat16", "float16")

    def forward(self, pack: Pack, pool: bool) -> Any:
        """The model's own output for a pack: one row a sequence if `pool`, else one row of all tokens."""
        inputs: dict[str, Any] = {"input_ids": pack.input_ids.unsqueeze(0)}
        if "use_cache" in self.accepts:
            inputs["use_cache"] = False
        if "position_ids" in self.accepts:
            inputs["position_ids"] = (pack.position_ids + self.first_position).unsqueeze(0)
        if pack.token_type_ids is not None and "token_type_ids" in self.accepts:
            inputs["token_type_ids"] = pack.token_type_ids.unsqueeze(0)
        if (
            pool and self.mean_pooling
        ):  # the head takes the mean of one row a sequence; else it makes a mask of all tokens
            inputs["attention_mask"] = torch.ones(len(pack), 1, dtype=torch.long, device=pack.input_ids.device)
        if self.choices:  # positions stay (1, tokens): DistilBERT's head hands them on as they are, others flatten them
            for name in inputs.keys() & {"input_ids", "token_type_ids", "attention_mask"}:
                inputs[name] = inputs[name].unsqueeze(0)
        starts = pack.layout.starts if pool and not self.mean_pooling else None
        with self._lock:
            self.pack, self.gathered = (pack if pool else None), False
            try:
                layers = self.layers() if pack.layout.cu_seqlens is None else []
                with attention.packed(), fused.running(layers, starts, self._pooled):
                    return self.model(**inputs, layout=pack.layout)
            finally:
                self.pack = None

    def layers(self) -> list[fused.Fused]:
        """Those that are one step each, as the model is now; none of another build."""
        return fused.layers_of(self.end) if self.fuses else []

    def _pooled(self) -> None:
        self.gathered = True

    def plain(self, rectangle: dict[str, torch.Tensor]) -> torch.Tensor:
        """What the head answers for an ordinary padded batch: (rows, labels) or (rows, tokens, labels)."""
        inputs: dict[str, Any] = {name: values for name, values in rectangle.items() if name in self.accepts}
        if self.choices:
            inputs = {name: x.unsqueeze(1) for name, x in inputs.items()}
        if "use_cache" in self.accepts:
            inputs["use_cache"] = False
        return _answers(self.model(**inputs))

    def _pool_in_last_layer(self, module: nn.Module, inputs: tuple) -> tuple | None:
        if self.pack is None or getattr(self.end.layer[-1], "gradient_checkpointing", False):
            return None  # a layer that is run again for its gradient would not find the pack: pooled at the end
        self.gathered = True
        starts = self.pack.layout.starts
        return tuple(x.index_select(1, starts) if isinstance(x, torch.Tensor) else x for x in inputs)

    _pool_in_last_layer.pools = True  # type: ignore[attr-defined] # fused.py does that itself

    def _pool_at_end(self, module: nn.Module, inputs: tuple, output: Any) -> Any:
        if self.pack is None:
            return None
        hidden = output if isinstance(output, torch.Tensor) else output[0]  # (1, tokens or sequences, size)
        if not self.gathered:
            hidden = _means(hidden[0], self.pack)[None] if self.mean_pooling else hidden[:, self.pack.layout.starts]
        hidden = hidden.transpose(0, 1)  # (sequences, 1, size)
        if isinstance(output, torch.Tensor):
            return hidden
        output[list(output.keys())[0]] = hidden
        return output

    @torch.no_grad()
    def _probe(self) -> bool:
        """Run three sequences packed and alone; packed only if they agree."""
        if self.model.config._attn_implementation != attention.NAME:
            self.reason = "its attention can't be replaced"
            return False
        if self.model.config.is_encoder_decoder:
            if self.model.get_output_embeddings() is None:  # a head that reads the decoder's last token
                self.reason = "a head of this kind has no packed form"
                return False
            from byeori.models.paired import Pairs

            self.pairs = Pairs(self.model)
            self.reason = (
                self.pairs.reason or "its encoder and decoder are packed together with their targets, not alone"
            )
            return False
        if "global_attention_mask" in self.accepts:  # its heads refuse, by assertion, inputs without three separators
            self.reason = "its attention is of its own kind (windows, and tokens that see all)"
            return False
        vocabulary = self.model.get_input_embeddings().num_embeddings
        rng = np.random.default_rng(0)
        ids = rng.integers(0, vocabulary, sum(PROBE_LENGTHS)).astype(np.int32)
        ids[ids == _pad(self.model)] = (_pad(self.model) + 1) % vocabulary  # RoBERTa gives pad tokens no position
        store = TokenStore.of(Encoded(ids, np.array(PROBE_LENGTHS), {}), {}, {"input_ids": _pad(self.model)})
        pack = build(store, np.arange(len(PROBE_LENGTHS)), group_cost=4.0)
        pack = pack.to(next(self.model.parameters()).device)
        training = self.model.training
        self.model.eval()
        try:
            alone = [self.plain(rectangle) for rectangle in _alone(pack)]
            pooled = alone[0].ndim == 2
            if pooled and self.end is None:
                self.reason = "its family has no packed form yet"
                return False
            together = _answers(self.forward(pack, pool=pooled))
            if not pooled:
                together = together[0, _real(pack)]
                alone = [one[0] for one in alone]
        except (ValueError, TypeError, RuntimeError, LookupError, AttributeError, AssertionError) as error:
            if self.layers():
                self.fuses = False
                return self._probe()
            self.reason = f"packed input fails: {type(error).__name__}: {error}"
            return False
        finally:
            self.model.train(training)
            for layer in getattr(self.end, "layer", None) or ():
                forget(layer)  # what predictions hold ready is made where they run, and in their precision
        apart = torch.cat(alone)
        if together.shape != apart.shape or not torch.allclose(together, apart, atol=TOLERANCE, rtol=TOLERANCE):
            if self.layers():
                self.fuses = False
                return self._probe()
            self.reason = "packed and single sequences give different numbers"
            return False
        return True


def _nothing() -> None:
    """In the place of the model of a runner that was pickled."""


_runners: WeakKeyDictionary[nn.Module, Runner] = WeakKeyDictionary()


def unwrapped(model: nn.Module) -> nn.Module:
    """The model inside DistributedDataParallel, torch.compile and the like."""
    while True:
        inner = next(
            (one for one in (getattr(model, name, None) for name in WRAPPED) if isinstance(one, nn.Module)), None
        )
        if inner is None:
            return model
        model = inner


def exactly(model: nn.Module) -> Any:
    """Where a model is tried: 16 bits would part what agrees."""
    kind = next(model.parameters()).device.type
    return torch.autocast(kind, enabled=False) if torch.amp.is_autocast_available(kind) else nullcontext()


def runner(model: nn.Module) -> Runner:
    """The runner of a model; made, and the model probed, at the first call."""
    inner = unwrapped(model)
    if inner not in _runners:
        with exactly(inner):
            _runners[inner] = Runner(inner)
    return _runners[inner]


def pooled_logits(model: nn.Module, pack: Pack) -> torch.Tensor:
    """Logits of a head that reads a whole sequence, (sequences, labels), in the pack's order."""
    run = runner(model)
    if run.packs:
        return _answers(run.forward(pack, pool=True))
    return torch.cat([run.plain(pack.rectangle(group)) for group in pack.layout.groups])


def token_logits(model: nn.Module, pack: Pack) -> torch.Tensor:
    """What a head answers for each token, (tokens, labels), in the pack's order; at padded places whatever comes out.

    For question answering the two labels are start and end; a model without a head gives its last hidden state.
    """
    run = runner(model)
    if run.packs:
        return _answers(run.forward(pack, pool=False))[0]
    return torch.cat([run.plain(pack.rectangle(group)).flatten(0, 1) for group in pack.layout.groups])


def _alone(pack: Pack) -> list[dict[str, torch.Tensor]]:
    found = []
    for start, length in zip(pack.layout.starts.tolist(), pack.layout.lengths.tolist(), strict=True):
        ids = pack.input_ids[start : start + length].unsqueeze(0)
        found.append({"input_ids": ids, "attention_mask": torch.ones_like(ids)})
    return found


def _answers(output: Any) -> torch.Tensor:
    if "start_logits" in output:
        return torch.stack([output["start_logits"], output["end_logits"]], -1)
    return output.logits if hasattr(output, "logits") else output[0]


def _real(pack: Pack) -> torch.Tensor:
    """Places of the sequences' own tokens, one sequence after the other."""
    spans = zip(pack.starts.tolist(), pack.lengths.tolist(), strict=True)
    return torch.cat([torch.arange(start, start + length) for start, length in spans]).to(pack.input_ids.device)


def _pad(model: Any) -> int:
    pad = model.config.pad_token_id
    return pad if isinstance(pad, int) and 0 <= pad < model.get_input_embeddings().num_embeddings else 0


def _unwarned(*_: Any) -> None:
    """In place of transformers' warning of pad tokens without a mask."""


def first_position(model: Any) -> int:
    """The number of a sequence's first position: RoBERTa and its kin begin at padding_idx + 1, others at 0."""
    embeddings = getattr(getattr(model, model.base_model_prefix, model), "embeddings", None)
    padding = getattr(embeddings, "padding_idx", None)
    counts = hasattr(embeddings, "create_position_ids_from_inputs_embeds")  # a method of Longformer too
    return padding + 1 if counts and padding is not None else 0


def _last_meeting(end: nn.Module) -> nn.Module | None:
    layers = getattr(end, "layer", None)
    if not isinstance(layers, nn.ModuleList) or not len(layers):
        return None
    for path in LAST_MEETING:
        try:
            return layers[-1].get_submodule(path)
        except AttributeError:
            continue
    return None


def _means(hidden: torch.Tensor, pack: Pack) -> torch.Tensor:
    """The mean of each sequence's tokens, (sequences, size)."""
    places = torch.arange(hidden.shape[0], device=hidden.device)
    owner = torch.searchsorted(pack.layout.starts, places, right=True) - 1
    real = (places - pack.layout.starts[owner]) < pack.layout.lengths[owner]
    sums = hidden.new_zeros(len(pack), hidden.shape[1]).index_add(0, owner, hidden.masked_fill(~real[:, None], 0))
    return sums / pack.layout.lengths[:, None].to(hidden.dtype)


def _bias_of_one(module: Any, given: tuple, named: dict[str, Any]) -> tuple[tuple, dict[str, Any]] | None:
    """T5's bias for the longest sequence of a pack, where the model would make one for all its tokens; between targets and
    sources there is none."""
    layout = named.get("layout")
    if layout is None or named.get("position_bias") is not None:
        return None
    if named.get("key_value_states") is not None:
        bias = module.o.weight.new_zeros(1, 1, 1, 1)
    else:
        bias = module.compute_bias(layout.max_length, layout.max_length, device=layout.lengths.device)
    return given, {**named, "position_bias": bias}
