"""Every argument that the pipelines of transformers 4 took, by task: honoured, or refused by its name.

The names are written down from the source of transformers 4.57 (`_sanitize_parameters` and `__call__` of each pipeline,
`pipeline()` itself, GenerationConfig).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import byeori
from byeori.errors import SettingError
from byeori.predict import pipeline as module
from byeori.predict.arguments import RENAMED
from pipelines import ASKED, BRIEF, CHOICES, MASKED, MODELS, SENTIMENTS, WRITING, A, B, maker, register


@pytest.fixture(autouse=True)
def every_task(monkeypatch):
    register(monkeypatch)


@pytest.fixture(scope="module")
def pipe(tiny):
    return maker(tiny)


# arguments ------------------------------------------------------------------------------------------------------------

INPUTS: dict[str, Any] = {"question-answering": ASKED, "fill-mask": MASKED}
# What each task's calls took in transformers 4.57, beside the input.
SIZES = ("batch_size", "num_workers", "padding", "truncation")
FOR_TOKENIZER = (
    "max_length", "add_special_tokens", "return_token_type_ids", "return_attention_mask", "stride", "return_overflowing_tokens",
    "is_split_into_words", "return_offsets_mapping", "return_special_tokens_mask", "pad_to_multiple_of",
)  # fmt: skip
OF_GENERATE = (
    "max_new_tokens", "min_new_tokens", "max_length", "min_length", "num_beams", "length_penalty", "early_stopping",
    "no_repeat_ngram_size", "encoder_no_repeat_ngram_size", "repetition_penalty", "num_return_sequences", "do_sample",
    "temperature", "top_k", "top_p", "min_p", "eos_token_id", "pad_token_id", "use_cache", "bad_words_ids",
    "forced_bos_token_id", "num_beam_groups", "diversity_penalty", "penalty_alpha", "generation_config", "logits_processor",
    "stopping_criteria", "streamer", "prefix_allowed_tokens_fn", "return_dict_in_generate", "output_scores", "assistant_model",
    "stop_strings", "max_time", "typical_p", "suppress_tokens", "constraints", "force_words_ids", "guidance_scale",
)  # fmt: skip
SEQ2SEQ = (
    "return_tensors",
    "return_text",
    "return_type",
    "clean_up_tokenization_spaces",
    "stop_sequence",
    *OF_GENERATE,
)
SIGNATURES: dict[str, tuple[str, ...]] = {
    "text-classification": (*SIZES, "top_k", "function_to_apply", "return_all_scores", *FOR_TOKENIZER),
    "token-classification": (
        *SIZES, "ignore_labels", "grouped_entities", "ignore_subwords", "aggregation_strategy", "offset_mapping",
        "is_split_into_words", "stride", "delimiter",
    ),
    "question-answering": (
        *SIZES, "topk", "top_k", "doc_stride", "max_answer_len", "max_seq_len", "max_question_len",
        "handle_impossible_answer", "align_to_words",
    ),
    "fill-mask": (*SIZES, "top_k", "targets", "tokenizer_kwargs"),
    "summarization": (*SIZES, *SEQ2SEQ),
    "translation": (*SIZES, *SEQ2SEQ, "src_lang", "tgt_lang"),
    "text2text-generation": (*SIZES, *SEQ2SEQ),
    "text-generation": (
        *SIZES, *SEQ2SEQ, "return_full_text", "prefix", "handle_long_generation", "continue_final_message",
        "skip_special_tokens", "tokenizer_encode_kwargs", "add_special_tokens",
    ),
    "zero-shot-classification": (*SIZES, "candidate_labels", "hypothesis_template", "multi_label", "multi_class"),
    "feature-extraction": (*SIZES, "tokenize_kwargs", "return_tensors"),
}  # fmt: skip

Same = dict[str, Any]  # what it is honoured as: the arguments that answer the same
Check = Callable[[Any], bool]  # or what is true of the answer
_sizes: dict[str, tuple[Any, Same | Check | str]] = {
    "batch_size": (2, {}), "num_workers": (1, {}), "padding": ("max_length", {}), "truncation": (True, {}),
}  # fmt: skip
_generate: dict[str, tuple[Any, Same | Check | str]] = {
    "max_new_tokens": (2, {"max_new_tokens": 2}),
    "min_new_tokens": (3, lambda found: bool(found)),
    "max_length": (90, lambda found: bool(found)),
    "min_length": (2, lambda found: bool(found)),
    "num_beams": (2, lambda found: bool(found)),
    "length_penalty": (2.0, {}),  # of beams alone
    "early_stopping": (True, {}),
    "no_repeat_ngram_size": (1, lambda found: bool(found)),
    "encoder_no_repeat_ngram_size": (2, lambda found: bool(found)),
    "repetition_penalty": (1.5, lambda found: bool(found)),
    "num_return_sequences": (1, {}),
    "do_sample": (False, {}),
    "temperature": (0.5, lambda found: bool(found)),
    "top_k": (1, lambda found: bool(found)),
    "top_p": (0.9, lambda found: bool(found)),
    "min_p": (0.1, lambda found: bool(found)),
    "pad_token_id": (1, {}),
    "use_cache": (False, {}),
    "eos_token_id": (3, "Give stop, a text to end at"),
    "bad_words_ids": ([[5]], "pipe.model.generation_config.bad_words_ids"),
    "forced_bos_token_id": (5, "pipe.model.generation_config.forced_bos_token_id"),
    "suppress_tokens": ([5], "pipe.model.generation_config.suppress_tokens"),
    "max_time": (1.0, "pipe.model.generation_config.max_time"),
    "typical_p": (0.9, "pipe.model.generation_config.typical_p"),
    "guidance_scale": (1.5, "pipe.model.generation_config.guidance_scale"),
    "num_beam_groups": (2, "has left transformers 5"),
    "diversity_penalty": (0.5, "has left transformers 5"),
    "penalty_alpha": (0.6, "has left transformers 5"),
    "constraints": ([1], "has left transformers 5"),
    "force_words_ids": ([[5]], "has left transformers 5"),
    "generation_config": (object(), "Give what it says by name"),
    "return_type": (0, "Give return_full_text or return_tensors"),
    "stop_sequence": ("산", {"stop": "산"}),
    "stop_strings": (["산", "강"], {"stop": ["산", "강"]}),
    **dict.fromkeys(
        ("logits_processor", "stopping_criteria", "streamer", "prefix_allowed_tokens_fn", "assistant_model"),
        (object(), "model's own generate"),
    ),
    **dict.fromkeys(("return_dict_in_generate", "output_scores"), (True, "model's own generate")),
}
_seq2seq: dict[str, tuple[Any, Same | Check | str]] = {
    **_sizes, **_generate,
    "return_tensors": (True, {"return_tensors": True, "return_text": False}),
    "return_text": (True, {}),
    "clean_up_tokenization_spaces": (True, lambda found: bool(found)),
}  # fmt: skip

# task → argument → (a value, what becomes of it): honoured as other arguments ({} for: it changes nothing here) or by
# what is true of the answer, or refused with these words.
ARGUMENTS: dict[str, dict[str, tuple[Any, Same | Check | str]]] = {
    "text-classification": {
        **_sizes,
        "top_k": (2, lambda found: len(found) == 2),
        "function_to_apply": ("SIGMOID", {"function_to_apply": "sigmoid"}),
        "return_all_scores": (False, {}),
        "max_length": (5, lambda found: found != []),
        "add_special_tokens": (False, "trained with its special tokens"),
        "return_token_type_ids": (False, "Segment ids go to the model"),
        "return_attention_mask": (True, {}),
        "stride": (3, "not read in windows"),
        "return_overflowing_tokens": (True, "not read in windows"),
        "is_split_into_words": (True, "Join the words"),
        "return_offsets_mapping": (True, "call pipe.tokenizer for it"),
        "return_special_tokens_mask": (True, "call pipe.tokenizer for it"),
        "pad_to_multiple_of": (8, {}),
    },
    "token-classification": {
        **_sizes,
        "ignore_labels": ([], lambda found: len(found) > 0),
        "grouped_entities": (True, {"aggregation_strategy": "simple"}),
        "ignore_subwords": (True, {"aggregation_strategy": "none"}),  # alone it asked for nothing
        "aggregation_strategy": ("FIRST", {"aggregation_strategy": "first"}),
        "offset_mapping": ([(0, 1)], "Offsets are those of the tokenizer"),
        "is_split_into_words": (False, {}),
        "stride": (2, "needs an aggregation_strategy"),
        "delimiter": (" ", {}),
    },
    "question-answering": {
        **_sizes,
        "top_k": (2, lambda found: len(found) == 2),
        "topk": (2, {"top_k": 2}),
        "doc_stride": (2, {}),  # of long contexts alone
        "max_answer_len": (1, lambda found: len(found["answer"]) < len(ASKED["context"])),
        "max_seq_len": (40, {}),
        "max_question_len": (30, {}),
        "handle_impossible_answer": (True, lambda found: "answer" in found),
        "align_to_words": (False, lambda found: "answer" in found),
    },
    "fill-mask": {
        **_sizes,
        "top_k": (2, lambda found: len(found) == 2),
        "targets": ("서", lambda found: [one["token_str"] for one in found] == ["서"]),
        "tokenizer_kwargs": ({"truncation": True, "max_length": 100}, {}),
    },
    "summarization": _seq2seq,
    "translation": {
        **_seq2seq,
        "src_lang": ("", {}),
        "tgt_lang": ("", {}),
    },
    "text2text-generation": _seq2seq,
    "text-generation": {
        **_sizes, **_generate,
        "return_tensors": (True, lambda found: set(found[0]) == {"generated_token_ids"}),
        "return_text": (True, {}),
        "return_full_text": (True, {}),
        "clean_up_tokenization_spaces": (False, lambda found: bool(found)),
        "prefix": (B, lambda found: found[0]["generated_text"].startswith(A)),
        "handle_long_generation": ("hole", {}),
        "continue_final_message": (True, {}),  # of conversations alone
        "skip_special_tokens": (True, {}),
        "add_special_tokens": (True, {}),
        "tokenizer_encode_kwargs": ({"add_special_tokens": True, "truncation": True}, {}),
    },
    "zero-shot-classification": {
        **_sizes,
        "candidate_labels": ("정치,경제", {}),
        "hypothesis_template": ("이 글은 {}이다.", lambda found: len(found["labels"]) == 2),
        "multi_label": (True, lambda found: not np.isclose(sum(found["scores"]), 1)),
        "multi_class": (True, {"multi_label": True}),
    },
    "feature-extraction": {
        **_sizes,
        "tokenize_kwargs": ({"truncation": True, "max_length": 100}, {}),
        "return_tensors": (True, lambda found: found.ndim == 3),
    },
}  # fmt: skip
WALK = [(task, name) for task, arguments in ARGUMENTS.items() for name in arguments]


@pytest.mark.parametrize("task", SIGNATURES)
def test_every_argument_of_transformers_4_is_in_the_table(task):
    assert set(ARGUMENTS[task]) == set(SIGNATURES[task])


@pytest.mark.parametrize(("task", "name"), WALK, ids=[" ".join(one) for one in WALK])
def test_an_argument_is_honoured_or_refused_by_name(pipe, task, name):
    ours = pipe(task)
    value, becomes = ARGUMENTS[task][name]
    given = INPUTS.get(task, A)
    more = {"zero-shot-classification": CHOICES, **dict.fromkeys(WRITING, BRIEF)}.get(task, {})
    if name in ("max_length", "min_length"):
        more = {one: more[one] for one in more if one != "max_new_tokens"}
    if name in ("temperature", "top_k", "top_p", "min_p"):
        more = {one: more[one] for one in more if one != "do_sample"}
    if isinstance(becomes, str):
        with pytest.raises(SettingError, match=name) as caught:
            ours(given, **{**more, name: value})
        assert becomes in str(caught.value)
        return
    found = ours(given, **{**more, name: value})
    assert becomes(found) if callable(becomes) else found == ours(given, **{**more, **becomes})


# What pipeline(…) itself took: (values that are honoured), (a value that is refused, the words).
AT_THE_START: dict[str, tuple[tuple[Any, ...], tuple[Any, str] | None]] = {
    "framework": (("pt", None), ("tf", "PyTorch is the only framework")),
    "use_fast": ((True,), (False, "The fast tokenizer is always taken")),
    "token": ((None, True), ("hf_x", "Set HF_TOKEN")),
    "use_auth_token": ((None, True), ("hf_x", "Set HF_TOKEN")),
    "config": ((None,), ("x", "Load the model yourself with it")),
    "feature_extractor": ((None,), ("x", "These are text tasks")),
    "image_processor": ((None,), ("x", "These are text tasks")),
    "processor": ((None,), ("x", "These are text tasks")),
    "modelcard": ((None,), ("x", "A run's card")),
    "pipeline_class": ((None,), (object, "FILE.py:CLASS")),
    "args_parser": ((None,), (object(), "FILE.py:CLASS")),
    "code_revision": ((None,), ("main", "at its revision")),
    "binary_output": ((False,), (True, "Write the result yourself")),
    "model_kwargs": (
        ({}, None, {"torch_dtype": "float32"}, {"device_map": "auto"}),
        ({"load_in_8bit": True}, "load_in_8bit is not taken"),
    ),
    "device": ((None, -1, 0, "cpu"), ("tpu", "there is no such device")),
    "device_map": ((None, "auto"), ({"": 1}, "one model runs on one device")),
    "dtype": ((None, "auto", "float32"), ("int8", "precision='int8'")),
    "torch_dtype": ((None, "float32"), ("int8", "precision='int8'")),
    "trust_remote_code": ((None, False, True), None),
    "revision": ((None, "main"), None),
    "batch_size": ((1, 8), (0, "batch_size=0")),
    "num_workers": ((0, 8), ("many", "num_workers='many'")),
}


@pytest.mark.parametrize("name", AT_THE_START)
def test_arguments_of_the_start(tiny, name, capsys):
    folder = str(tiny("bert", **MODELS["text-classification"][1]))
    honoured, refused = AT_THE_START[name]
    for value in honoured:
        assert len(byeori.pipeline("text-classification", folder, **{name: value})(A)) == 1
    if refused is not None:
        with pytest.raises(SettingError) as caught:
            byeori.pipeline("text-classification", folder, **{name: refused[0]})
        assert name.removeprefix("torch_") in str(caught.value) and refused[1] in str(caught.value)


def test_a_number_for_a_device_is_the_cpu_where_there_is_no_gpu(tiny, monkeypatch, capsys):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(module, "_said", set())
    for _ in range(2):
        found = byeori.pipeline("text-classification", str(tiny("bert", **MODELS["text-classification"][1])), device=0)
    assert found.device.type == "cpu"
    assert capsys.readouterr().err == "device=0: PyTorch sees no GPU here, so it runs on the CPU.\n"


def test_a_tokenizer_and_its_options_as_a_tuple(tiny):
    folder = str(tiny("bert", **MODELS["text-classification"][1]))
    assert byeori.pipeline("text-classification", folder, tokenizer=(folder, {"use_fast": True}))(A)
    with pytest.raises(SettingError, match="do_lower_case is not taken"):
        byeori.pipeline("text-classification", folder, tokenizer=(folder, {"do_lower_case": True}))
    with pytest.raises(SettingError, match="a name, a folder or a tokenizer object"):
        byeori.pipeline("text-classification", folder, tokenizer=(1, 2, 3))


@pytest.mark.parametrize(
    ("task", "call", "said"),
    [
        ("text-classification", {"return_all_scores": True, "top_k": 2}, "return_all_scores=True and top_k=2"),
        ("text-classification", {"return_all_scores": 3}, "return_all_scores=3: true or false"),
        ("token-classification", {"grouped_entities": True, "aggregation_strategy": "max"}, "are the same setting. Give one"),
        ("zero-shot-classification", {"multi_class": True, "multi_label": False, **CHOICES}, "multi_class=True and multi_label=False"),
        ("fill-mask", {"tokenizer_kwargs": {"truncation": True}, "truncation": "longest_first"}, "are the same setting"),
        ("fill-mask", {"tokenizer_kwargs": 3}, "tokenizer_kwargs=3: a dict"),
        ("fill-mask", {"tokenizer_kwargs": {"stride": 4}}, "stride=None is not taken|stride"),
        ("fill-mask", {"tokenizer_kwargs": {"banana": 4}}, "banana"),
        ("text-generation", {"tokenizer_encode_kwargs": {"max_length": 4}}, "max_length is not taken. A prompt is not cut"),
        ("text-generation", {"return_full_text": True, "return_tensors": True}, "both say what is returned"),
        ("text-generation", {"max_new_tokens": 3, "max_length": 9}, "both say how long"),
        ("summarization", {"return_all_scores": True}, "It is top_k=None of text-classification"),
        ("summarization", {"grouped_entities": True}, "of token-classification"),
        ("summarization", {"bananas": 3}, "there is no setting bananas"),
        ("text-classification", {"num_beams": 3}, "there is no setting num_beams"),
        ("question-answering", {"max_length": 10_000}, "takes 128 tokens at most"),
    ],
    ids=str,
)  # fmt: skip
def test_arguments_that_do_not_go_together_or_are_of_another_task(pipe, task, call, said):
    with pytest.raises(SettingError, match=said):
        pipe(task)(INPUTS.get(task, A), **call)


def test_every_name_of_generate_is_known(pipe):
    """Those that are no settings here are refused by name, with the place where they can be set."""
    from transformers import GenerationConfig

    ours = pipe("text2text-generation")
    known = byeori.settings.names(ours.run.task.Call)
    others = [name for name in vars(GenerationConfig()) if not name.startswith("_") and name not in {*known, *RENAMED}]
    assert len(others) > 30
    for name in others:
        with pytest.raises(SettingError, match=f"{name}=.* is not taken"):
            ours(A, **{name: object()})


def test_a_length_of_a_call_cuts_as_the_tokenizer_does(pipe):
    from transformers import pipeline as theirs

    ours = pipe("text-classification")
    long = " ".join([A] * 4)
    other = theirs("text-classification", ours.run.model, tokenizer=ours.tokenizer, device="cpu")
    for length in (4, 9):
        expected = other([long], truncation=True, max_length=length)
        for found in (ours([long], truncation=True, max_length=length), list(ours(iter([long]), max_length=length))):
            assert found[0]["label"] == expected[0]["label"]
            assert found[0]["score"] == pytest.approx(expected[0]["score"], abs=1e-5)
    assert ours([long]) == ours([long], max_length=128), "the next call is cut where it was"


def test_a_length_of_the_start_is_the_calls_own_where_a_task_writes(pipe):
    ours = pipe("summarization", max_length=5, num_beams=1, do_sample=False)
    assert ours.run.engine.encoder.max_length > 5
    assert ours(A) == pipe("summarization")(A, max_length=5, num_beams=1, do_sample=False)
    assert ours(A, max_new_tokens=2) == pipe("summarization")(A, **{**BRIEF, "max_new_tokens": 2})


def test_texts_are_cut_where_a_model_of_others_ends(tiny, tmp_path):
    """Not at the 512 tokens of our own trainings: half of a page would be left out in silence."""
    from transformers import AutoTokenizer

    folder = tiny("bert", labels=SENTIMENTS, max_position_embeddings=700)
    tokenizer = AutoTokenizer.from_pretrained(folder, model_max_length=650)
    ours = byeori.pipeline("text-classification", str(folder), tokenizer=tokenizer)
    assert ours.run.engine.encoder.max_length == 650
