"""Text to learn from: documents of plain text, prompts with completions, conversations."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from byeori.data.read import read_rows
from byeori.errors import DataError, SettingError

LM = {
    "roles": ("text", "prompt", "completion", "messages"),
    "forms": (("messages",), ("prompt", "completion"), ("text",)),
}
WIKI = " \n = One = \n \n Text of one . \n \n = = Part = = \n \n More . \n a = b \n \n = Two = \n \n Text of two . \n"


def texts(path, content, **settings):
    path.write_text(content, encoding="utf-8")
    return read_rows(path, SimpleNamespace(**settings), **LM)


def test_how_a_file_falls_into_documents(tmp_path):
    path = tmp_path / "a.txt"
    assert texts(path, "하나\n둘\n셋\n").table["text"][:] == ["하나", "둘", "셋"]
    blocks = texts(path, "\n하나\n둘\n\n\n셋\n")
    assert blocks.table["text"][:] == ["하나\n둘", "셋"]
    assert any("2 documents, cut at blank lines (--document" in note for note in blocks.notes)
    lines = texts(path, "하나\n둘\n\n\n셋\n", document="line")
    assert lines.table["text"][:] == ["하나", "둘", "셋"] and any("2 blank lines left out" in n for n in lines.notes)
    assert texts(path, "하나\n둘\n\n셋\n\n", document="file").table["text"][:] == ["하나\n둘\n\n셋"]
    stray = "".join(f"글 {i}\n" for i in range(1000)) + "\n끝\n"
    assert len(texts(path, stray)) == 1001
    assert len(texts(path, stray, document="paragraph")) == 2
    with pytest.raises(SettingError, match='"lines" is none of "line", "paragraph" or "file". Did you mean line'):
        texts(path, stray, document="lines")


def test_wikitext_headings(tmp_path):
    rows = texts(tmp_path / "wiki.valid.tokens", WIKI)
    assert rows.table["text"][:] == [
        " = One = \n \n Text of one . \n \n = = Part = = \n \n More . \n a = b ",
        " = Two = \n \n Text of two . ",
    ]
    assert len(texts(tmp_path / "a.txt", WIKI, document="paragraph")) == 6


def test_each_line_is_a_row_where_it_is_asked_about(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("하나\n\n둘\n", encoding="utf-8")
    kept = read_rows(path, on_bad="keep", **LM)
    assert (kept.table["text"][:], kept.errors) == (["하나", "", "둘"], {1: "the text is empty"})
    with pytest.raises(DataError, match='row 2: the column "text" is empty'):
        read_rows(path)
    with pytest.raises(DataError, match='row 2: the column "text" is empty'):
        read_rows(path, roles=("text", "text_pair"), required=("text",))
    masked = read_rows(path, SimpleNamespace(document=None), roles=("text", "text_pair"), forms=(("text",),))
    assert masked.table["text"][:] == ["하나", "둘"]


@pytest.mark.parametrize(
    ("row", "prompt", "completion"),
    [
        ({"prompt": "p", "completion": "c"}, "p", "c"),
        ({"instruction": "요약하라.", "input": "긴 글", "output": "짧은 글"}, "요약하라.\n\n긴 글", "짧은 글"),
        ({"instruction": "인사하라.", "input": "", "output": "안녕"}, "인사하라.", "안녕"),
        ({"instruction": "인사하라.", "output": "안녕"}, "인사하라.", "안녕"),
        ({"질문": "몇 시?", "답변": "한 시"}, "몇 시?", "한 시"),
        ({"Q": "몇 시?", "A": "한 시", "label": 0}, "몇 시?", "한 시"),
        (("몇 시?", "한 시"), "몇 시?", "한 시"),
    ],
)
def test_prompts(row, prompt, completion):
    rows = read_rows([row, row], **LM)
    assert rows.table[:] == {"prompt": [prompt] * 2, "completion": [completion] * 2}


@pytest.mark.parametrize(
    "row",
    [
        {"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "hi"}, {"role": "assistant", "content": "yo"}]},
        {"conversations": [{"from": "system", "value": "s"}, {"from": "human", "value": "hi"}, {"from": "gpt", "value": "yo"}]},
        {"messages": [{"role": "System", "content": [{"type": "text", "text": "s"}]}, {"role": "사용자", "content": "hi"},
                      {"role": "assistant", "content": "yo", "tool_calls": None}]},
    ],
)  # fmt: skip
def test_messages(row):
    rows = read_rows([row], **LM)
    wanted = [("system", "s"), ("user", "hi"), ("assistant", "yo")]
    assert [(m["role"], m["content"]) for m in rows.table["messages"][0]] == wanted
    assert rows.table.column_names == ["messages"]


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ({"messages": [{"role": "user"}]}, "row 2: message 1 of 1: it has no text"),
        ({"messages": [{"content": "x"}]}, "row 2: message 1 of 1: it has no role"),
        ({"messages": ["x"]}, "row 2: message 1 of 1: x is no object"),
        ({"messages": []}, 'row 2: the column "messages" is empty'),
        ({"messages": "x"}, "row 2: the messages are x, no list"),
    ],
)
def test_messages_that_cannot_be_used(row, what):
    good = {"messages": [{"role": "user", "content": "hi"}]}
    with pytest.raises(DataError, match=what):
        read_rows([good, row], **LM)


def test_the_first_complete_form():
    both = {"instruction": "a", "output": "b", "text": "Instruction: a"}
    assert read_rows([both], **LM).table.column_names == ["prompt", "completion"]
    assert read_rows([both], SimpleNamespace(text="text"), **LM).table.column_names == ["text"]
    assert read_rows([{"body": "오늘은 날씨가 참 좋다", "id": 1}], **LM).columns == {"text": "body"}
    with pytest.raises(
        DataError, match='"messages" .not found: "messages"., or "prompt" and "completion" .*, or "text"'
    ):
        read_rows([{"n": 1, "m": 2}], **LM)


# the rows of a task ---------------------------------------------------------------------------------------------------
def test_a_task_reads_as_its_settings_say(tmp_path):
    """byeori.encode, as train and predict do: documents, columns, languages; right answers only where they are wanted."""
    from byeori.api import as_rows
    from byeori.tasks import FillMask, QuestionAnswering, TextClassification, Translation

    path = tmp_path / "a.txt"
    path.write_text("하나\n둘\n셋\n", encoding="utf-8")
    assert as_rows(str(path), FillMask(document="file")).table["text"][:] == ["하나\n둘\n셋"]
    assert as_rows(str(path), FillMask(document="line")).table["text"][:] == ["하나", "둘", "셋"]
    assert as_rows(str(path), FillMask(document="file"), labels=False).table["text"][:] == ["하나", "둘", "셋"]
    rows = [{"ko": "하나", "en": "one", "ja": "一"}]
    found = as_rows(rows, Translation(source_lang="en", target_lang="ja"))
    assert (found.table["source"][:], found.table["target"][:]) == (["one"], ["一"])
    assert as_rows(rows, Translation(source="ja"), labels=False).table["source"][:] == ["一"]
    asked = [{"question": "몇?", "context": "하나", "id": "q"}]
    assert "answers" not in as_rows(asked, QuestionAnswering(), labels=False).table.column_names
    with pytest.raises(DataError, match="answers"):
        as_rows(asked, QuestionAnswering())
    assert as_rows([{"text": "a", "label": "x"}], TextClassification(), labels=False).table.column_names == ["text"]


def test_streaming_wants_a_number_of_rows():
    from byeori.data.read import read

    with pytest.raises(SettingError, match="how many rows to take with --max-rows"):
        read("someone/a-data-set", streaming=True)
