"""Parts of the playground without a browser: its words, its settings, what a line of the protocol can't show."""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path

import pytest

from byeori.errors import SettingError
from byeori.serve import playground
from byeori.serve.ask import Refused
from byeori.serve.playground_forms import Form, further
from byeori.serve.playground_shown import bars, marked
from byeori.serve.playground_words import KOREAN

HERE = Path(playground.__file__).parent


def sentences() -> set[str]:
    """Every text that is said somewhere in the playground, and those of forms."""
    found = set()
    for path in HERE.glob("playground*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if name in ("say", "_progress", "Form"):
                parts = [*node.args, *(one.value for one in node.keywords if name == "Form")]
                inside = [one for part in parts for one in ast.walk(part)]
                found |= {one.value for one in inside if isinstance(one, ast.Constant) and isinstance(one.value, str)}
    return {one for one in found if one[:1].isupper()}


def test_every_sentence_has_its_korean():
    said = sentences()
    assert len(said) > 40 and sorted(said - set(KOREAN)) == []


def test_it_is_there_where_gradio_is(monkeypatch):
    monkeypatch.setattr(playground, "is_there", lambda: False)
    assert playground.wanted(None) is False and playground.wanted(False) is False
    with pytest.raises(SettingError, match=r"pip install 'byeori\[ui\]'"):
        playground.wanted(True)
    monkeypatch.setattr(playground, "is_there", lambda: True)
    assert playground.wanted(None) is True and playground.wanted(False) is False


def test_a_server_without_it_imports_nothing_of_it(served):
    assert served.server.page is None
    assert served.client.get("/").status_code == 404
    code = "import sys, byeori.serve.server, byeori.serve.playground; print([n for n in ('gradio', 'fastapi') if n in sys.modules])"
    import subprocess

    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_what_is_typed_is_json_or_refused():
    assert further(' {"a": 1}') == {"a": 1} and further("") == {}
    for wrong in ("{", "[1]", '{"a": NaN}', "1"):
        with pytest.raises(Refused):
            further(wrong)


def test_examples_are_those_that_a_run_keeps(tmp_path):
    from types import SimpleNamespace

    from byeori.run import RunFolder
    from byeori.serve.playground_examples import examples

    folder = RunFolder(tmp_path)
    run = SimpleNamespace(folder=folder)
    assert (
        examples(Form("text-classification"), SimpleNamespace(folder=None))
        == examples(Form("text-classification"), run)
        == []
    )
    lines = [
        {
            "step": 1,
            "kind": "entities",
            "inputs": {"text": "<서울:LOC>에"},
            "text": "서울에",
            "reference": ["서울:LOC"],
            "right": True,
        },
        {"step": 1, "inputs": {"question": "어디?", "context": "서울"}, "reference": ["서울", "서울"]},
        {"step": 1, "inputs": {"text": "누구?", "choices": ["나", "너"]}, "reference": 1},
    ]
    folder.watched.write_text("".join(json.dumps(one) + "\n" for one in lines), encoding="utf-8")
    (one, *_) = examples(Form("token-classification"), run)
    assert (one.first, one.reference, one.part) == ("서울에", "서울:LOC", "validation")
    (one,) = examples(Form("question-answering", second="Context"), run)
    assert (one.first, one.second, one.reference) == ("어디?", "서울", "서울")
    one = examples(Form("multiple-choice", second="Choices"), run)[-1]
    assert (one.first, one.second) == ("누구?", "나\n너")


def test_marks_and_bars_escape_what_they_show():
    html = marked("a<b>c", [(1, 4, "<K>", '"'), (2, 5, "<K>", "")], ["<K>"])
    assert html == '<p class="by-text">a<mark class="by-c0" title="&quot;">&lt;b&gt;<b>&lt;K&gt;</b></mark>c</p>'
    assert "&lt;x&gt;" in bars([("<x>", float("nan")), ("y", -2.0)])
    assert Form("anything").first == "Text"
