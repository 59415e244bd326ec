"""The card's section on using the model: code for Byeori, and for transformers 5 alone, that runs as it stands.

Invariants: both blocks run where the run's folder lies, after nothing else; transformers' `pipeline` is used only for the
tasks it still has; what the model was trained with (prefix, length, aggregation) stands in the code.

    text = section(read_facts("run"), CHOOSE)
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from byeori import tasks
from byeori.report.facts import Facts, file_name, table

Said = Callable[[Facts], str]


def nothing(facts: Facts) -> str:
    return ""


@dataclass(frozen=True)
class Use:
    """`verb` names the pipeline, `given` is the source of what it is called with; `made` and `called` are what transformers'
    pipeline is told besides when it is made and called; `alone`: the code without it, where there is none for the task."""

    verb: str
    given: Said
    made: Said = nothing
    called: Said = nothing
    alone: Said | None = None
    note: Said = nothing


def section(facts: Facts, use: Use) -> str:
    """Where the model lies, and the two blocks of code."""
    call = f"print({use.verb}({use.given(facts)}))"
    ours = f"import byeori\n\n{use.verb} = byeori.pipeline({quoted(facts.task)}, {_folder(facts)}{_cleaned_by(facts)})\n{call}"
    if adapter := table(facts.saved, "adapter"):
        base = str(
            adapter.get("base")
        )  # on the Hub it has a revision; else it is a path, of which no card shows more than the name
        return _of_adapter(facts, base if adapter.get("revision") else file_name(base), ours)
    if use.alone is None:
        made = f"{use.verb} = pipeline({quoted(facts.task)}, model={_folder(facts)}{use.made(facts)})"
        theirs = (
            f"from transformers import pipeline\n\n{made}\nprint({use.verb}({use.given(facts)}{use.called(facts)}))"
        )
    else:
        theirs = use.alone(facts)
    lacks = "" if use.alone is None else ", whose version 5 has no pipeline for this task"
    note = use.note(facts)
    told = f"`{_place(facts)}` is the folder this card lies in; once it is on the Hub, its id there."
    return "\n\n".join(
        [
            told,
            "With Byeori:",
            _block(ours),
            f"With transformers alone{lacks}:",
            _block(theirs),
            *([note] if note else []),
        ]
    )


def _of_adapter(facts: Facts, base: str, ours: str) -> str:
    """Of an adapter that was saved alone: what others load is both together."""
    kind = tasks.find(facts.task).auto_class
    theirs = (
        f"from peft import PeftModel\nfrom transformers import AutoConfig, {kind}\n\nfolder = {_folder(facts)}\n"
        f"base = {kind}.from_pretrained({quoted(base)}, config=AutoConfig.from_pretrained(folder))\n"
        f"model = PeftModel.from_pretrained(base, folder).merge_and_unload()"
    )
    told = f"`{_place(facts)}` is the folder this card lies in. It holds an adapter alone, which stands on `{base.replace('`', '')}`."
    return "\n\n".join([told, "With Byeori:", _block(ours), "With peft and transformers:", _block(theirs)])


def of_own_task(facts: Facts) -> str:
    """A model of somebody's own task: whose code it takes. Empty where nothing says the task at all."""
    own = table(facts.saved, "own_task")
    if not own:
        return ""
    named = f"{own.get('file') or 'FILE.py'}:{own.get('class')}"
    made = f"import byeori\n\nask = byeori.pipeline({quoted(named)}, {_folder(facts)}{_cleaned_by(facts)})"
    return (
        f"`{_place(facts)}` is the folder this card lies in. The model is of an own task, whose file is no part of it and is "
        f"needed; what `ask` takes is what the task's `inputs` reads.\n\n{_block(made)}"
    )


def quoted(value: Any) -> str:
    """A value as Python source."""
    return json.dumps(value, ensure_ascii=False)


def _place(facts: Facts) -> str:
    return f"{facts.name}/model".replace("`", "")


def _folder(facts: Facts) -> str:
    return quoted(f"{facts.name}/model")


def _cleaned_by(facts: Facts) -> str:
    """The own function that cleaned the texts, whose code is not in the folder and is asked for."""
    own = table(table(facts.saved, "cleaning"), "function")
    named = f"{own.get('file') or 'FILE.py'}:{own.get('function')}"
    return f", clean_function={quoted(named)}" if own else ""


def _block(source: str) -> str:
    return f"```python\n{source}\n```"


def _either(facts: Facts, korean: Any, english: Any) -> Any:
    """An input in the language of the model's own texts."""
    return korean if facts.language == "ko" else english


def _loaded(facts: Facts, kind: str, more: str = "") -> str:
    side = ', truncation_side="left"' if facts.truncation == "tail" else ""
    return (
        f"{more}from transformers import {kind}, AutoTokenizer\n\nfolder = {_folder(facts)}\n"
        f"tokenizer = AutoTokenizer.from_pretrained(folder{side})\nmodel = {kind}.from_pretrained(folder)\n"
    )


def _limit(facts: Facts, truncation: str = "True") -> str:
    """What a tokenizer is told of length."""
    return "" if facts.length is None else f", truncation={truncation}, max_length={facts.length}"


# text-classification, token-classification ----------------------------------------------------------------------------
def _classified(facts: Facts) -> str:
    first, second = _either(facts, ("분류할 문장", "함께 볼 문장"), ("A text to classify", "the text beside it"))
    return quoted({"text": first, "text_pair": second}) if facts.pairs else quoted(first)


def _of_kind(facts: Facts) -> str:
    return {"multi_label": ", top_k=None", "regression": ', function_to_apply="none"'}.get(facts.kind or "", "")


def _threshold(facts: Facts) -> str:
    said = "Byeori gives each label whose score reaches the threshold; with `top_k=None`, as here for transformers, all of them."
    return said if facts.kind == "multi_label" else ""


def _aggregated(facts: Facts) -> str:
    """transformers' strategy that is nearest to what was taught; entities of other schemes than BIO it doesn't put together."""
    from byeori.tasks.tag_schemes import of_labels

    strategy = "simple" if facts.own("unit") == "character" else "first"
    return f", aggregation_strategy={quoted(strategy)}" if of_labels(facts.labels).is_ours else ""


CLASSIFY = Use("classify", _classified, called=_of_kind, note=_threshold)
TAG = Use(
    "tag",
    lambda facts: quoted(_either(facts, "김연아는 서울에서 태어났다.", "Ada Lovelace was born in London.")),
    made=_aggregated,
)


# question-answering ---------------------------------------------------------------------------------------------------
def _asked(facts: Facts) -> tuple[str, str]:
    return _either(
        facts, ("누가 책을 기증했나?", "책은 군립도서관이 기증했다."),
        ("Who gave the books?", "The county library gave the books."),
    )  # fmt: skip


def _question(facts: Facts) -> str:
    question, context = _asked(facts)
    return f"question={quoted(question)}, context={quoted(context)}"


def _span(facts: Facts) -> str:
    question, context = _asked(facts)
    return (
        _loaded(facts, "AutoModelForQuestionAnswering", "import torch\n")
        + f"question = {quoted(question)}\ncontext = {quoted(context)}\n"
        + f'inputs = tokenizer(question, context, return_tensors="pt"{_limit(facts, quoted("only_second"))})\n'
        + "with torch.inference_mode():\n    found = model(**inputs)\n"
        + "outside = torch.tensor([part != 1 for part in inputs.sequence_ids()])\n"
        + "start = int(found.start_logits[0].masked_fill(outside, -torch.inf).argmax())\n"
        + "end = start + int(found.end_logits[0].masked_fill(outside, -torch.inf)[start:].argmax())\n"
        + 'print(tokenizer.decode(inputs["input_ids"][0, start : end + 1]))'
    )


def _whole_context(facts: Facts) -> str:
    none = ', and answers "" where it finds no answer' if facts.own("impossible") else ""
    return f"The second block reads the beginning of a long context alone and always answers; Byeori reads the whole context{none}."


ANSWER = Use("answer", _question, alone=_span, note=_whole_context)


# summarization, translation, text2text-generation -----------------------------------------------------------------------
def _source(facts: Facts) -> str:
    named = {
        "summarization": ("요약할 글", "A text to summarize"),
        "translation": ("번역할 문장", "A sentence to translate"),
    }
    return str(_either(facts, *named.get(facts.task, ("바꿀 글", "A text to rewrite"))))


# of LED, as Byeori and its summarization checkpoints have it
_FIRST_SEES_ALL = """inputs["global_attention_mask"] = 0 * inputs["input_ids"]
inputs["global_attention_mask"][:, 0] = 1
"""


def _generated(facts: Facts) -> str:
    prefix = facts.own("prefix") or facts.own("source_prefix") or ""
    return (
        _loaded(facts, "AutoModelForSeq2SeqLM")
        + f'inputs = tokenizer({quoted(prefix + _source(facts))}, return_tensors="pt"{_limit(facts)})\n'
        + (_FIRST_SEES_ALL if facts.config.get("model_type") == "led" else "")
        + "print(tokenizer.decode(model.generate(**inputs)[0], skip_special_tokens=True))"
    )


def _before_sources(facts: Facts) -> str:
    prefix = facts.own("prefix") or facts.own("source_prefix")
    notes = [f"Byeori puts {quoted(prefix)} before each source by itself."] if prefix else []
    if facts.config.get("model_type") == "marian" and facts.own("target_lang"):
        notes.append(
            "Where the model writes several languages, each source also begins with the mark of its target (`>>…<<`), which "
            "Byeori puts there too."
        )
    return " ".join(notes)


def _write(verb: str) -> Use:
    return Use(verb, lambda facts: quoted(_source(facts)), alone=_generated, note=_before_sources)


SUMMARIZE, TRANSLATE, REWRITE = _write("summarize"), _write("translate"), _write("rewrite")


# text-generation, fill-mask, multiple-choice ----------------------------------------------------------------------------
def _begun(facts: Facts) -> str:
    if facts.own("form") == "messages":
        return quoted([{"role": "user", "content": _either(facts, "안녕하세요?", "Hello!")}]) + ", max_new_tokens=40"
    return quoted(_either(facts, "옛날 옛적에", "Once upon a time")) + ", max_new_tokens=40"


def _masked(facts: Facts) -> str:
    mask = "{fill.tokenizer.mask_token}"
    return "f" + quoted(_either(facts, f"도서관은 아홉 시에 {mask}.", f"The library {mask} at nine."))


def _between_sentinels(facts: Facts) -> str:
    return "The second block prints what was written as it is: each sentinel, and behind it what stands in its gap."


def _offered(facts: Facts) -> tuple[str, list[str]]:
    return _either(
        facts,
        ("우유를 차갑게 두는 곳은?", ["오븐", "냉장고"]),
        ("Where is milk kept cold?", ["In the oven", "In the fridge"]),
    )


def _question_and_choices(facts: Facts) -> str:
    text, choices = _offered(facts)
    return quoted({"text": text, "choices": choices})


def _chosen(facts: Facts) -> str:
    text, choices = _offered(facts)
    return (
        _loaded(facts, "AutoModelForMultipleChoice", "import torch\n")
        + f"text = {quoted(text)}\nchoices = {quoted(choices)}\n"
        + f'inputs = tokenizer([text] * len(choices), choices, padding=True, return_tensors="pt"{_limit(facts)})\n'
        + "with torch.inference_mode():\n"
        + "    scores = model(**{name: values[None] for name, values in inputs.items()}).logits[0]\n"
        + "print(choices[int(scores.argmax())])"
    )


def _gapped(facts: Facts) -> str:
    return quoted(_either(facts, "도서관은 <extra_id_0> 문을 연다.", "The library <extra_id_0> at nine."))


def _gaps(facts: Facts) -> str:
    return (
        _loaded(facts, "AutoModelForSeq2SeqLM")
        + f'inputs = tokenizer({_gapped(facts)}, return_tensors="pt"{_limit(facts)})\n'
        + "print(tokenizer.decode(model.generate(**inputs, max_new_tokens=40)[0]))"
    )


WRITE = Use("write", _begun)
FILL = Use("fill", _masked)
FILL_GAPS = Use("fill", _gapped, alone=_gaps, note=_between_sentinels)
CHOOSE = Use("choose", _question_and_choices, alone=_chosen)
