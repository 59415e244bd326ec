"""The pipeline beside transformers' own on the same folder: the same arguments in, the same answers out."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
import torch

import byeori
from byeori.errors import DataError, ModelError, SettingError
from byeori.predict import engine, pipeline
from byeori.predict.refusals import REFUSED
from families import NAMES, texts

LABELS = ("bad", "good", "so so", "none")
KINDS = {
    "single": {"labels": LABELS, "problem_type": "single_label_classification"},
    "unsaid": {"labels": LABELS},
    "multi": {"labels": LABELS, "problem_type": "multi_label_classification"},
    "regression": {"num_labels": 1, "problem_type": "regression"},
    "one output": {"num_labels": 1},
}
PAIR = {"text": texts()[0], "text_pair": texts()[1]}
CALLS: list[dict[str, Any]] = [
    {}, {"top_k": None}, {"top_k": 1}, {"top_k": 2}, {"top_k": 99}, {"function_to_apply": "none"}, {"function_to_apply": "softmax"},
    {"function_to_apply": "sigmoid", "top_k": None},
]  # fmt: skip


@pytest.fixture(scope="module")
def both(tiny):
    """`both(family, kind)` → (ours, transformers' own) on one folder."""
    made = {}

    def make(name: str = "bert", kind: str = "single", **options):
        key = (name, kind, *sorted(options))
        if key not in made:
            from transformers import pipeline as theirs

            folder = str(tiny(name, **KINDS[kind]))
            made[key] = (
                byeori.pipeline("text-classification", folder, device="cpu", precision="float32", **options),
                theirs("text-classification", folder, device="cpu", truncation=True, **options),
            )
        return made[key]

    return make


def compare(found: Any, expected: Any) -> None:
    """The same structure and labels, scores to 1e-5; labels whose scores differ by less may change places."""
    assert type(found) is type(expected), (found, expected)
    if isinstance(expected, list):
        assert len(found) == len(expected)
        for mine, theirs in zip(found, expected, strict=True):
            compare(mine, theirs)
    else:
        assert found.keys() == expected.keys() == {"label", "score"}
        assert type(found["score"]) is float and found["score"] == pytest.approx(expected["score"], abs=1e-5)
        assert found["label"] == expected["label"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("call", CALLS, ids=str)
def test_every_way_of_calling(both, kind, call):
    ours, theirs = both("bert", kind)
    for inputs in (
        texts()[1],
        [texts()[1]],
        list(texts()[:9]),
        PAIR,
        {"text": texts()[3]},
        [PAIR, {"text": texts()[4], "text_pair": texts()[7]}, PAIR],
    ):
        compare(ours(inputs, **call), theirs(inputs, **call))
    assert ours([], **call) == []  # where transformers has an IndexError


@pytest.mark.parametrize("defaults", [{"top_k": None}, {"top_k": 2}, {"function_to_apply": "none"}], ids=str)
def test_arguments_of_the_pipeline_are_defaults_of_the_call(both, defaults):
    ours, theirs = both("bert", "single", **defaults)
    for inputs, call in itertools.product((texts()[1], list(texts()[:3]), PAIR), ({}, {"top_k": 1}, {"top_k": None})):
        compare(ours(inputs, **call), theirs(inputs, **call))


@pytest.mark.parametrize("name", NAMES)
def test_every_family(both, sample_texts, name):
    """Shuffled lengths, order kept; texts beyond the model's length are cut as transformers cuts them when asked."""
    ours, theirs = both(name)
    inputs = [*sample_texts, " ".join(texts()[:20]), " "]
    compare(ours(inputs, top_k=None), theirs(inputs, top_k=None))
    pairs = [{"text": a, "text_pair": b} for a, b in zip(inputs[:12], reversed(inputs), strict=False)]
    compare(ours(pairs), theirs(pairs))


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_text(both, name):
    """transformers answers it too, but for GPT-2, where it crashes."""
    ours, theirs = both(name)
    (found,) = ours([""])
    assert 0 <= found["score"] <= 1
    if name != "gpt2":
        compare([found], theirs([""]))


def test_batched_settings_of_transformers_change_nothing(both):
    ours, _ = both()
    inputs = list(texts()[:5])
    expected = ours(inputs)
    sizes: list[dict[str, Any]] = [{"batch_size": 2}, {"num_workers": 0}]
    sizes += [{"padding": one} for one in (None, True, False, "longest", "max_length", "do_not_pad")]
    sizes += [{"truncation": one} for one in (None, True, "longest_first", "head")]
    for one in sizes:
        assert ours(inputs, **one) == expected


def test_pairs_in_other_shapes(both):
    """Tuples and two-item lists are pairs; rows with and without a pair may stand together."""
    ours, _ = both()
    a, b = PAIR.values()
    expected = ours([PAIR])[0]
    assert ours((a, b)) == expected
    compare(ours([(a, b), [a, b], {"text": a}, a]), [expected, expected, *[ours([a])[0]] * 2])


# streams ------------------------------------------------------------------------------------------------------------


class Rows(torch.utils.data.Dataset):
    """The least a torch data set is: a length and items. An index past the end is not an IndexError here."""

    def __init__(self, items: list):
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int):
        return self.items[index % 1000]


class Stream(torch.utils.data.IterableDataset):
    def __init__(self, items: list):
        self.items = items

    def __iter__(self) -> Iterator:
        return iter(self.items)


def sources(items: list[str]) -> dict[str, Any]:
    from transformers.pipelines.pt_utils import KeyDataset

    table = datasets.Dataset.from_dict({"text": items})
    return {
        "generator": (text for text in items),
        "iterator": iter(items),
        "torch data set": Rows(items),
        "iterable data set": Stream(items),
        "key data set": KeyDataset(table, "text"),
        "rows of a table": table,
        "column": table["text"],
        "dicts": ({"text": text} for text in items),
        "set-like": dict.fromkeys(items).keys(),
    }


@pytest.mark.parametrize("source", list(sources(["a"])))
def test_streams_are_answered_in_order(both, source, monkeypatch):
    monkeypatch.setattr(pipeline, "WINDOW", 7)
    ours, theirs = both()
    items = list(texts()[:30])
    found = ours(sources(items)[source], top_k=2)
    assert iter(found) is found  # an iterator, as transformers gives
    compare(list(found), theirs(items, top_k=2))


def test_a_stream_is_taken_a_window_at_a_time(both, monkeypatch):
    monkeypatch.setattr(pipeline, "WINDOW", 5)
    ours, _ = both()
    taken = []

    def endless():
        for number in itertools.count():
            taken.append(number)
            yield texts()[number % 50]

    found = ours(endless())
    assert taken == []
    first = list(itertools.islice(found, 6))
    assert len(taken) == 10
    compare(first, ours(list(texts()[:6])))


def test_windows_and_packs_change_no_number(both, monkeypatch):
    ours, _ = both()
    inputs = list(texts()[:40])
    expected = ours(inputs, top_k=None)
    monkeypatch.setattr(engine, "WINDOW", 3)
    monkeypatch.setattr(ours.run.engine, "pack_tokens", 50)
    compare(ours(inputs, top_k=None), expected)


# answers and refusals -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_an_argument_that_can_do_nothing_is_refused_by_name(both, tiny, name):
    """At a call, and as a default of all calls; None asks for nothing."""
    ours, _ = both()
    folder, wrong = str(tiny("bert", **KINDS["single"])), object()
    if name in ("return_all_scores", "model_kwargs"):  # the one is the task's own, the other a dict
        wrong = {"x": 1} if name == "model_kwargs" else "x"
    with pytest.raises(SettingError, match=name) as caught:
        ours("a", **{name: wrong})
    assert REFUSED[name].say in str(caught.value) or name == "return_all_scores"
    assert ours("a", **{name: None}) == ours("a")
    with pytest.raises(SettingError, match=name):
        byeori.pipeline("text-classification", folder, **{name: wrong})


def test_a_length_for_all_calls(both, tiny):
    """`pipeline(…, max_length=8)` answers as transformers' does when each call cuts at 8."""
    _, theirs = both()
    ours = byeori.pipeline(
        "text-classification", str(tiny("bert", **KINDS["single"])), max_length=8, precision="float32"
    )
    long = " ".join(texts()[:6])
    compare(ours([long]), theirs([long], truncation=True, max_length=8))
    compare(ours([long], max_length=20), theirs([long], truncation=True, max_length=20))
    with pytest.raises(SettingError, match="max_length=.x.: a whole number is needed"):
        byeori.pipeline("text-classification", str(tiny("bert", **KINDS["single"])), max_length="x")
    with pytest.raises(SettingError, match="max_length=1000: text-classification takes 128 tokens"):
        ours(long, max_length=1000)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ({"topk": 2}, "top_k"),
        ({"top_k": 0}, "top_k"),
        ({"top_k": "many"}, "top_k"),
        ({"function_to_apply": "tanh"}, "function_to_apply"),
        ({"truncation": False}, "truncation=False is not taken"),
        ({"truncation": "do_not_truncate"}, "truncation='do_not_truncate' is not taken"),
        ({"truncation": "only_second"}, "of a pair the longer text is cut first"),
        ({"truncation": "only_first"}, "of a pair the longer text is cut first"),
        ({"truncation": "tail"}, "are cut by head. Give it to pipeline"),
        ({"truncation": "banana"}, "truncation='banana': one of longest_first, "),
        ({"truncation": 3}, "truncation=3: one of"),
        ({"padding": "banana"}, "padding='banana': one of longest, max_length, do_not_pad"),
        ({"padding": 5}, "padding=5: one of"),
        ({"batch_size": 0}, "batch_size=0: it must be at least 1"),
        ({"num_workers": "many"}, "num_workers='many': a whole number"),
        ({"max_tokens": 5}, "max_tokens"),
    ],
    ids=str,
)
def test_a_wrong_argument(both, tiny, call, said):
    """At a call, and as a default of all calls."""
    with pytest.raises(SettingError, match=said):
        both()[0]("a", **call)
    if call != {"truncation": "tail"}:  # one that pipeline(…) itself takes
        with pytest.raises(SettingError, match=said):
            byeori.pipeline("text-classification", str(tiny("bert", **KINDS["single"])), **call)("a")


def test_the_part_that_is_kept_is_given_once_for_all_calls(tiny):
    long = " ".join(texts()[:40])
    folder = str(tiny("bert", **KINDS["single"]))
    for kept in ("head", "tail", "middle"):
        ours = byeori.pipeline("text-classification", folder, truncation=kept, precision="float32")
        run = byeori.load_run(folder, task="text-classification", truncation=kept, precision="float32")
        assert ours.run.engine.encoder.truncation == kept
        assert ours([long]) == ours([long], truncation=kept) == run.predict([long])


def test_a_misspelled_argument_is_answered_with_one_of_the_pipelines(tiny):
    folder = str(tiny("bert", **KINDS["single"]))
    with pytest.raises(SettingError, match="there is no setting presicion. Did you mean precision?"):
        byeori.pipeline("text-classification", folder, presicion="float32")


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        (3, "input 1 is int '3'"),
        (["a", 3], "input 2 is int '3'"),
        (["a", None], "input 2 is NoneType"),
        ([{"texts": "a"}], "input 1 is dict"),
        ([{"text": 3}], "input 1: text is int '3', not a text"),
        ([float("nan")], "input 1 is float 'nan'"),
        ([["a", "b", "c"]], "input 1 is list"),
    ],
    ids=str,
)
def test_inputs_that_are_no_texts(both, inputs, said):
    with pytest.raises(DataError, match=said):
        both()[0](inputs)


def test_the_alias(tiny):
    folder = str(tiny("bert", **KINDS["single"]))
    named, alias = (
        byeori.pipeline(task, folder, precision="float32") for task in ("text-classification", "sentiment-analysis")
    )
    assert named(texts()[0]) == alias(texts()[0])
    with pytest.raises(SettingError, match="Did you mean text-classification"):
        byeori.pipeline("text-clasification", folder)


def test_a_folder_that_does_not_say_its_task(tiny):
    with pytest.raises(ModelError, match="doesn't say what it was trained for.*--task"):
        byeori.pipeline(model=str(tiny("bert", **KINDS["single"])))


def test_loaded_objects(tiny, both):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    for name in ("bert", "roberta", "deberta-v2"):
        folder = tiny(name, **KINDS["single"])
        model, tokenizer = (
            AutoModelForSequenceClassification.from_pretrained(folder),
            AutoTokenizer.from_pretrained(folder),
        )
        ours = byeori.pipeline("text-classification", model, tokenizer=tokenizer, precision="float32")
        compare(ours(list(texts()[:8])), both(name)[1](list(texts()[:8])))
        assert ours.model is model and ours.tokenizer is tokenizer
        with pytest.raises(SettingError, match="doesn't say its task"):
            byeori.pipeline(model=model, tokenizer=tokenizer)
        with pytest.raises(ModelError, match="without its tokenizer"):
            byeori.pipeline("text-classification", model)


@pytest.mark.parametrize("device", [None, -1, "cpu", torch.device("cpu")])
@pytest.mark.parametrize(
    "precision", [{}, {"dtype": torch.float32}, {"torch_dtype": "float32"}, {"device_map": "auto"}], ids=str
)
def test_devices_and_dtypes(tiny, device, precision):
    ours = byeori.pipeline("text-classification", str(tiny("bert", **KINDS["single"])), device=device, **precision)
    assert ours.device.type == ("cpu" if device is not None else ours.device.type)
    if precision and "device_map" not in precision:
        assert ours.run.engine.precision == "float32"


def test_no_dtype_is_no_wish(tiny):
    ours = byeori.pipeline("text-classification", str(tiny("bert", **KINDS["single"])), dtype=None, precision="float32")
    assert ours.run.engine.precision == "float32"


@pytest.mark.parametrize("wrong", [{"dtype": "int8"}, {"device_map": {"": 1}}, {"precision": "half"}], ids=str)
def test_wrong_devices_and_dtypes(tiny, wrong):
    with pytest.raises(SettingError):
        byeori.pipeline("text-classification", str(tiny("bert", **KINDS["single"])), device="cpu", **wrong)


def test_what_it_saves_loads_as_a_pipeline(both, tmp_path):
    from transformers import pipeline as theirs

    ours, _ = both()
    ours.save_pretrained(str(tmp_path / "saved"))
    compare(ours(list(texts()[:4])), theirs("text-classification", str(tmp_path / "saved"))(list(texts()[:4])))


def test_a_prediction_is_the_same_in_any_company(both):
    ours, _ = both()
    inputs = list(texts()[:25])
    compare([ours(text)[0] for text in inputs], ours(inputs))
    spent = ours.run.engine.spent
    assert spent.rows >= 50 and spent.computed >= spent.tokens > 0


def test_predictions_as_arrays(tiny):
    run = byeori.load_run(Path(tiny("bert", **KINDS["single"])), task="text-classification", precision="float32")
    found = run.predict(list(texts()[:6]), arrays=True)
    assert found["logits"].shape == (6, 4) and found["logits"].dtype == np.float32
    assert [LABELS[i] for i in found["logits"].argmax(1)] == [one["label"] for one in found["predictions"]]
    assert run.predict([]) == [] and run.predict([], arrays=True)["logits"].shape[0] == 0
