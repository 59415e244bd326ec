"""`--pad-to`: packs of few shapes, and everything else as without it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.utils._python_dispatch import TorchDispatchMode

import byeori
from byeori.errors import SettingError
from families import texts
from labelled import CASES as LABELLED
from labelled import close

# Of gradients that are nothing but rounding a smaller epsilon makes whole steps.
SMALL: dict[str, Any] = {
    "batch_size": 11, "max_steps": 5, "learning_rate": 1e-3, "adam_epsilon": 1e-5, "threads": 1, "precision": "float32", "log_every": 1,
    "evaluate_every": "end", "baselines": False, "device": "cpu", "pack_tokens": 400, "previews": 0, "cache": False, "max_length": 90,
}  # fmt: skip
AUTO = {"auto": "AutoModel"}
CASES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "encoder": ("text-classification", "bert", AUTO),
    "in rectangles": ("text-classification", "deberta-v2", AUTO),
    "choices": ("multiple-choice", "bert", AUTO),
    "masked": ("fill-mask", "distilbert", {"auto": "AutoModelForMaskedLM"}),
    "decoder": ("text-generation", "llama", {"auto": "AutoModelForCausalLM"}),
    "encoder-decoder": ("summarization", "bart", {"auto": "AutoModelForSeq2SeqLM"}),
    "corrupted": ("span-corruption", "t5", {"auto": "AutoModelForSeq2SeqLM"}),
}
PRODUCTS = ("mm", "addmm", "bmm", "baddbmm")


class Shapes(TorchDispatchMode):
    """What products were made of."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[tuple] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.overloadpacket.__name__ in PRODUCTS:
            self.seen.add((func.overloadpacket.__name__, *(tuple(one.shape) for one in args if torch.is_tensor(one))))
        return func(*args, **(kwargs or {}))


def rows_for(task: str) -> list[dict[str, Any]]:
    if task == "multiple-choice":
        said = texts()
        return [
            {"text": f"{one} {i}", "choices": said[i : i + 2 + i % 2], "label": i % 2}
            for i, one in enumerate(said[:44])
        ]
    rows = LABELLED[task][2] if task in LABELLED else [{"text": one} for one in texts()[:60]]
    return [{**row} for row in (rows * 2)[:60]]


def alike(one: Any, other: Any) -> bool:
    """As `close`, large numbers to as many digits."""
    if isinstance(one, dict | list):
        parts = list(one.values()) if isinstance(one, dict) else one
        others = list(other.values()) if isinstance(other, dict) else other
        return len(parts) == len(others) and all(map(alike, parts, others))
    return close(one, other) or one == pytest.approx(other, rel=1e-5)


@pytest.mark.parametrize("case", CASES)
def test_everything_is_as_without_it_in_few_shapes(tiny, tmp_path, case):
    task, family, values = CASES[case]
    rows, model = rows_for(task), str(tiny(family, **values))
    packs: dict[str, set] = {"plain": set(), "padded": set()}
    products: dict[str, Shapes] = {}
    runs = {}
    for name, more in (("plain", {}), ("padded", {"pad_to": 32})):
        products[name], kind = Shapes(), byeori.tasks.named(task)[0]

        class Seen(kind):  # type: ignore[misc,valid-type]
            def outputs(self, model: Any, pack: Any, seen: set = packs[name]) -> Any:
                found = [
                    pack.input_ids,
                    pack.position_ids,
                    pack.layout.lengths,
                    *pack.layout.masks.values(),
                    *pack.columns.values(),
                ]
                seen.add(
                    (len(np.unique(pack.rows)), pack.computed // len(pack), tuple(tuple(one.shape) for one in found))
                )
                return super().outputs(model, pack)

        own = {"max_target_length": 24, "max_new_tokens": 4} if task == "summarization" else {}
        with products[name]:
            runs[name] = byeori.train(Seen(**own), model, train=rows, output=str(tmp_path / name), **SMALL, **more)
    plain, padded = (runs[name].folder for name in ("plain", "padded"))
    for one, other in zip(plain.lines(plain.history), padded.lines(padded.history), strict=True):
        assert one["step"] == other["step"]
        for number in one.keys() & {"loss", "grad_norm"}:
            assert one[number] == pytest.approx(other[number], rel=1e-5, abs=1e-6), number
    weights = [load_file(one.model / "model.safetensors") for one in (plain, padded)]
    assert max(float((value - weights[1][name]).abs().max()) for name, value in weights[0].items()) <= 3e-6
    scores = [json.loads(one.metrics.read_text(encoding="utf-8")) for one in (plain, padded)]
    for name, score in scores[0]["test"].items():
        assert scores[1]["test"][name]["value"] == pytest.approx(score["value"], rel=1e-5, abs=1e-5), name
    answers = [list(one.lines(one.predictions / "test.jsonl")) for one in (plain, padded)]
    assert alike(*answers)

    for count, columns, _ in packs["padded"]:
        assert count.bit_count() == 1 and columns in (32, 64, 90)
    assert len({shape for _, _, shape in packs["padded"]}) == len(packs["padded"]), (
        "count and columns say all of a pack's shapes"
    )
    assert len(products["padded"].seen) < len(products["plain"].seen)
    spent = [one["training"] for one in scores]
    assert spent[1]["padding"] > spent[0]["padding"]
    tokens = [one["tokens_per_second"] * one["seconds"] for one in spent]
    assert tokens[0] == pytest.approx(tokens[1]), "every token once, padding left out"


def test_a_model_predicts_and_is_scored_the_same(tiny, tmp_path):
    rows = rows_for("text-classification")
    run = byeori.train(
        "text-classification", str(tiny("bert", **AUTO)), train=rows, output=str(tmp_path / "run"), **SMALL
    )
    padded = byeori.load_run(tmp_path / "run", pad_to=32, precision="float32")
    assert padded.engine.pad_to == 32
    assert close(padded.predict(rows[:20]), run.predict(rows[:20]))
    (loss, other) = (one.evaluate(rows)["loss"]["value"] for one in (padded, run))
    assert loss == pytest.approx(other, abs=1e-5)
    shares = [one.engine.spent.computed / one.engine.spent.tokens for one in (padded, run)]
    assert shares[0] > 1.1 > shares[1]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"pad_to": 0}, "at least 1|from 1 on"),
        ({"pad_to": 128}, "--max-length"),
        ({"pad_to": 64, "pack_tokens": 50}, "--pack-tokens"),
    ],
)
def test_what_no_row_can_be_padded_to_is_refused(tiny_bert, tmp_path, values, said):
    with pytest.raises(SettingError, match=said):
        byeori.train(
            "text-classification", tiny_bert, train=rows_for("text-classification"), output=str(tmp_path / "run"),
            **{**SMALL, **values},
        )  # fmt: skip
    assert not (tmp_path / "run").exists()
