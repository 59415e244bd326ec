"""Files of one token a line: every sentence, token and tag as the file has them, and the line of what is wrong."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from byeori.data.conll import parse, recognise
from byeori.data.names import NAMES, header_names, tiers
from byeori.data.read import ROLES, read, read_rows, read_splits
from byeori.errors import DataError

FIXTURES = Path(__file__).parent / "fixtures"
NER = {"roles": ("tokens", "tags", "text", "entities"), "forms": (("tokens", "tags"), ("text", "entities"))}


def pairs(rows):
    return [list(zip(t, g, strict=True)) for t, g in zip(rows.table["tokens"][:], rows.table["tags"][:], strict=True)]


WORD = st.text(st.sampled_from("aZ가나#\"'-.,😀 ‌"), min_size=1, max_size=4).filter(
    lambda w: w[0] != "#" and w.strip(" ")
)
SENTENCES = st.lists(
    st.lists(st.tuples(WORD, st.sampled_from(["O", "B-PER", "I-PER"])), min_size=1, max_size=5), min_size=1, max_size=4
)


@settings(max_examples=100, deadline=None)
@given(sentences=SENTENCES, end=st.sampled_from(["\n", "\r\n"]), between=st.sampled_from(["", "\t", "\ufeff"]))
def test_what_was_written_is_read(sentences, end, between):
    lines = []
    for sentence in sentences:
        lines += [f"{token}\t{tag}" for token, tag in sentence] + [between]
    data = end.join(lines).encode()
    sheet = parse(data, "a.conll", recognise(data, ".conll"))
    found = zip(sheet.columns["token"], sheet.columns["tag"], strict=True)
    assert [list(zip(t, g, strict=True)) for t, g in found] == sentences
    assert sheet.file.rows == len(sentences)


def test_klue_by_character():
    rows = read_rows(FIXTURES / "klue_ner.tsv", **NER)
    assert rows.table["tokens"][:] == [list("서울에 김 씨가"), list("# 한 번")]
    assert rows.table["tags"][1] == ["O", "O", "B-QT", "I-QT", "I-QT"]
    assert rows.columns == {"tokens": "CHAR", "tags": "NE_TAG"}
    assert rows.origin.files[0].format == "conll" and len(rows) == rows.origin.files[0].rows == 2
    assert any("7 comment lines" in note for note in rows.notes)


def test_the_unit_is_told(tmp_path):
    body = "".join(f"{c}\tO\n" for c in "대한민국은 민주공화국이다. 주권은 국민에게") + "\n"
    (tmp_path / "c.tsv").write_text(body, encoding="utf-8")
    rows = read_rows(tmp_path / "c.tsv", **NER)
    assert rows.facts["unit"] == "character" and any("a token is a character" in note for note in rows.notes)
    assert rows.select([0]).facts == rows.facts
    listed = [{"tokens": list("대한민국은 민주공화국이다. 주권은"), "tags": ["O"] * 18}] * 2
    assert read_rows(listed, **NER).facts["unit"] == "character"
    assert read_rows(FIXTURES / "conll2003.txt", **NER).facts["unit"] == "word"


def test_conll_2003():
    rows = read_rows(FIXTURES / "conll2003.txt", **NER)
    assert pairs(rows) == [
        [("EU", "B-ORG"), ("rejects", "O"), ("German", "B-MISC"), ("call", "O"), (".", "O")],
        [("Peter", "B-PER"), ("Blackburn", "I-PER")],
        [("#", "O"), ("1", "O")],
    ]
    assert any("2 -DOCSTART- lines" in note for note in rows.notes)
    for asked in ("POS", "pos", "2"):
        assert read_rows(FIXTURES / "conll2003.txt", SimpleNamespace(label=asked), **NER).table["tags"][1] == [
            "NNP",
            "NNP",
        ]
    assert read_rows(FIXTURES / "conll2003.txt", SimpleNamespace(tags="3"), **NER).table["tags"][1] == ["B-NP", "I-NP"]
    again = read_rows(FIXTURES / "conll2003.txt", before={"tokens": "TOKEN", "tags": "CHUNK"}, **NER)
    assert again.table["tags"][1] == ["B-NP", "I-NP"]
    with pytest.raises(
        DataError, match=r'conll2003.txt: there is no column "lemma" \(--tags\). The columns are "TOKEN"'
    ):
        read_rows(FIXTURES / "conll2003.txt", SimpleNamespace(tags="lemma"), **NER)


def test_conll_u():
    rows = read_rows(FIXTURES / "fixture.conllu", **NER)
    assert pairs(rows) == [[("나는", "PRON"), ("간다", "VERB"), (".", "PUNCT")], [("#해시", "NOUN")]]
    assert rows.columns == {"tokens": "FORM", "tags": "UPOS"}
    assert rows.origin.files[0].format == "conllu"
    assert any("2 multiword range or empty nodes" in note and "5 comment lines" in note for note in rows.notes)
    xpos = read_rows(FIXTURES / "fixture.conllu", SimpleNamespace(label="XPOS"), **NER)
    assert xpos.table["tags"][:] == [["NP+JX", "VV+EF", "SF"], ["NNG"]]
    assert xpos.columns["tags"] == "XPOS"
    with pytest.raises(DataError, match='the column "feats" holds no tag'):
        read_rows(FIXTURES / "fixture.conllu", SimpleNamespace(tags="feats"), **NER)
    kept = read(FIXTURES / "fixture.conllu", tokens="FORM", tags="UPOS")
    assert kept["text"][:] == ["나는 간다.", "#해시"] and kept["id"][:] == ["s1", "s2"]


def test_conll_u_plus_names_its_columns(tmp_path):
    text = "# global.columns = ID FORM UPOS\n1\t나는\tPRON\n2\t간다\tVERB\n\n"
    (tmp_path / "a.conllup").write_text(text, encoding="utf-8")
    rows = read_rows(tmp_path / "a.conllup", SimpleNamespace(tokens="FORM"), **NER)
    assert pairs(rows) == [[("나는", "PRON"), ("간다", "VERB")]]


WRONG = "a\tO\nb\tB-X\n\nc\tO\nlol\nd\t\n\ne\tO\tx\n\nf\tO\n\n\tO\n\ng\tO\n"


def test_a_token_without_a_tag_names_its_line(tmp_path):
    (tmp_path / "w.conll").write_text(WRONG)
    with pytest.raises(DataError) as caught:
        read_rows(tmp_path / "w.conll", **NER)
    message = str(caught.value)
    assert message.startswith('w.conll, line 5 (row 2): the token "lol" has no tag. 3 of 6 sentences are like this.')
    assert "--skip-bad-rows" in message
    rows = read_rows(tmp_path / "w.conll", SimpleNamespace(skip_bad_rows=True), **NER)
    assert rows.table["tokens"][:] == [["a", "b"], ["f"], ["g"]]
    assert (rows.origin.where(1), rows.origin.files[0].rows) == ("w.conll, row 4", 6)
    note = next(note for note in rows.notes if "left out" in note)
    assert (
        "3 sentences" in note and "line 8: 3 columns where other lines have 2" in note and "line 12: no token" in note
    )
    kept = read_rows(tmp_path / "w.conll", on_bad="keep", **NER)
    assert len(kept) == 6 and set(kept.errors) == {2, 4}  # a missing tag makes no row of a prediction unusable


def test_broken_bytes_and_encodings(tmp_path):
    text = "".join(f"낱말{i}\tO\n" + "\n" * (i % 3 == 0) for i in range(30))
    for encoding in ("cp949", "utf-16", "utf-8-sig"):
        (tmp_path / "e.tsv").write_bytes(text.encode(encoding))
        assert sum(len(t) for t in read_rows(tmp_path / "e.tsv", **NER).table["tokens"]) == 30
    (tmp_path / "b.tsv").write_bytes(text.encode() + b"\xff\xfe\tO\n\nend\tO\n")
    with pytest.raises(DataError, match=r"line 41 \(row 11\): bytes that are not in the file's encoding"):
        read_rows(tmp_path / "b.tsv", **NER)


def test_a_header_line_and_separators(tmp_path):
    (tmp_path / "h.txt").write_text("word tag\nSeoul B-LOC\nis O\n\nBusan B-LOC\n", encoding="utf-8")
    rows = read_rows(tmp_path / "h.txt", **NER)
    assert pairs(rows) == [[("Seoul", "B-LOC"), ("is", "O")], [("Busan", "B-LOC")]]
    assert rows.columns == {"tokens": "word", "tags": "tag"}
    (tmp_path / "word.txt").write_text("word O\nSeoul B-LOC\nis O\n\n", encoding="utf-8")
    assert read_rows(tmp_path / "word.txt", **NER).table["tokens"][0] == ["word", "Seoul", "is"]


def test_tokens_alone_and_folders(tmp_path):
    (tmp_path / "x.conll").write_text("Seoul\nis\n\nBusan\n")
    rows = read_rows(tmp_path / "x.conll", roles=("tokens", "text"), forms=(("tokens",), ("text",)))
    assert rows.table["tokens"][:] == [["Seoul", "is"], ["Busan"]]
    with pytest.raises(DataError, match='"tokens" and "tags" .not found: "tags".'):
        read_rows(tmp_path / "x.conll", **NER)
    folder = tmp_path / "set"
    folder.mkdir()
    for name in ("train.conll", "dev.iob", "test.annotated"):
        (folder / name).write_text("a\tO\nb\tB-X\n\n")
    assert list(read_splits(folder, **NER)) == ["train", "validation", "test"]


@pytest.mark.parametrize(
    ("text", "known", "suffix", "is_conll"),
    [
        ("John Smith\n\nJane Doe\n", None, ".txt", True),  # for training it may be
        ("John Smith\n\nJane Doe\n", (), ".txt", False),
        ("John Smith\n\nJane Doe\n", ("O", "B-PER", "I-PER", "token", "tag"), ".txt", False),  # names that we made up
        ("John\tSmith\n\nJane\tDoe\n", ("O", "B-PER"), ".tsv", False),
        ("John Smith\n\nJane Doe\n", (), ".conll", True),
        ("John B-PER\nSmith I-PER\n\nJane B-PER\n", (), ".txt", True),
        ("John B-PER\nis O\n\nJane B-PER\n", (), "", True),
        ("John NOUN\nis VERB\n\nJane NOUN\n", ("NOUN", "VERB", "ADJ"), ".txt", True),
        ("John NOUN\nis VERB\n\nJane NOUN\n", ("O", "B-PER"), ".txt", False),
        ("Word POS\nJohn NOUN\n\nJane NOUN\n", ("word", "pos"), ".txt", True),
        ("Word POS\nJohn NOUN\n\nJane NOUN\n", ("text",), ".txt", False),
        ("# columns: form upos\nJohn NOUN\n\nJane NOUN\n", ("form",), ".txt", True),
        ("1\tJohn\t_\tX\t_\t_\t0\t_\t_\t_\n\n1\tJane\t_\tX\t_\t_\t0\t_\t_\t_\n", (), ".txt", True),
    ],
)
def test_what_is_only_predicted_must_show_that_it_is_tagged(text, known, suffix, is_conll):
    """No line of a plain text is taken for a token and its tag, which would leave half of it out."""
    assert (recognise(text.encode(), suffix, known) is not None) is is_conll


def test_other_tasks_read_such_a_file_as_before(tmp_path):
    assert not header_names(("text", "text_pair", "label"))  # what tells a header there has not changed
    assert tiers("text", ROLES) == (("text",), *NAMES["text"]) and tiers("label", ROLES) == (
        ("label",),
        *NAMES["label"],
    )
    (tmp_path / "a.tsv").write_text("text\tlabel\ngood\t1\n\nbad\t0\n")
    assert read_rows(tmp_path / "a.tsv").table["text"][:] == ["good", "bad"]
    rows = [{"text": "a b", "label": "x"}, {"text": "c d", "label": "y"}]
    assert read_rows(rows).columns == {"text": "text", "label": "label"}


def test_a_text_to_be_predicted_keeps_its_lines(tmp_path):
    (tmp_path / "names.txt").write_text("John Smith\n\nJane Doe\n")
    rows = read_rows(tmp_path / "names.txt", roles=("tokens", "text"), forms=(("tokens",), ("text",)), on_bad="keep")
    assert rows.table["text"][:] == ["John Smith", "", "Jane Doe"]
