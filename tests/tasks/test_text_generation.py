"""Text generation: what is learnt, what a block is, what is written; over every family of decoders.

References are the model's own loss with transformers' own attention, `transformers.pipeline` and `model.generate`.
"""

from __future__ import annotations

import copy
import json
import math
from typing import Any

import numpy as np
import pytest
import torch

import byeori
from byeori.batches.loader import Batch, Packing
from byeori.batches.pack import build
from byeori.data.read import read_rows
from byeori.data.rows import Rows
from byeori.errors import DataError, ModelError, RowsError, SettingError
from byeori.models import vocabulary
from byeori.models.load import load_model
from byeori.predict.engine import Engine
from byeori.predict.evaluate import evaluate
from byeori.predict.files import predict_file
from byeori.predict.run import Run
from byeori.tasks.text_generation import TextGeneration
from byeori.text.blocks import IGNORED, around, encode_documents, token_lists
from byeori.text.encode_rows import encode_rows
from byeori.text.parts import Part, conversation, encode_parts
from decoders import CHAT
from families import DECODERS, Family, texts
from gradients import compare_gradients, gradients

CAUSAL = "AutoModelForCausalLM"
BLOCK = 24
TURNS = [
    {"role": "user", "content": texts()[0]},
    {"role": "assistant", "content": texts()[1]},
    {"role": "user", "content": texts()[2]},
    {"role": "assistant", "content": texts()[3]},
]


@pytest.fixture(scope="module")
def runs():
    """`runs(family)` → (a Run of it, the same weights with transformers' eager attention)."""
    made: dict[Any, Any] = {}

    def make(name: str, **own: Any):
        key = (name, str(own))
        if key not in made:
            family = Family(name)
            plain = family.model(CAUSAL, attn_implementation="eager").eval()
            task = TextGeneration(**own)
            loaded = load_model(copy.deepcopy(plain), task, tokenizer=family.tokenizer(), for_training=False)
            engine = Engine(task, loaded.model.eval(), loaded.tokenizer, max_length=100)
            made[key] = (Run(None, task, engine, {}), plain)
        return made[key]

    return make


def rows_of(rows: list[dict[str, Any]]) -> Rows:
    return read_rows(rows, roles=TextGeneration.roles, forms=TextGeneration.forms)


def documents(*some: str) -> Rows:
    return rows_of([{"text": text} for text in some])


def pieces(store) -> list[tuple[list[int], list[int]]]:
    """(ids, labels) of each sequence."""
    ends = store.offsets.tolist()
    inside = [slice(start, end) for start, end in zip(ends[:-1], ends[1:], strict=True)]
    return [(store.input_ids[one].tolist(), store.columns["labels"][one].tolist()) for one in inside]


# blocks ---------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["openai-gpt", "gpt2", "ctrl", "llama", "qwen2", "gemma"])
def test_a_block_holds_so_many_tokens_of_closed_documents(name):
    tokenizer = Family(name).tokenizer()
    some = [texts()[0], " ".join(texts()[4:12]), "가", texts()[1]]
    encoded = encode_documents(tokenizer, some, BLOCK)
    before, after = around(tokenizer)
    end = after or ([tokenizer.eos_token_id] if tokenizer.eos_token_id is not None else [])
    whole = [[*before, *ids, *end] for ids in token_lists(tokenizer, some)]
    assert encoded.input_ids.tolist() == sum(whole, [])
    rows = np.add.reduceat(encoded.lengths, np.cumsum(encoded.counts) - encoded.counts)
    assert (rows[:-1] == BLOCK).all() and 0 < rows[-1] <= BLOCK
    first = np.flatnonzero(encoded.columns["begins"])
    assert np.add.reduceat(encoded.lengths, first).tolist() == [len(ids) for ids in whole]
    assert encoded.truncated == 0


def test_labels_are_the_next_tokens_of_the_same_piece():
    tokenizer = Family("gpt2").tokenizer()
    encoded = encode_documents(tokenizer, list(texts()[:6]), BLOCK)
    ends = np.cumsum(encoded.lengths)
    for start, end in zip(ends - encoded.lengths, ends, strict=True):
        assert encoded.columns["labels"][start:end].tolist() == [*encoded.input_ids[start + 1 : end], IGNORED]


def test_characters_are_those_of_the_predicted_tokens():
    """All of the text where there is a start token; else all but what the first token of each piece says."""
    tokenizer = Family("gemma").tokenizer()
    some = [texts()[0], texts()[1], "  two  spaces ", "가나 다"]
    encoded = encode_documents(tokenizer, some, 10_000)
    assert encoded.columns["characters"].tolist() == [len(text) for text in some]
    tokenizer = Family("gpt2").tokenizer()
    long = " ".join(texts()[0:12:2])
    encoded = encode_documents(tokenizer, [long], BLOCK)
    found = tokenizer(long, return_offsets_mapping=True)["offset_mapping"]
    firsts = [0, *range(BLOCK, len(found), BLOCK)]
    skipped = sum(found[place][1] - (found[place - 1][1] if place else 0) for place in firsts)
    assert encoded.columns["characters"].sum() == len(long) - skipped


def test_a_file_of_one_document_and_a_text_without_tokens():
    tokenizer = Family("openai-gpt").tokenizer()  # no special tokens at all
    encoded = encode_documents(tokenizer, ["", "a"], 4)
    assert encoded.lengths.tolist() == [1, 1] and encoded.counts.tolist() == [2]


# the loss -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", DECODERS)
@pytest.mark.filterwarnings("ignore:.*control code")
def test_the_loss_is_the_models_own_and_a_block_is_its_pieces_alone(runs, name, monkeypatch):
    run, plain = runs(name, block_length=BLOCK)
    store = encode_rows(documents(*texts()[:5], " ".join(texts()[6:16])), run.task, run.engine.encoder)
    assert len(store) < store.sequences and store.source is None
    pack = build(store, np.arange(store.sequences), rows=np.repeat(np.arange(len(store)), np.diff(store.row_offsets)))
    own = [
        plain(input_ids=torch.tensor([ids]), labels=torch.tensor([ids])).loss if len(ids) > 1 else torch.zeros(())
        for ids, _ in pieces(store)
    ]
    expected = sum(loss * (len(ids) - 1) for loss, (ids, _) in zip(own, pieces(store), strict=True))
    monkeypatch.setattr(vocabulary, "LOGITS", 5_000)  # a few tokens at a time: computed again for the gradient
    model, task = run.model, run.task
    found = task.loss(task.outputs(model, pack), pack)
    assert found.shape == pack.labels.shape and not found[pack.labels == IGNORED].any()
    torch.testing.assert_close(found.sum(), expected, rtol=1e-5, atol=0)
    first, ids = int(np.argmin(pack.sequences)), pieces(store)[0][0]
    inside = slice(int(pack.layout.starts[first]), int(pack.layout.starts[first]) + len(ids))
    torch.testing.assert_close(found[inside].sum() / (len(ids) - 1), own[0], rtol=1e-5, atol=0)


@pytest.mark.parametrize("name", ["gpt2", "llama", "gemma2"])
def test_gradients_of_a_block_are_those_of_its_pieces(runs, name, monkeypatch):
    run, plain = runs(name, block_length=BLOCK)
    store = encode_rows(documents(*texts()[:4]), run.task, run.engine.encoder)
    monkeypatch.setattr(vocabulary, "LOGITS", 20_000)
    parts = list(Batch(store, np.arange(len(store)), Packing(pack_tokens=2 * BLOCK)))
    assert len(parts) > 1

    def ours():
        return sum(run.task.loss(run.task.outputs(run.model, pack), pack).sum() for pack in parts)

    def theirs():
        long = [torch.tensor([ids]) for ids, _ in pieces(store) if len(ids) > 1]
        return sum(plain(input_ids=ids, labels=ids).loss * (ids.shape[1] - 1) for ids in long)

    compare_gradients(gradients(run.model, ours), gradients(plain, theirs))


def test_an_encoder_is_refused():
    model, tokenizer = Family("bert").model(CAUSAL), Family("bert").tokenizer()
    loaded = load_model(model, TextGeneration(), tokenizer=tokenizer)
    with pytest.raises(ModelError, match=r"BertLMHeadModel is an encoder.*fill-mask"):
        Engine(TextGeneration(), loaded.model, loaded.tokenizer)


# prompts and conversations --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["openai-gpt", "gpt2", "ctrl", "llama", "gemma"])
def test_only_completions_are_learnt_behind_what_a_call_would_read(name):
    tokenizer = Family(name).tokenizer()
    prompt, completion = texts()[0] + " ", texts()[2]
    encoded = encode_parts(tokenizer, [[Part(prompt, False), Part(completion, True)]], 512)
    read = [*around(tokenizer)[0], *token_lists(tokenizer, [prompt])[0]]
    ids, labels = encoded.input_ids.tolist(), encoded.columns["labels"].tolist()
    end = [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]
    assert ids[: len(read)] == read
    assert labels == [IGNORED] * (len(read) - 1) + ids[len(read) :] + [IGNORED]
    assert labels[-1 - len(end) : -1] == end
    said = tokenizer.decode(ids[len(read) :], skip_special_tokens=True).strip()
    assert said == (completion if name != "openai-gpt" else tokenizer.decode(token_lists(tokenizer, [completion])[0]))
    assert encoded.columns["characters"].tolist() == [len(completion)]


def test_prompts_are_rows_of_their_own_and_their_loss_is_the_models(runs):
    run, plain = runs("llama")
    pairs = [{"prompt": texts()[at], "completion": texts()[at + 2]} for at in range(5)]
    rows = rows_of(pairs)
    store = encode_rows(rows, run.task, run.engine.encoder)
    assert len(store) == store.sequences == 5 and store.source is rows
    judged = evaluate(run.engine, store, run.task.references(rows.table))
    sums = count = 0.0
    for ids, labels in pieces(store):
        unshifted = torch.tensor([[IGNORED, *labels[:-1]]])  # transformers shifts them itself
        learnt = int((unshifted != IGNORED).sum())
        sums += float(plain(input_ids=torch.tensor([ids]), labels=unshifted).loss) * learnt
        count += learnt
    assert judged.values["loss"] == pytest.approx(sums / count, rel=1e-5)
    assert judged.values["perplexity"] == pytest.approx(math.exp(sums / count), rel=1e-5)
    characters = sum(len(pair["completion"]) for pair in pairs)
    assert judged.values["bits_per_character"] == pytest.approx(sums / math.log(2) / characters, rel=1e-5)


def test_too_long_a_row_is_cut_and_counted():
    tokenizer = Family("gpt2").tokenizer()
    row = [Part(texts()[0], False), Part(" ".join(texts()[:9]), True)]
    whole, cut = encode_parts(tokenizer, [row], 512), encode_parts(tokenizer, [row], 120)
    assert cut.truncated == 1 and cut.input_ids.tolist() == whole.input_ids[:120].tolist()
    ratio = (cut.columns["labels"] != IGNORED).sum() / (whole.columns["labels"] != IGNORED).sum()
    assert cut.columns["characters"][0] / whole.columns["characters"][0] == pytest.approx(ratio, rel=0.1)


def test_of_a_conversation_the_assistants_turns_are_learnt():
    tokenizer = Family("qwen2").tokenizer()
    encoded = encode_parts(tokenizer, [conversation(tokenizer, TURNS)], 10_000, special=False)
    whole = tokenizer.apply_chat_template(TURNS, tokenize=False)
    learnt = encoded.columns["labels"][encoded.columns["labels"] != IGNORED]
    written = [f"{turn['content']}<|im_end|>" for turn in TURNS if turn["role"] == "assistant"]
    assert tokenizer.decode(learnt) == "".join(written)
    assert tokenizer.decode(encoded.input_ids) == whole.rstrip()
    # What stands before the last turn is what a call reads.
    asked = tokenizer.apply_chat_template(TURNS[:3], add_generation_prompt=True)["input_ids"]
    assert encoded.input_ids[: len(asked)].tolist() == asked
    assert encoded.columns["labels"][len(asked) - 1] == encoded.input_ids[len(asked)]
    assert encoded.columns["labels"][len(asked) - 2] == IGNORED


def test_a_conversation_that_the_assistant_opens():
    tokenizer = Family("qwen2").tokenizer()
    encoded = encode_parts(tokenizer, [conversation(tokenizer, TURNS[1:3])], 10_000, special=False)
    learnt = encoded.columns["labels"][encoded.columns["labels"] != IGNORED]
    assert tokenizer.decode(learnt) == f"{TURNS[1]['content']}<|im_end|>"


def test_where_a_template_rewrites_earlier_turns_only_the_last_is_learnt():
    tokenizer = Family("qwen3").tokenizer()
    tokenizer.chat_template = (
        "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{% if loop.last and m['role'] == 'assistant' %}Thinking… "
        "{% endif %}{{ m['content'] }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    parts = conversation(tokenizer, TURNS)
    assert [part.text for part in parts if part.learnt] == [f"Thinking… {TURNS[3]['content']}<|im_end|>"]


def test_a_tokenizer_without_a_template_says_what_to_give(runs, tmp_path):
    with pytest.raises(ModelError, match=r"has no chat template.*-Instruct.*--chat-template FILE.jinja"):
        conversation(Family("llama").tokenizer(), TURNS)
    file = tmp_path / "chat.jinja"
    file.write_text(CHAT, encoding="utf-8")
    task = TextGeneration(chat_template=str(file))
    task.prepare(rows_of([{"messages": TURNS}]))
    model, tokenizer = byeori.load(Family("llama").save(tmp_path / "llama", CAUSAL), task)
    task.meet(model, tokenizer)
    assert tokenizer.chat_template == CHAT and conversation(tokenizer, TURNS)
    with pytest.raises(SettingError, match="no such file"):
        TextGeneration(chat_template="nowhere.jinja").meet(model, tokenizer)
    task = TextGeneration()
    task.prepare(rows_of([{"messages": TURNS}]))
    with pytest.raises(ModelError, match="no chat template"):
        task.meet(model, Family("llama").tokenizer())


def test_a_template_that_refuses_the_turns():
    tokenizer = Family("qwen2").tokenizer()
    tokenizer.chat_template = "{{ raise_exception('roles must alternate') }}"
    with pytest.raises(DataError, match=r"roles user, assistant.*roles must alternate"):
        conversation(tokenizer, TURNS)


def test_a_conversation_with_nothing_to_learn():
    rows = rows_of([{"messages": TURNS}, {"messages": TURNS[:1]}])
    with pytest.raises(DataError, match=r"rows, row 2: no turn .* assistant's \(found: user\)"):
        TextGeneration().prepare(rows)


def test_rows_that_are_tokens_already():
    rows = read_rows([{"input_ids": [1, 2, 3]}], roles=TextGeneration.roles, forms=TextGeneration.forms)
    with pytest.raises(DataError, match="tokenized already"):
        TextGeneration().prepare(rows)


# what is written ------------------------------------------------------------------------------------------------------
def theirs(plain: Any, name: str, given: Any, **call: Any) -> Any:
    from transformers import pipeline

    tokenizer = Family(name).tokenizer()
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    pipe = pipeline("text-generation", model=plain, tokenizer=tokenizer)
    return pipe(given, do_sample=False, **call)


PROMPTS = [texts()[0], "가", " ".join(texts()[2:4]), texts()[1], texts()[5]]


def test_texts_are_those_of_transformers_pipeline(runs):
    run, plain = runs("gpt2")
    call = {"max_new_tokens": 12}
    assert run.predict(PROMPTS, **call) == theirs(plain, "gpt2", PROMPTS, **call)
    for more in ({"return_full_text": False}, {"num_beams": 3, "num_return_sequences": 2}, {"prefix": "ok "}):
        assert run.predict(PROMPTS[:2], **call, **more) == theirs(plain, "gpt2", PROMPTS[:2], **call, **more)


def test_tokens_are_those_of_transformers_pipeline_for_a_llama(runs):
    """The texts too, but for the space before a first word that transformers 5 loses with such a tokenizer, and 4 kept."""
    run, plain = runs("llama")
    found = run.predict(PROMPTS, max_new_tokens=9, return_tensors=True)
    expected = theirs(plain, "llama", PROMPTS, max_new_tokens=9, return_tensors=True)
    for (one,), (other,) in zip(found, expected, strict=True):
        assert one["generated_token_ids"] == other["generated_token_ids"]
    texts_found = run.predict(PROMPTS, max_new_tokens=9)
    for prompt, (one,), (ids,) in zip(PROMPTS, texts_found, found, strict=True):
        assert one["generated_text"] == run.tokenizer.decode(ids["generated_token_ids"], skip_special_tokens=True)
        assert one["generated_text"].startswith(prompt)
    expected = theirs(plain, "llama", PROMPTS, max_new_tokens=9, return_full_text=False)
    found = run.predict(PROMPTS, max_new_tokens=9, return_full_text=False)
    assert [one["generated_text"].lstrip() for (one,) in found] == [one["generated_text"] for (one,) in expected]


@pytest.mark.parametrize("name", ["openai-gpt", "ctrl", "qwen3", "gemma", "gemma2", "gemma3_text"])
@pytest.mark.filterwarnings("ignore:.*control code")
def test_a_prompt_gets_what_it_gets_alone(runs, name):
    """Prompts of different lengths go together, padded on the left."""
    run, plain = runs(name)
    found = run.predict(PROMPTS, max_new_tokens=5, return_tensors=True)
    for prompt, (one,) in zip(PROMPTS, found, strict=True):
        ids = run.tokenizer(prompt, return_tensors="pt")["input_ids"]
        alone = plain.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=5, do_sample=False, pad_token_id=0
        )
        kept = alone[0].tolist()
        assert one["generated_token_ids"] == kept


def test_conversations_are_answered_or_gone_on_with(runs):
    run, plain = runs("qwen2")
    call = {"max_new_tokens": 6}
    chats = [TURNS[:3], TURNS[:1]]
    assert run.predict(chats, **call) == theirs(plain, "qwen2", chats, **call)
    found = run.predict([TURNS[:2]], **call)  # the last turn is the assistant's
    assert found == theirs(plain, "qwen2", [TURNS[:2]], **call)
    assert found[0][0]["generated_text"][-1]["content"].startswith(TURNS[1]["content"])
    other = run.predict([TURNS[:2]], continue_final_message=False, **call)
    assert len(other[0][0]["generated_text"]) == 3


def test_what_a_call_may_look_like():
    inputs = TextGeneration().inputs
    assert inputs("a") == ([{"text": "a"}], True)
    assert inputs(["a", "b"]) == ([{"text": "a"}, {"text": "b"}], False)
    assert inputs(TURNS) == ([{"messages": TURNS}], True)
    assert inputs([TURNS, TURNS[:1]]) == ([{"messages": TURNS}, {"messages": TURNS[:1]}], False)
    assert inputs({"prompt": "a"}) == ([{"prompt": "a"}], True)
    assert inputs([{"messages": TURNS}]) == ([{"messages": TURNS}], False)
    for wrong in ([3], [{"texts": "a"}], [[{"role": "user"}]], {"messages": "a"}):
        with pytest.raises(DataError, match="a text, or a conversation"):
            inputs(wrong)


def test_lengths_are_counted_with_the_prompt_or_without(runs):
    run, plain = runs("gpt2")
    found = run.predict(PROMPTS[:2], max_length=60, return_tensors=True)
    assert max(len(one["generated_token_ids"]) for (one,) in found) == 60
    for prompt, (one,) in zip(PROMPTS, found, strict=False):
        ids = run.tokenizer(prompt, return_tensors="pt")["input_ids"]
        alone = plain.generate(ids, attention_mask=torch.ones_like(ids), max_length=60, do_sample=False, pad_token_id=1)
        assert one["generated_token_ids"] == alone[0].tolist()


def test_a_prompt_that_leaves_no_room(runs):
    run, _ = runs("gpt2")
    long = " ".join(texts()[:20])
    with pytest.raises(
        RowsError,
        match=r'^input 2 \(and 1 more such inputs\): the prompt that begins with ".*" has \d+ tokens; the model',
    ):
        run.predict(["a", long, "a", long], max_new_tokens=3)
    (found,) = run.predict([long], max_new_tokens=8, handle_long_generation="hole", return_tensors=True)
    read = run.tokenizer(long)["input_ids"][-120:]
    assert found[0]["generated_token_ids"][:120] == read and len(found[0]["generated_token_ids"]) <= 128
    for asked in (
        {"max_new_tokens": 120},
        {"max_length": 20},
        {"min_new_tokens": 120},
    ):  # told before anything is written
        with pytest.raises(RowsError) as caught:
            run.predict(["a", " ".join(texts()[:2])], **asked)
        assert list(caught.value.reasons) == [1]
    with pytest.raises(SettingError, match="max_new_tokens=128: the model has room for 128 tokens"):
        run.predict(["a"], max_new_tokens=128)


def test_prompts_of_a_file_without_room_keep_their_lines(runs, tmp_path):
    """The others are answered, whatever length is asked."""
    run, _ = runs("gpt2")
    prompts = ["a", " ".join(texts()[:2]), texts()[1]]
    (tmp_path / "p.txt").write_text("\n".join(prompts), encoding="utf-8")
    few = {"max_new_tokens": 80}
    long = [len(run.tokenizer(prompt)["input_ids"]) + 80 > 128 for prompt in prompts]
    assert long == [False, True, False]
    predict_file(run, tmp_path / "p.txt", tmp_path / "out.jsonl", call=few, read={})
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [set(line) - {"row"} for line in lines] == [{"prediction"}, {"error"}, {"prediction"}]
    assert [lines[0]["prediction"], lines[2]["prediction"]] == run.predict([prompts[0], prompts[2]], **few)


def test_a_length_that_counts_the_prompt_leaves_it_whole(runs):
    """handle_long_generation=hole as transformers 4 had it: nothing is cut where max_length says how much is written."""
    run, plain = runs("gpt2")
    prompt = " ".join(texts()[:2])
    ids = run.tokenizer(prompt, return_tensors="pt")["input_ids"]
    most = ids.shape[1] + 5
    (found,) = run.predict([prompt], return_tensors=True, max_length=most, handle_long_generation="hole")
    alone = plain.generate(ids, attention_mask=torch.ones_like(ids), max_length=most, do_sample=False, pad_token_id=1)
    assert found[0]["generated_token_ids"] == alone[0].tolist()


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_the_end_token_is_kept_where_special_tokens_are_asked_for(runs, name):
    """As transformers' pipeline has it; a text that ends otherwise has none."""
    run, plain = runs(name)
    own = [model.generation_config for model in (run.model, plain)]
    (ids,) = theirs(plain, name, ["a"], max_new_tokens=9, return_tensors=True)[0]
    taken = len(run.tokenizer("a")["input_ids"])
    end = ids["generated_token_ids"][taken + 3]  # what is written fourth shall end it
    try:
        for model in (run.model, plain):
            model.generation_config = copy.deepcopy(own[0])
            model.generation_config.eos_token_id = end
        for more in ({"return_tensors": True}, {"skip_special_tokens": False, "return_full_text": False}):
            call = {"max_new_tokens": 9, **more}
            assert run.predict(["a"], **call) == theirs(plain, name, ["a"], **call)
        (found,) = run.predict(["a"], max_new_tokens=9, return_tensors=True)
        assert found[0]["generated_token_ids"][-1] == end and len(found[0]["generated_token_ids"]) <= taken + 4
        (longer,) = run.predict(["a"], max_new_tokens=2, return_tensors=True)
        assert len(longer[0]["generated_token_ids"]) == taken + 2
    finally:
        run.model.generation_config, plain.generation_config = own


def test_padding_behind_a_stop_text_is_no_end_token(runs):
    """Where both are one token: prompts go on beside each other until the last has ended."""
    run, _ = runs("gpt2")
    tokenizer, pad = run.tokenizer, run.tokenizer.pad_token
    try:
        tokenizer.pad_token = tokenizer.eos_token
        (text,) = run.predict(["a"], max_new_tokens=12, return_full_text=False)
        stop = text[0]["generated_text"][2:4]
        few = {"max_new_tokens": 12, "stop": stop, "return_tensors": True}
        alone, together = run.predict(["a"], **few), run.predict(["a", texts()[3]], **few)
        assert alone[0] == together[0] and alone[0][0]["generated_token_ids"][-1] != tokenizer.eos_token_id
    finally:
        tokenizer.pad_token = pad


def test_a_stop_text_and_an_empty_prompt(runs):
    run, plain = runs("gpt2")
    (plain_text,) = run.predict(["a"], max_new_tokens=12, return_full_text=False)
    stop = plain_text[0]["generated_text"][2:4]
    (found,) = run.predict(["a"], max_new_tokens=12, return_full_text=False, stop=stop)
    assert stop in found[0]["generated_text"] and len(found[0]["generated_text"]) < len(plain_text[0]["generated_text"])
    several = run.predict(["a"], max_new_tokens=12, return_full_text=False, stop=["\u2603", stop])
    assert several == [found], "the first of several texts to be written ends it"
    (nothing,) = run.predict([""], max_new_tokens=4, return_tensors=True)
    ids = torch.tensor([[run.tokenizer.bos_token_id]])
    alone = plain.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=4, do_sample=False, pad_token_id=1)
    assert nothing[0]["generated_token_ids"] == alone[0].tolist()


def test_ctrl_is_told_of_its_control_codes(runs):
    run, _ = runs("ctrl")
    run.task._hinted = False
    with pytest.warns(UserWarning, match="begin with a control code.*Books"):
        run.predict(["no code"], max_new_tokens=1)


@pytest.mark.filterwarnings("ignore:Unfeasible length")
def test_a_checkpoint_that_draws(runs):
    """GPT-2's says so in task_specific_params; a call still says otherwise."""
    run, _ = runs("gpt2")
    config = run.model.config
    config.task_specific_params = {"text-generation": {"do_sample": True, "max_length": 50, "min_new_tokens": 20}}
    try:
        found = run.predict(["a"], max_new_tokens=8, num_return_sequences=3, generation_seed=1)
        assert len({one["generated_text"] for one in found[0]}) == 3
        assert run.predict(["a"], max_new_tokens=8, do_sample=False) == run.predict(
            ["a"], max_new_tokens=8, do_sample=False
        )
    finally:
        config.task_specific_params = None


# scores ---------------------------------------------------------------------------------------------------------------
def test_documents_are_judged_whatever_blocks_they_stand_in(runs):
    run, _ = runs("gpt2", block_length=BLOCK)
    rows = documents(*texts()[:7])
    store = encode_rows(rows, run.task, run.engine.encoder)
    judged = evaluate(run.engine, store, run.task.references(rows.table), resamples=200)
    values = judged.scores
    assert values["perplexity"]["value"] == pytest.approx(math.exp(values["loss"]["value"]), rel=1e-6)
    assert values["perplexity"]["low"] < values["perplexity"]["value"] < values["perplexity"]["high"]
    told = run.task.decode(judged.answers, store)
    assert len(told) == 7 != len(store) and {"perplexity", "tokens", "accuracy"} == told[0].keys()
    tokens = sum(one["tokens"] for one in told)
    assert tokens == (store.columns["labels"][:] != IGNORED).sum()
    nll = sum(math.log(one["perplexity"]) * one["tokens"] for one in told)
    assert nll / tokens == pytest.approx(values["loss"]["value"], rel=1e-4)
    small = Engine(run.task, run.model, run.tokenizer, max_length=100, pack_tokens=BLOCK)
    again = evaluate(small, store, run.task.references(rows.table))
    assert again.values["perplexity"] == pytest.approx(values["perplexity"]["value"], rel=1e-5)


def test_evaluation_writes_nothing(runs, monkeypatch):
    run, _ = runs("gpt2", block_length=BLOCK)
    rows = documents(*texts()[:3])
    store = encode_rows(rows, run.task, run.engine.encoder)
    monkeypatch.setattr(TextGeneration, "generate", lambda *given: pytest.fail("it wrote"))
    evaluate(run.engine, store, run.task.references(rows.table))


def test_right_answers_are_what_a_model_without_doubt_would_get():
    task = TextGeneration()
    right = task.references(["a", "b", "c"])
    scores = task.score(right, right)
    assert (scores["perplexity"]["value"], scores["bits_per_character"]["value"], scores["accuracy"]["value"]) == (
        1,
        0,
        1,
    )
    assert task.best in scores and set(scores) - task.lower_is_better == {"accuracy"}
    assert task.named(right[0]) is None


def test_baselines_judge_the_same_tokens(runs):
    run, _ = runs("gpt2", block_length=BLOCK)
    train, test = (
        encode_rows(documents(*some), run.task, run.engine.encoder) for some in (texts()[:60], texts()[60:70])
    )
    found = run.task.baseline("trivial", train, test, 0)
    labels = test.columns["labels"][:]
    wanted = labels[labels != IGNORED]
    counts = np.bincount(train.input_ids[:], minlength=len(run.tokenizer)) + 1
    assert found[:, 0].sum() == pytest.approx(-np.log(counts[wanted] / counts.sum()).sum())
    assert found[:, 1].sum() == len(wanted) and found[:, 2].sum() == (wanted == counts.argmax()).sum()
    better = run.task.baseline("linear", train, test, 0)
    assert better[:, 0].sum() < found[:, 0].sum() and (better[:, [1, 3]] == found[:, [1, 3]]).all()


# a whole run ----------------------------------------------------------------------------------------------------------
def test_a_run_learns_shows_samples_and_loads_anywhere(tmp_path):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = Family("gpt2").save(tmp_path / "gpt2", CAUSAL)
    file = tmp_path / "book.txt"
    file.write_text("\n".join(texts()[:120]), encoding="utf-8")
    run = byeori.train(
        TextGeneration, str(folder), train=str(file), output=str(tmp_path / "run"), epochs=4, batch_size=2, max_length=64,
        learning_rate=3e-3, threads=1, precision="float32", baselines=False, previews=2, validation_size=0.2,
    )  # fmt: skip
    history = [json.loads(line) for line in (tmp_path / "run" / "history.jsonl").read_text().splitlines()]
    losses = [one["loss"] for one in history if "loss" in one]
    assert losses[-1] < losses[0] - 0.5
    samples = [
        json.loads(line) for line in (tmp_path / "run" / "samples.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert all(sample["inputs"]["prompt"] and sample["reference"] for sample in samples)
    predictions = [
        json.loads(line) for line in (tmp_path / "run" / "predictions" / "test.jsonl").read_text().splitlines()
    ]
    assert predictions[0]["prediction"]["tokens"] > 0
    assert run.metrics["test"]["perplexity"]["value"] < 700
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "run" / "model").eval()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "run" / "model")
    again = byeori.load_run(tmp_path / "run", task=TextGeneration, precision="float32")
    assert again.task.form == "text"
    ids = tokenizer(texts()[0], return_tensors="pt")
    written = model.generate(**ids, max_new_tokens=6, do_sample=False)
    (found,) = again.predict([texts()[0]], max_new_tokens=6)
    assert found[0]["generated_text"] == tokenizer.decode(written[0], skip_special_tokens=True)
    assert again.evaluate(str(file))["perplexity"]["value"] == pytest.approx(
        byeori.load_run(tmp_path / "run", task=TextGeneration, precision="float32").evaluate(str(file))["perplexity"][
            "value"
        ]
    )


def test_prompts_that_fill_the_length_are_learnt_from_and_shown(tmp_path):
    """Their ends are; there is hardly room behind them."""
    folder = Family("gpt2").save(tmp_path / "gpt2", CAUSAL)
    long = " ".join(texts()[:9])
    some = [{"prompt": f"{place} {long}", "completion": texts()[place][:4]} for place in range(8)]
    run = byeori.train(
        TextGeneration, str(folder), train=some, validation=some[:2], test_size=0, output=str(tmp_path / "run"), max_steps=2,
        batch_size=4, max_length=128, threads=1, precision="float32", baselines=False, previews=2, preview_every=1,
    )  # fmt: skip
    data = json.loads((tmp_path / "run" / "data.json").read_text(encoding="utf-8"))
    assert "8 of 8 prompts fill --max-length (128)" in json.dumps(data)
    samples = [
        json.loads(line) for line in (tmp_path / "run" / "samples.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert len(samples) == 4 and all(sample["reference"] for sample in samples)
    assert run.metrics["validation"]["perplexity"]["value"] > 1


def test_a_file_is_asked_about_line_by_line(runs, tmp_path):
    """Not as the documents it would be learnt from; a prompt without its completion is a prompt."""
    run, _ = runs("gpt2")
    prompts = [texts()[0], texts()[1], "", texts()[2]]
    (tmp_path / "p.txt").write_text("\n".join([*prompts[:2], *prompts[3:]]), encoding="utf-8")
    expected = run.predict([prompts[0], prompts[1], prompts[3]], max_new_tokens=4)
    assert run.predict(str(tmp_path / "p.txt"), max_new_tokens=4) == expected
    rows = [{"prompt": prompt, "number": n} for n, prompt in enumerate(prompts) if prompt]
    (tmp_path / "p.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    assert run.predict(str(tmp_path / "p.jsonl"), max_new_tokens=4) == expected


def test_a_block_is_as_long_as_those_of_transformers_examples():
    """1,024 tokens, or what the model takes; other tasks take 512."""
    from byeori.models.checks import length_for

    assert length_for(None, 32_768, "m", TextGeneration.default_length) == 1_024
    assert length_for(None, 128, "m", TextGeneration.default_length) == 128
    assert length_for(None, None, "m") == 512
