"""Every family of the inventory, tiny and with its own tokenizer, trained on each task it has a head for.

The loss falls, and the saved folder answers the same in Byeori and in plain transformers, asked one unpadded row at a time
(tests/plain.py). That packed = padded = alone is held by test_packed.py, test_token_heads.py and test_seq2seq_losses.py,
translation by tests/tasks/test_seq2seq.py.
"""

from __future__ import annotations

import importlib
import json

import pytest

import byeori
from byeori.errors import ModelError
from families import ALL, DECODERS, ENCODERS, SEQ2SEQ, Family
from plain import JOBS, TEXTS, check, losses, train

FAMILIES = {
    "text-classification": (*ENCODERS, *DECODERS, "t5", "mt5", "bart", "mbart"),
    "token-classification": (*ENCODERS, "gpt2", "llama", "qwen2", "qwen3", "gemma", "gemma2", "t5", "mt5"),
    "question-answering": (*ENCODERS, "gpt2", "llama", "qwen2", "qwen3", "t5", "mt5", "bart", "mbart", "led"),
    "fill-mask": ENCODERS,
    "multiple-choice": ENCODERS,
    "text-generation": DECODERS,
    "summarization": SEQ2SEQ,
}
# What transformers maps as well: an encoder as a decoder, a seq2seq model's span of noise.
OTHERWISE = {
    "text-generation": {"bert", "roberta", "electra", "xlm-roberta", "camembert", "bart", "mbart", "marian", "pegasus"},
    "fill-mask": {"bart", "mbart"},
}
CASES = [(task, name) for task, names in FAMILIES.items() for name in names]
SPOKEN = {("summarization", "mbart"): {"source_lang": "ko"}}
INVENTORY = {  # as the issue lists them
    "bert", "roberta", "distilbert", "albert", "electra", "xlm-roberta", "camembert", "deberta-v2", "modernbert", "longformer",
    "openai-gpt", "gpt2", "ctrl", "llama", "qwen2", "qwen3", "gemma", "gemma2", "gemma3_text",
    "t5", "mt5", "bart", "mbart", "marian", "pegasus", "led",
}  # fmt: skip


def test_every_family_and_every_head_is_here():
    import transformers

    assert set(ALL) == INVENTORY == {name for _, name in CASES}
    for task, names in FAMILIES.items():
        theirs = set(getattr(transformers, JOBS[task].auto)._model_mapping._model_mapping)
        assert set(names) == set(ALL) & theirs - OTHERWISE.get(task, set()), task


@pytest.mark.filterwarnings("ignore:Recommended. pip install sacremoses", "ignore:.*control code")
@pytest.mark.parametrize(("task", "name"), CASES, ids=[f"{name}-{task}" for task, name in CASES])
def test_trained_saved_and_the_same_anywhere(tiny, tmp_path, monkeypatch, task, name):
    from transformers import AutoTokenizer

    monkeypatch.setattr(importlib.import_module("byeori.train.fit"), "RESAMPLES", 10)  # no interval is looked at here
    source = tiny(name, auto=JOBS[task].auto)
    run = train(task, source, tmp_path / "run", **SPOKEN.get((task, name), {}))
    found = losses(run)
    assert sum(found[-3:]) < 0.9 * sum(found[:3]), found
    expected = check(run, task)
    assert len({json.dumps(one, sort_keys=True) for one in expected}) > 1  # answers tell texts apart
    own, saved = Family(name).tokenizer(), AutoTokenizer.from_pretrained(run.path / "model")
    for text in TEXTS:
        ids = own(text)["input_ids"]
        assert own.unk_token_id is None or own.unk_token_id not in ids, "Korean and English are known"
        assert saved(text)["input_ids"] == ids or name == "mbart"


# what is gone ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("use", ["train", "load_run", "pipeline"])
@pytest.mark.parametrize("name", ["transfo-xl-wt103", "transfo-xl/transfo-xl-wt103", "FOLDER"])
def test_transformer_xl_is_gone_and_what_to_use_is_said(tmp_path, name, use):
    """Named as the course names it, without asking the network, or as an old folder."""
    if name == "FOLDER":
        name = str(tmp_path / "old")
        (tmp_path / "old").mkdir()
        (tmp_path / "old" / "config.json").write_text(json.dumps({"model_type": "transfo-xl", "d_model": 8}))
        (tmp_path / "old" / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(ModelError, match="transformers 5 has no .* any more") as caught:
        if use == "train":
            byeori.train("text-generation", name, train=[{"text": "a b c"}] * 20, output=str(tmp_path / "run"))
        elif use == "load_run":
            byeori.load_run(name, task="text-generation")
        else:
            byeori.pipeline("text-generation", name)
    said = str(caught.value)
    assert said.startswith(name) and "Use a GPT-2" in said and "\n" not in said and caught.value.exit_code == 4
    assert not (tmp_path / "run").exists()
