"""A model of torch → model.onnx, for ONNX Runtime: traced by torch's exporter, int8 where it is asked for.

Invariants: rows and lengths are dynamic; what was traced is tried on other shapes than its own before it counts as exported; a masked
language model's matrix is applied to the places that are asked for alone.

    said = write(run, Path("exported"), "int8")        # {"head": "pooled", …}
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from byeori.errors import ModelError, SettingError
from byeori.models.load import quiet
from byeori.models.packed import runner, unwrapped
from byeori.predict.exported import needs
from byeori.predict.runtime_onnx import FILE

PRECISIONS = ("float32", "int8")
OPSET = 17
TOLERANCE = 1e-4  # of what was traced, as a share of its largest number
TRACED, TRIED = (2, 9), ((1, 3), (3, 40), (2, 100))  # rows and tokens
HEADS = {
    "AutoModelForSequenceClassification": "pooled", "AutoModelForMultipleChoice": "pooled", "AutoModelForTokenClassification": "tokens",
    "AutoModelForQuestionAnswering": "tokens", "AutoModelForMaskedLM": "tokens", "AutoModel": "tokens",
}  # fmt: skip
QUANTIZED = ("MatMul", "Gemm", "Gather")  # weights of products, and the tables of embeddings


class Traced(nn.Module):
    """The model with its inputs by place and its logits alone."""

    def __init__(self, model: Any, names: tuple[str, ...], choices: bool, matrix: nn.Module | None):
        super().__init__()
        self.model, self.names, self.choices, self.matrix = model, names, choices, matrix
        self.places: torch.Tensor | None = None
        self.eval()  # the exporter puts all of it back into the mode that this is in

    def forward(self, *given: torch.Tensor) -> torch.Tensor:
        inputs = dict(zip(self.names, given, strict=True))
        self.places = inputs.pop("places", None)
        if self.choices:
            inputs = {name: values.unsqueeze(1) for name, values in inputs.items()}
        found = self.model(**inputs, return_dict=True)
        if "start_logits" in found:
            return torch.stack([found["start_logits"], found["end_logits"]], -1)
        return found["logits"] if "logits" in found else found[0]

    def chosen(self, module: nn.Module, inputs: tuple) -> tuple | None:
        """Before the matrix to the vocabulary: (rows, length, size) → (1, places, size)."""
        if self.places is None:
            return None
        return (inputs[0].flatten(0, 1).index_select(0, self.places).unsqueeze(0), *inputs[1:])


def check(run: Any, precision: str) -> None:
    """Raises SettingError, ModelError for what can't be exported, before anything is spent."""
    needs("onnxruntime", "onnx")
    needs("onnx", "onnx")
    if precision not in PRECISIONS:
        raise SettingError(
            f"precision={precision}: ONNX Runtime computes in {' and '.join(PRECISIONS)} on a CPU, and has no {precision} there. Give one "
            f"of these."
        )
    inner: Any = unwrapped(run.model)
    if run.task.auto_class not in HEADS or inner.config.is_encoder_decoder:
        raise ModelError(
            f"{type(inner).__name__}: ONNX takes encoders with a head for classes, tokens, spans, choices or masked words, or their hidden "
            f"states, and {run.task.name} is none of these. Give --to ctranslate2."
        )


def write(run: Any, folder: Path, precision: str) -> dict[str, Any]:
    """model.onnx in the folder; what loading it must know. Raises ModelError for a model that torch's exporter doesn't take."""
    import onnx
    import onnxruntime

    inner: Any = unwrapped(run.model)
    masked = run.task.auto_class == "AutoModelForMaskedLM"
    names = (
        "input_ids",
        "attention_mask",
        *(["token_type_ids"] if run.engine.encoder.token_types else []),
        *(["places"] if masked else []),
    )
    with _eager(inner):
        traced = Traced(inner, names, run.task.auto_class == "AutoModelForMultipleChoice", None)
        handle = inner.get_output_embeddings().register_forward_pre_hook(traced.chosen) if masked else None
        try:
            _export(traced, folder / FILE, names, HEADS[run.task.auto_class], _ids(inner))
            _check_equal(traced, folder / FILE, names, _ids(inner))
        finally:
            if handle is not None:
                handle.remove()
    if precision == "int8":
        _quantize(folder / FILE)
    return {
        "head": HEADS[run.task.auto_class],
        "versions": {"onnx": onnx.__version__, "onnxruntime": onnxruntime.__version__},
    }


@contextmanager
def _eager(model: Any) -> Iterator[None]:
    """The attention whose steps are all in the graph, and no dropout."""
    before, training = model.config._attn_implementation, model.training
    model.eval()
    with quiet(), suppress(ValueError, ImportError):
        model.set_attn_implementation("eager")
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            yield
    finally:
        with quiet(), suppress(ValueError, ImportError):
            model.set_attn_implementation(before)
        model.train(training)


def _ids(model: Any) -> np.ndarray:
    """Some ids that are no padding."""
    pad = model.config.pad_token_id
    return np.array(
        [one for one in range(min(60, runner(model).model.get_input_embeddings().num_embeddings)) if one != pad]
    )


def _given(names: tuple[str, ...], shape: tuple[int, int], ids: np.ndarray) -> dict[str, torch.Tensor]:
    rng = np.random.default_rng(shape)
    mask = torch.ones(shape, dtype=torch.long)
    for row in range(1, shape[0]):
        mask[row, max(1, shape[1] - 2 * row) :] = 0
    found = {
        "input_ids": torch.from_numpy(rng.choice(ids, shape)), "attention_mask": mask,
        "token_type_ids": torch.zeros(shape, dtype=torch.long), "places": torch.tensor([0, min(2, shape[1] - 1)]),
    }  # fmt: skip
    return {name: found[name] for name in names}


def _export(traced: Traced, path: Path, names: tuple[str, ...], head: str, ids: np.ndarray) -> None:
    given = _given(names, TRACED, ids)
    axes = {name: {0: "rows", 1: "length"} for name in names if name != "places"}
    axes |= {"places": {0: "places"}} if "places" in names else {}
    places = {1: "places"} if "places" in names else {0: "rows"} if head == "pooled" else {0: "rows", 1: "length"}
    failed: Exception | None = None
    try:  # the older exporter: ten times as quick, and its graphs are those that ONNX Runtime knows to fuse
        torch.onnx.export(
            traced, tuple(given.values()), str(path), dynamo=False, input_names=list(names), output_names=["logits"],
            dynamic_axes={**axes, "logits": places}, opset_version=OPSET, do_constant_folding=True,
        )  # fmt: skip
        return
    except Exception as error:  # of many kinds; what the other one says is told
        failed = error
    try:
        torch.onnx.export(
            traced, tuple(given.values()), str(path), dynamo=True, input_names=list(names), output_names=["logits"],
            dynamic_shapes=(tuple({axis: torch.export.Dim.AUTO for axis in axes[name]} for name in names),), verbose=False,
            external_data=False,
        )  # fmt: skip
    except Exception as error:
        kind = type(traced.model).__name__
        raise ModelError(
            f"{kind} ({traced.model.config.model_type}): torch's ONNX exporter doesn't take it ({type(failed).__name__}: "
            f"{' '.join(str(failed).split())[:160]}). It takes BERT and its kin (RoBERTa, DistilBERT, ELECTRA, ALBERT, XLM-R, ModernBERT, "
            f"DeBERTa)."
        ) from error


def _check_equal(traced: Traced, path: Path, names: tuple[str, ...], ids: np.ndarray) -> None:
    """Raises ModelError where the graph answers otherwise than the model, at shapes that were not traced."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 3, 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    longest = (
        traced.model.config.max_position_embeddings
        if hasattr(traced.model.config, "max_position_embeddings")
        else 10**6
    )
    inputs = {one.name for one in session.get_inputs()}
    for rows, length in TRIED:
        given = _given(names, (rows, max(2, min(length, longest - 4))), ids)
        with torch.no_grad():
            want = traced(*given.values()).float()
        try:
            (found,) = session.run(None, {name: values.numpy() for name, values in given.items() if name in inputs})
        except Exception as error:  # what depended on the shape that was traced
            raise ModelError(
                f"{type(traced.model).__name__} ({traced.model.config.model_type}): its ONNX graph takes no other shape than the one it "
                f"was made with ({' '.join(str(error).split())[:160]}), so it is not kept. Predict with the model itself."
            ) from error
        got, real = torch.from_numpy(found), given["attention_mask"].bool()
        if want.shape[:2] == real.shape and "places" not in names:
            want, got = want[real], got[real]
        apart = float((want - got).abs().max())
        if got.shape != want.shape or not apart <= TOLERANCE * max(1.0, float(want.abs().max())):
            raise ModelError(
                f"{type(traced.model).__name__} ({traced.model.config.model_type}): its ONNX graph gives other numbers than the model "
                f"({apart:.2g} apart, {rows} rows of {length} tokens), so it is not kept. Predict with the model itself."
            )


def _quantize(path: Path) -> None:
    """Weights int8 by channel; what meets them is quantized as it comes."""
    import logging

    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    logging.getLogger().addFilter(_unasked)
    whole = path.with_name("float32.onnx")
    path.rename(whole)
    try:
        quantize_dynamic(
            str(whole), str(path), per_channel=True, weight_type=QuantType.QInt8, op_types_to_quantize=list(QUANTIZED),
            extra_options={"MatMulConstBOnly": True, "DefaultTensorType": onnx.TensorProto.FLOAT},
        )  # fmt: skip
    finally:
        logging.getLogger().removeFilter(_unasked)
        whole.unlink()


def _unasked(record: Any) -> bool:
    """Not onnxruntime's advice to prepare a graph that was prepared."""
    return "pre-process" not in str(record.msg)
