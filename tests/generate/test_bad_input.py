"""Bad input of whatever writes, through every door: Python, flags, a settings file; and that no door goes past the engine.

Each refusal is one sentence with what was found and what to give instead; nothing is written, and no traceback shown.
"""

from __future__ import annotations

import copy
import json
import re
import warnings
from pathlib import Path

import pytest
import transformers
from trained import END, PAD, fresh, prompts, trained

import byeori
from byeori.errors import ByeoriError, DataError, ModelError, SettingError
from byeori.generate.decoding import Decoding
from byeori.generate.write import LONG, MANY, texts, write
from commands import Command
from families import texts as sentences

SOURCE = Path(byeori.__file__).parent
# What is asked, and what is said to it: what was found, and what to do next.
CONTRADICTIONS = [
    ({"num_beams": 4, "temperature": 0.7}, "temperature=0.7 draws tokens, and 4 beams take the likeliest. Give num_beams=1"),
    ({"num_beams": 2, "top_p": 0.9}, "top_p=0.9 draws tokens, and 2 beams"),
    ({"min_new_tokens": 9, "max_new_tokens": 8}, "min_new_tokens=9: more than the 8 that may be written"),
    ({"num_beams": 2, "num_return_sequences": 3}, "num_return_sequences=3: there are 2 beams. Give num_beams of at least"),
    ({"num_return_sequences": 2}, "there is 1 beam. Give num_beams of at least as many, or do_sample"),
    ({"stop": ""}, "stop='': an empty text"),
]  # fmt: skip
ABSURD = [
    ({"num_beams": 0}, "num_beams='?0'?: it must be at least 1"),
    ({"max_new_tokens": -3}, "max_new_tokens='?-3'?: it must be at least 1"),
    ({"temperature": -1}, "temperature='?-1'?: it must be at least 0.01"),
    ({"top_p": 1.5}, "top_p='?1.5'?: it must be at most 1"),
    ({"length_penalty": "nan"}, "length_penalty='nan': a finite number is needed"),
    ({"generation_seed": 1 << 70}, "generation_seed='?1180591620717411303424'?: it must be at most"),
]  # fmt: skip


def named(asked: dict) -> str:
    return ",".join(f"{name}={value}" for name, value in asked.items())


@pytest.fixture(scope="module")
def pipe(tiny):
    found = {}

    def of(task: str) -> byeori.Pipeline:
        if task not in found:
            name, auto = {"text-generation": ("gpt2", "CausalLM")}.get(task, ("t5", "Seq2SeqLM"))
            found[task] = byeori.pipeline(
                task, str(tiny(name, auto=f"AutoModelFor{auto}")), precision="float32", device="cpu"
            )
        return found[task]

    return of


@pytest.fixture
def command(tmp_path, tiny, capsys):
    made = Command(tmp_path, tiny("t5", auto="AutoModelForSeq2SeqLM"), capsys)
    made.output = tmp_path / "out.jsonl"
    return made


def lines(*rows: dict) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


# what is asked -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("task", ["summarization", "text-generation"])
@pytest.mark.parametrize(
    "asked, said", CONTRADICTIONS + ABSURD, ids=lambda one: named(one) if isinstance(one, dict) else ""
)
def test_refused_from_python(pipe, task, asked, said):
    found = pipe(task)
    with pytest.raises(SettingError, match=said):
        found(sentences()[:2], **asked)
    with pytest.raises(SettingError, match=said if "num_return_sequences" not in asked else "one text can be streamed"):
        list(found.stream(sentences()[0], **asked))


@pytest.mark.parametrize("asked, said", [CONTRADICTIONS[0], CONTRADICTIONS[2], ABSURD[5]])
@pytest.mark.parametrize("door", ["flags", "yaml"])
def test_refused_from_the_command_line_and_from_a_file(command, door, asked, said):
    data = command.write("a.jsonl", lines(*({"source": one} for one in sentences()[:3])))
    values = {"model": command.model, "task": "summarization", "input": data, "output": command.output, **asked}
    if door == "yaml":
        command("predict", command.write("a.yaml", "".join(f"{name}: {value}\n" for name, value in values.items())))
    else:
        flags = [part for name, value in values.items() if name not in ("model", "input")
                 for part in (f"--{name.replace('_', '-')}", value)]  # fmt: skip
        command("predict", values["model"], data, *flags)
    assert re.search(said, command.error), command.err
    command.refused(2)


def test_lengths_are_refused_before_training(command):
    data = command.write("a.jsonl", lines(*({"source": one, "target": "a"} for one in sentences()[:20])))
    command.train(data, "--min-new-tokens", "9", "--max-new-tokens", "8", task="summarization")
    command.refused(2, "min_new_tokens=9", "8")
    assert "step 1/" not in command.err


def test_a_length_is_refused_by_the_name_it_was_given(pipe):
    with pytest.raises(SettingError, match="^min_length=30 .*more than the 19 that may be written"):
        pipe("summarization")("a", min_length=30, max_length=20)


def test_a_draw_is_one_where_nobody_has_beams(pipe):
    asked = {"temperature": 0.7, "num_beams": 1, "max_new_tokens": 6, "generation_seed": 5}
    found = pipe("summarization")
    assert found("a b c", **asked) == found("a b c", do_sample=True, **asked)


def test_beams_that_draw_are_done_by_generate_and_it_is_said_once():
    model, asked = fresh("t5").eval(), Decoding(num_beams=3, do_sample=True, max_new_tokens=4, generation_seed=1)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        first, second = (write(model, prompts("t5", 3), asked, pad=PAD) for _ in range(2))
    assert first == second
    (only,) = [str(one.message) for one in said if "decodes by transformers' generate" in str(one.message)]
    assert "num_beams=3" in only and only.endswith(".") and not only.endswith("..")


# what is given -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "given", ["", "  ", ["a", "", "b"], iter(["a", "", "b"])], ids=["empty", "blank", "list", "stream"]
)
def test_an_empty_prompt(pipe, given):
    place = 1 if isinstance(given, str) else 2
    with pytest.raises(DataError, match=f"input {place} is empty: there is nothing to write from"):
        list(pipe("summarization")(given, max_new_tokens=2))


def test_prompts_without_tokens():
    with pytest.raises(DataError, match="input 2 has no tokens"):
        write(fresh("t5").eval(), [[9], []], Decoding(max_new_tokens=3), pad=PAD)


def test_an_empty_row_keeps_its_line(command):
    data = command.write("a.jsonl", lines({"source": "a b"}, {"source": ""}, {"source": "c"}))
    command(
        "predict", command.model, data, "--task", "summarization", "--output", command.output, "--max-new-tokens", 3
    )
    first, second, third = map(json.loads, command.output.read_text().splitlines())
    assert second == {"row": 2, "error": "the source is empty"}
    assert "summary_text" in first["prediction"] and "summary_text" in third["prediction"]


def test_a_prompt_at_and_past_the_models_length(pipe):
    found = pipe("text-generation")
    limit = found.run.task.limit
    one = next(word for word in ("a", "the", "가") if len(found.tokenizer(word)["input_ids"]) == 1)
    ids = found.tokenizer(one)["input_ids"]
    model, pad = found.model, 0
    (written,) = write(model, [ids * (limit - 1)], Decoding(), pad=pad)  # what there is room for, nothing named
    assert len(written[0]) <= 1
    with pytest.raises(SettingError, match="max_new_tokens=2: the model has room for 1 tokens"):
        write(model, [ids * (limit - 1)], Decoding(max_new_tokens=2), pad=pad)
    for length in (limit, limit + 7):
        with pytest.raises(DataError, match=f"has {length:,} tokens and the model takes {limit:,}"):
            write(model, [ids * length], Decoding(), pad=pad)
    text = " ".join(sentences()) * 4
    with pytest.raises(
        ByeoriError, match=rf"tokens; the model takes {limit:,}, the 5 it writes included. Shorten it, or give"
    ):
        found(text, max_new_tokens=5)
    (cut,) = found(text, max_new_tokens=5, handle_long_generation="hole", return_full_text=False, return_tensors=None)
    assert isinstance(cut["generated_text"], str)


def test_a_source_past_the_length_is_cut_and_counted(command):
    data = command.write("a.jsonl", lines({"source": "a b"}, {"source": " ".join(sentences()) * 20}))
    command(
        "predict", command.model, data, "--task", "summarization", "--output", command.output, "--max-new-tokens", 3
    )
    assert command.code == 0, command.err
    assert re.search(r"1 of 2 sources are longer than [\d,]+ tokens and were cut", command.err), command.err
    assert all("prediction" in json.loads(line) for line in command.output.read_text().splitlines())


def test_stop_texts_without_a_tokenizer():
    with pytest.raises(SettingError, match="stop.*tokenizer"):
        write(fresh("t5").eval(), [[9]], Decoding(stop="a", max_new_tokens=3), pad=PAD)


def test_an_end_the_model_never_learnt_is_said_once():
    model = fresh("gpt2").eval()
    model.generation_config.suppress_tokens = [END]  # as if its end were never the likeliest
    rows = prompts("gpt2", MANY)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for _ in range(2):
            found = texts(model, rows, Decoding(max_new_tokens=LONG), pad=PAD)
    assert {(len(one.ids), one.end) for (one,) in found} == {(LONG, None)}
    (only,) = [str(one.message) for one in said if "came to an end by itself" in str(one.message)]
    assert (
        f"none of {MANY} texts came to an end by itself; all stop at the most tokens allowed (max_new_tokens)" in only
    )


@pytest.mark.parametrize("asked, count", [
    ({"min_new_tokens": LONG, "max_new_tokens": LONG}, MANY),  # no end was allowed
    ({"max_new_tokens": LONG - 1}, MANY),  # too short to tell
    ({"max_new_tokens": LONG}, MANY - 1),  # too few
])  # fmt: skip
def test_nothing_is_said_of_ends_that_could_not_come(asked, count):
    model = fresh("gpt2").eval()
    model.generation_config.suppress_tokens = [END]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        texts(model, prompts("gpt2", count), Decoding(**asked), pad=PAD)


def test_a_list_of_starts():
    model, rows = copy.deepcopy(trained("t5")), prompts("t5", 4)
    right = texts(model, rows, Decoding(max_new_tokens=9), pad=PAD)
    model.generation_config.decoder_start_token_id = [model.generation_config.decoder_start_token_id]
    assert texts(model, rows, Decoding(max_new_tokens=9), pad=PAD) == right
    model.generation_config.decoder_start_token_id = [PAD, END]
    with pytest.raises(ModelError, match=r"decoder_start_token_id=\[0, 1\]: a decoder begins with one token"):
        texts(model, rows, Decoding(max_new_tokens=9), pad=PAD)


# the doors ------------------------------------------------------------------------------------------------------------
def test_every_door_goes_through_the_engine(command, tmp_path, monkeypatch):
    """transformers' own generate is not there: training with samples and evaluation, evaluate, predict, pipeline, stream."""

    def gone(*given, **named):
        raise AssertionError("model.generate was called")

    monkeypatch.setattr(transformers.GenerationMixin, "generate", gone)
    rows = [{"source": one, "target": one[:6]} for one in sentences()[:24]]
    data, run = command.write("a.jsonl", lines(*rows)), tmp_path / "run"
    short = ("--num-beams", 2, "--max-new-tokens", 4)
    command.train(data, "--preview-every", "1", "--max-length", "24", *short, task="text2text-generation", output=run)
    assert command.code == 0, command.err
    assert command.err.count(" ~ ") + command.out.count(" ~ ") >= 1  # samples
    command("evaluate", run, data, *short)
    assert command.code == 0 and "ROUGE-L" in command.out + command.err
    command("predict", run, data, "--output", command.output, "--precision", "float32", *short)
    made = [json.loads(line)["prediction"]["generated_text"] for line in command.output.read_text().splitlines()]
    asked = {"num_beams": 2, "max_new_tokens": 4}
    pipe = byeori.pipeline(model=str(run), precision="float32")
    given = [one["source"] for one in rows]
    assert [one["generated_text"] for one in pipe(given, **asked)] == made
    assert [one["generated_text"] for (one,) in pipe(iter(given), **asked)] == made
    asked = {"num_beams": 1, "max_new_tokens": 4}
    assert "".join(pipe.stream(given[0], **asked)) == pipe(given[0], **asked)[0]["generated_text"]


def test_only_the_fallback_calls_generate():
    """Nothing else in the package calls a model's own generate but what is measured beside it; a card tells how a person would."""
    found = {
        str(path.relative_to(SOURCE))
        for path in SOURCE.rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search(r"\bmodel\.generate\(", line) and not line.lstrip().startswith(("#", '+ "', '"', "WHOLE"))
    }
    assert found == {"generate/plain.py", "bench/generating.py"}
