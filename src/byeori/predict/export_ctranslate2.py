"""A model of torch → a CTranslate2 folder, with the head of an encoder beside it: CTranslate2 runs bodies alone.

Invariants: the vocabulary that CTranslate2 is given are the ids themselves ("0", "1", …): texts are tokenized by the tokenizer beside it,
and no token is spelled twice; what was converted is tried against the model before it counts as exported.

    said = write(run, Path("exported"), "int8")        # {"head": "pooled", "kind": "Encoder", …}
"""

from __future__ import annotations

import copy
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import nn

from byeori.errors import ModelError, SettingError
from byeori.models.packed import unwrapped
from byeori.predict.export_heads import HEADS, steps_of
from byeori.predict.exported import needs
from byeori.predict.runtime_ctranslate2 import HEAD, Head

WRITERS = {"AutoModelForSeq2SeqLM": "Translator", "AutoModelForCausalLM": "Generator"}
# What loaders ask of a config, and configs made by transformers 5 don't say: whether layers are normalized first, and embeddings too.
NORMALIZED = {"bart": (False, True), "mbart": (True, True), "pegasus": (True, False)}
SCALED = ("t5", "mt5", "umt5")  # whose decoder's output may be scaled before the vocabulary
BODIES = {
    "bert": "BertConfig", "electra": "BertConfig", "distilbert": "DistilBertConfig", "roberta": "RobertaConfig",
    "xlm-roberta": "RobertaConfig", "camembert": "CamembertConfig",
}  # fmt: skip
TOLERANCE = 1e-4
TOKENS = ("bos_token", "eos_token", "unk_token", "decoder_start_token")


def check(run: Any, precision: str) -> None:
    """Raises SettingError, ModelError for what can't be exported, before anything is spent."""
    needs("ctranslate2", "ctranslate2")
    import ctranslate2

    able = ctranslate2.get_supported_compute_types("cpu")
    if precision not in able:
        raise SettingError(
            f"precision={precision}: CTranslate2 {ctranslate2.__version__} computes in {', '.join(sorted({'float32', 'int8'} & able))} on "
            f"this CPU, and has no {precision} here. Give one of these."
        )
    inner: Any = unwrapped(run.model)
    family, auto = inner.config.model_type, run.task.auto_class
    if auto in WRITERS:
        if _loader(f"{type(inner.config).__name__}") is None or (auto == "AutoModelForSeq2SeqLM") != bool(
            inner.config.is_encoder_decoder
        ):
            raise ModelError(
                f"{type(inner).__name__} ({family}): CTranslate2's converter doesn't know it. It knows T5, mT5, BART, mBART, Pegasus and "
                f"M2M-100 of those that write from a source, and GPT-2, GPT-NeoX, Llama, Mistral, Qwen and Gemma of those that go on."
            )
        return
    if family not in BODIES or auto not in HEADS:
        raise ModelError(
            f"{type(inner).__name__} ({family}): of encoders CTranslate2 runs {', '.join(sorted(BODIES))}, with a head for classes, "
            f"tokens, spans, choices or masked words. Give --to onnx, which takes more."
        )
    if family == "electra" and inner.config.embedding_size != inner.config.hidden_size:
        raise ModelError(
            f"{type(inner).__name__} (electra): its embeddings have {inner.config.embedding_size} numbers and its layers "
            f"{inner.config.hidden_size}, which CTranslate2 can't join. Give --to onnx."
        )


def write(run: Any, folder: Path, precision: str) -> dict[str, Any]:
    """CTranslate2's files in the folder, head.safetensors for an encoder's head; what loading them must know. Raises ModelError."""
    import ctranslate2

    inner: Any = unwrapped(run.model)
    auto = run.task.auto_class
    said: dict[str, Any] = {"kind": WRITERS.get(auto, "Encoder"), "versions": {"ctranslate2": ctranslate2.__version__}}
    try:
        with torch.no_grad():
            begins = _begins(run, inner) if auto in WRITERS else {}
            spec = _writer(inner, run.tokenizer, begins) if auto in WRITERS else _body(inner)
            spec.validate()
            spec.optimize(quantization=precision)
            spec.save(str(folder))
    except (AssertionError, AttributeError, KeyError, ValueError, NotImplementedError, RuntimeError) as error:
        raise ModelError(
            f"{type(inner).__name__} ({inner.config.model_type}): CTranslate2's converter doesn't take it ({type(error).__name__}: "
            f"{' '.join(str(error).split())[:200]}). Give --to onnx for an encoder, or predict with the model itself."
        ) from error
    if auto in WRITERS:
        return {**said, "head": None, "begins": begins}
    from safetensors.numpy import save_file

    steps, weights = steps_of(inner, auto)
    save_file({name: np.ascontiguousarray(value) for name, value in weights.items()}, str(folder / HEAD))
    head = "pooled" if auto in ("AutoModelForSequenceClassification", "AutoModelForMultipleChoice") else "tokens"
    _check_head(inner, auto, Head(steps, weights), head)
    return {**said, "head": head, "steps": steps, "types": getattr(inner.config, "type_vocab_size", 0) > 1}


def _loader(name: str) -> Any:
    from ctranslate2.converters import transformers as known

    return known._MODEL_LOADERS.get(name)


def _alone(model: Any, config: Any) -> Any:
    """The same weights in a model of its own: loaders take theirs apart, and some write into the config."""
    made = type(model)(config)
    made.load_state_dict(model.state_dict())
    return made.float().eval()


def _writer(model: Any, tokenizer: Any, begins: dict[str, Any]) -> Any:
    """The specification of one that writes, from the tokens that `begins` says."""
    config = copy.deepcopy(model.config)
    if config.model_type in NORMALIZED:
        config.normalize_before, config.normalize_embedding = NORMALIZED[config.model_type]
    loader, own = _loader(type(config).__name__), _alone(model, config)
    if config.model_type in SCALED:  # by this name loaders go; transformers 5 has one of its own, and mT5 none
        own.config.tie_word_embeddings = bool(getattr(config, "scale_decoder_outputs", False))
    spec = loader.get_model_spec(own)
    loader.set_config(spec.config, own, tokenizer)
    generation = model.generation_config
    ends = generation.eos_token_id if generation.eos_token_id is not None else tokenizer.eos_token_id
    ids = {
        "bos_token": tokenizer.bos_token_id, "eos_token": ends[0] if isinstance(ends, list) else ends,
        "unk_token": tokenizer.unk_token_id, "decoder_start_token": begins.get("decoder_start_token_id", generation.decoder_start_token_id),
    }  # fmt: skip
    for name in TOKENS:
        if hasattr(spec.config, name):
            number = ids[name] if ids[name] is not None else 0
            setattr(spec.config, name, str(number))
    if config.is_encoder_decoder:
        sizes = spec.get_source_vocabulary_size(), spec.get_target_vocabulary_size()
        source = sizes[0][0] if isinstance(sizes[0], list) else sizes[0]
        spec.register_source_vocabulary([str(one) for one in range(source)])
        spec.register_target_vocabulary([str(one) for one in range(sizes[1])])
    else:
        spec.register_vocabulary([str(one) for one in range(spec.get_vocabulary_size())])
    return spec


def _body(model: Any) -> Any:
    """The specification of an encoder without its head."""
    config = copy.deepcopy(model.config)
    config.position_embedding_type = "absolute"
    body = getattr(model, model.base_model_prefix, model)
    loader = _loader(BODIES[config.model_type])
    parts = {name: child for name, child in body.named_children() if name != "pooler"}
    size = config.hidden_size if config.model_type != "distilbert" else config.dim
    pooler = SimpleNamespace(
        dense=nn.Linear(size, size)
    )  # one that is in no head: it must be there, and is never asked
    spec = loader.get_model_spec(SimpleNamespace(**parts, pooler=pooler, config=config))
    spec.config.layer_norm_epsilon = getattr(config, "layer_norm_eps", 1e-12)
    spec.config.unk_token = "0"
    sizes = spec.get_vocabulary_size()
    words = model.get_input_embeddings().num_embeddings
    if isinstance(sizes, list):
        for size in sizes:
            spec.register_vocabulary([str(one) for one in range(size)])
    else:
        spec.register_vocabulary([str(one) for one in range(words)])
    return spec


def _begins(run: Any, model: Any) -> dict[str, Any]:
    """The tokens a text of this model begins with, where its languages say them."""
    if run.task.auto_class != "AutoModelForSeq2SeqLM":
        return {}
    from byeori.tasks.seq2seq_models import first_tokens

    return {
        name: value for name, value in first_tokens(run.task, model, run.tokenizer, None).items() if value is not None
    }


def _check_head(model: Any, auto: str, head: Any, kind: str) -> None:
    """Raises ModelError where the head in NumPy answers otherwise than the model's own over the same body."""
    pad = model.config.pad_token_id
    ids = torch.tensor([[one for one in range(5, 30) if one != pad][:12]])
    mask = torch.ones_like(ids)
    given = {"input_ids": ids, "attention_mask": mask}
    body = getattr(model, model.base_model_prefix, model)
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            hidden = body(**given)[0].float().numpy()[0]
            inputs = (
                {name: value.unsqueeze(1) for name, value in given.items()}
                if auto == "AutoModelForMultipleChoice"
                else given
            )
            out = model(**inputs)
    finally:
        model.train(training)
    if "start_logits" in out:
        want = torch.stack([out.start_logits, out.end_logits], -1)[0]
    else:
        want = (out.logits if "logits" in out else out[0])[0]
    made = head(hidden[:1] if kind == "pooled" else hidden)
    apart = float(np.abs(made.reshape(want.shape) - want.float().numpy()).max())
    if not apart <= TOLERANCE * max(1.0, float(want.abs().max())) or not math.isfinite(apart):
        raise ModelError(
            f"{type(model).__name__}: its head isn't built as those of its family are ({apart:.2g} apart), so it can't be put beside "
            f"CTranslate2's body. Give --to onnx."
        )
