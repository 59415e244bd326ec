"""Source and target: line files, `translation` objects, columns, and summaries in AI-Hub's shapes."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from types import SimpleNamespace

import datasets
import pytest

from byeori.data.languages import code, script
from byeori.data.parallel import in_name
from byeori.data.read import read, read_rows, read_splits
from byeori.errors import DataError

FIXTURES = Path(__file__).parent / "fixtures"
PAIR = {"roles": ("source", "target"), "forms": (("source", "target"),)}
SUMMARY = {"roles": ("source", "target", "references"), "forms": (("source", "target"),)}
KO, EN = ["안녕하세요.", "가자!", "비가 온다."], ["Hello.", "Let's go!", "It rains."]


def sides(rows):
    return rows.table["source"][:], rows.table["target"][:]


def lines(path, texts, end="\n"):
    path.write_bytes((end.join(texts) + end).encode())
    return path


def test_line_files(tmp_path):
    ko, en = lines(tmp_path / "dev.ko", KO), lines(tmp_path / "dev.en", EN, "\r\n")
    for source in (f"{ko},{en}", f"{ko}, {en}", (ko, en), [str(ko), str(en)]):
        rows = read_rows(source, **PAIR)
        assert sides(rows) == (KO, EN)
        assert rows.columns == {"source": "ko", "target": "en"}
        assert rows.facts == {"source_lang": "ko", "target_lang": "en"}
        assert rows.origin.where(2) == "dev.ko,dev.en, row 3"
        assert rows.origin.files[0].bytes == ko.stat().st_size + en.stat().st_size
    assert sides(read_rows((en, ko), **PAIR)) == (EN, KO)
    turned = SimpleNamespace(source_lang="en_XX", target_lang="ko_KR")
    assert sides(read_rows(f"{ko},{en}", turned, **PAIR)) == (EN, KO)
    assert sides(read_rows(f"{ko},{en}", SimpleNamespace(source="en", target="ko"), **PAIR)) == (EN, KO)
    assert sides(read_rows((en, ko), before={"source": "ko", "target": "en"}, **PAIR)) == (KO, EN)
    (tmp_path / "dev.ko.gz").write_bytes(gzip.compress(ko.read_bytes()))
    assert sides(read_rows((tmp_path / "dev.ko.gz", en), **PAIR)) == (KO, EN)


def test_which_is_the_source_is_asked_or_named(tmp_path):
    for name in ("dev", "test"):
        lines(tmp_path / f"{name}.ko", KO)
        lines(tmp_path / f"{name}.en", EN)
    with pytest.raises(
        DataError, match=r'dev: there are files in "en" and "ko", and nothing says.*dev.en,dev.ko, or say --sou'
    ):
        read_rows(tmp_path / "dev", **PAIR)
    asked = SimpleNamespace(source_lang="Korean")
    assert sides(read_rows(tmp_path / "dev", asked, **PAIR)) == (KO, EN)
    parts = read_splits(tmp_path, asked, **PAIR)
    assert {split: len(rows) for split, rows in parts.items()} == {"validation": 3, "test": 3}
    assert sides(read_rows(tmp_path, SimpleNamespace(target="ko", split="test"), **PAIR)) == (EN, KO)
    assert len(read_rows(str(tmp_path / "dev.*"), asked, **PAIR)) == 3
    with pytest.raises(DataError, match='no file of language ja. There are "en" and "ko"'):
        read_rows(tmp_path, SimpleNamespace(source_lang="ja"), **PAIR)
    with pytest.raises(DataError, match="dev.de: there is no such file. Did you mean"):
        read_rows(f"{tmp_path}/dev.ko,{tmp_path}/dev.de", **PAIR)
    assert in_name("jhe-koen-dev", ["en", "ko"]) == ("ko", "en")
    assert in_name("korean-english-park.dev", ["en", "ko"]) == ("ko", "en")
    assert in_name("train.en-ko", ["en", "ko"]) == ("en", "ko") and in_name("token", ["en", "ko"]) is None
    folder = tmp_path / "ko-en"
    folder.mkdir()
    for name, texts in (
        ("train.ko", KO),
        ("train.en", EN),
        ("dev.ko", KO),
        ("dev.en", EN),
        ("eval.ko", KO),
        ("eval.en", EN),
    ):
        lines(folder / name, texts)
    assert list(read_splits(folder, **PAIR)) == ["train", "validation", "test"]
    (folder / "eval.en").unlink()
    with pytest.raises(DataError, match='eval: there is "eval.ko", but no file of language en'):
        read_splits(folder, **PAIR)


def test_lines_must_be_equally_many(tmp_path):
    ko, en = lines(tmp_path / "a.ko", [*KO, "하나 더"]), lines(tmp_path / "a.en", EN)
    with pytest.raises(DataError, match="a.ko has 4 lines and a.en has 3"):
        read_rows(f"{ko},{en}", **PAIR)


def test_an_empty_line_is_an_empty_row(tmp_path):
    ko, en = lines(tmp_path / "a.ko", KO), lines(tmp_path / "a.en", ["Hello.", "", "It rains."])
    with pytest.raises(DataError, match='a.ko,a.en, row 2: the column "en" is empty. Drop such rows with --drop-empty'):
        read_rows(f"{ko},{en}", **PAIR)
    rows = read_rows(f"{ko},{en}", SimpleNamespace(drop_empty=True), **PAIR)
    assert sides(rows) == ([KO[0], KO[2]], [EN[0], EN[2]]) and rows.origin.where(1) == "a.ko,a.en, row 3"
    kept = read_rows(f"{ko},{en}", on_bad="keep", **PAIR)
    assert len(kept) == 3 and not kept.errors  # only the target is missing


def test_broken_bytes_in_one_of_two(tmp_path):
    ko = tmp_path / "a.ko"
    ko.write_bytes("\n".join(KO).encode() + b"\n\xff\xfe\n")
    en = lines(tmp_path / "a.en", [*EN, "x"])
    with pytest.raises(DataError, match="row 4: bytes in a.ko that are not UTF-8"):
        read_rows((ko, en), **PAIR)
    assert sides(read_rows((ko, en), SimpleNamespace(skip_bad_rows=True), **PAIR)) == (KO, EN)


def test_source_and_target_suffixes(tmp_path):
    lines(tmp_path / "train.source", KO), lines(tmp_path / "train.target", EN)
    assert sides(read_rows(tmp_path / "train", **PAIR)) == (KO, EN)
    first, second = lines(tmp_path / "one.txt", KO), lines(tmp_path / "two.txt", EN)
    assert sides(read_rows([first, second], **PAIR)) == (KO, EN)
    tables = [lines(tmp_path / f"{i}.tsv", ["source\ttarget", "a\tb"]) for i in range(2)]
    assert sides(read_rows(tables, **PAIR)) == (["a", "a"], ["b", "b"])


def test_translation_objects(tmp_path):
    data = [{"id": i, "translation": {"ko": ko, "en": en}} for i, (ko, en) in enumerate(zip(KO, EN, strict=True))]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, data)))
    table = datasets.Dataset.from_list(data)
    for source in (data, tmp_path / "a.jsonl", table):
        rows = read_rows(source, **PAIR)
        assert sides(rows) == (KO, EN)
        assert rows.columns == {"source": "translation.ko", "target": "translation.en"}
        assert rows.facts == {"source_lang": "ko", "target_lang": "en"}
        assert any("turn it with --source and --target" in note for note in rows.notes)
        for turned in (
            SimpleNamespace(source_lang="en"),
            SimpleNamespace(source="translation.en"),
            SimpleNamespace(target="translation.ko"),
        ):
            assert sides(read_rows(source, turned, **PAIR)) == (EN, KO)
        before = {"source": "translation.en", "target": "translation.ko"}
        assert sides(read_rows(source, before=before, **PAIR)) == (EN, KO)
    three = [{"translation": {"ko": "가", "en": "go", "ja": "行"}}]
    with pytest.raises(
        DataError, match='texts in "translation.ko", "translation.en" and "translation.ja", and nothing says'
    ):
        read_rows(three, **PAIR)
    chosen = read_rows(three, SimpleNamespace(source_lang="ja", target_lang="ko"), **PAIR)
    assert sides(chosen) == (["行"], ["가"])


@pytest.mark.parametrize(
    "names",
    [("ko", "en"), ("Korean", "English"), ("한국어", "영어"), ("원문", "번역문"), ("source", "target"), ("src", "tgt"),
     ("본문", "요약문"), ("document", "summary"), ("article", "highlights"), ("기사", "생성 요약"), ("text", "headline"),
     ("원문", "요약"), ("passage", "summary")],
)  # fmt: skip
def test_names_of_source_and_target(names):
    rows = read_rows({"id": [1, 2, 3], names[0]: KO, names[1]: EN}, **PAIR)
    assert sides(rows) == (KO, EN)
    assert read(  # columns named by a person, without roles
        {"a": KO, "b": EN}, source="a", target="b"
    ).column_names == ["source", "target"]


def test_columns_without_names(tmp_path):
    credit = "CC-BY 2.0 (France) Attribution: tatoeba.org #1 (CM) & #2 (Eunhee)"
    path = lines(tmp_path / "kor.txt", [f"{en}\t{ko}\t{credit}" for ko, en in zip(KO, EN, strict=True)])
    assert sides(read_rows(path, **PAIR)) == (EN, KO)
    assert sides(read_rows(path, SimpleNamespace(source_lang="ko"), **PAIR)) == (KO, EN)
    assert sides(read_rows(path, SimpleNamespace(source="column_2", target="column_1"), **PAIR)) == (KO, EN)
    two = lines(tmp_path / "two.tsv", ["hello there\t안녕", "go now\t가자"])
    assert sides(read_rows(two, **PAIR)) == (["hello there", "go now"], ["안녕", "가자"])
    named = lines(tmp_path / "named.csv", ["en,ko", "hello there,안녕", "go now,가자"])
    assert sides(read_rows(named, SimpleNamespace(source="ko"), **PAIR)) == (
        ["안녕", "가자"],
        ["hello there", "go now"],
    )
    with pytest.raises(DataError, match="no column is of language ja"):
        read_rows(path, SimpleNamespace(source_lang="ja"), **PAIR)
    rows = read_rows(list(zip(KO, EN, strict=True)), **PAIR)
    assert sides(rows) == (KO, EN)


def test_a_prediction_needs_no_target():
    """A model from Korean to English is asked about texts in Korean and whatever else."""
    asked, alone = SimpleNamespace(source_lang="ko", target_lang="en"), {"roles": ("source",), "forms": (("source",),)}
    for other in ({"ja": "元気?"}, {"ja": "元気?", "zh": "你好"}, {"en": "Hello."}):
        for rows in ([{"ko": one, **other} for one in KO], [{"translation": {"ko": one, **other}} for one in KO]):
            found = read_rows(rows, asked, **alone)
            assert found.table["source"][:] == KO and found.table.column_names == ["source"]
    told_by_target = read_rows([{"ko": one, "en": "Hello."} for one in KO], SimpleNamespace(target_lang="en"), **alone)
    assert told_by_target.table["source"][:] == KO
    with pytest.raises(DataError, match="no column is of language ko .--source-lang"):
        read_rows([{"ja": "元気?", "zh": "你好"}], asked, **alone)
    with pytest.raises(DataError, match="no column is of language en .--target-lang"):
        read_rows([{"ko": KO[0], "ja": "元気?"}], asked, **PAIR)


def test_languages():
    assert [code(name) for name in ("ko_KR", "KOR", "한국어", "en-US", "text", "tsv", "dev")] == [
        "ko",
        "ko",
        "ko",
        "en",
        *[None] * 3,
    ]
    assert (script(KO), script(EN), script(["日本語です"]), script(["1"])) == ("ko", "latin", "ja", None)


def test_ai_hub_documents():
    path = FIXTURES / "aihub_documents.json"
    with pytest.raises(DataError, match=r'aihub_documents.json, row 3: the column "abstractive .first." is empty'):
        read_rows(path, **SUMMARY)
    rows = read_rows(path, SimpleNamespace(drop_empty=True), **SUMMARY)
    assert (
        rows.table["source"][0]
        == "장수군은 새해 체육 예산을 늘리기로 했다. 늘어난 예산은 수영장을 짓는 데 쓰인다. 공사는 오는 5월에 시작된다."
    )
    assert rows.table["target"][:] == [
        "장수군이 늘린 체육 예산으로 5월부터 수영장을 짓는다.",
        "김제시가 토요일마다 쌀 장터를 연다.",
    ]
    assert [len(r) for r in rows.table["references"][:]] == [1, 2]
    documents = json.loads(path.read_text(encoding="utf-8"))["documents"]
    again = read_rows(datasets.Dataset.from_list(documents), SimpleNamespace(drop_empty=True), **SUMMARY)
    assert again.table[:] == rows.table[:]
    assert read_rows(documents[:2], **PAIR).table.column_names == ["source", "target"]


def test_ai_hub_reports_and_dialogues(tmp_path):
    report = json.loads((FIXTURES / "aihub_report.json").read_text(encoding="utf-8"))
    rows = read_rows(FIXTURES / "aihub_report.json", **SUMMARY)
    assert rows.table[:] == {
        "source": [report["Meta(Refine)"]["passage"]],
        "target": [report["Annotation"]["Summary1"]],
        "references": [[report["Annotation"]["Summary1"], report["Annotation"]["Summary2"]]],
    }
    for i in range(3):
        (tmp_path / f"report{i}.json").write_text(json.dumps(report), encoding="utf-8")
    assert len(read_rows(tmp_path, **SUMMARY)) == 3
    rows = read_rows(FIXTURES / "aihub_dialogue.json", **SUMMARY)
    assert rows.table["source"][:] == ["P01: 내일 몇 시에 만날까?\nP02: 두 시 어때?", "P01: 오늘은 못 가겠어."]
    assert rows.table["target"][1] == "오늘은 못 간다고 한다."


def test_several_summaries_and_lists():
    rows = [{"dialogue": "d", "summary1": "a", "summary2": "b", "topic1": "t", "summary3": None}]
    read_several = read_rows(rows, **SUMMARY)
    assert read_several.table[:] == {"source": ["d"], "target": ["a"], "references": [["a", "b"]]}
    assert any("kept as references" in note for note in read_several.notes)
    assert any("left out" in note for note in read_rows(rows, **PAIR).notes)
    lists = [{"src": [["a", "b", "."], ["c"]], "tgt": [["x", "y"], ["z"]]}]
    assert sides(read_rows(lists, **PAIR)) == (["a b . c"], ["x y z"])
    sentences = [{"article_original": ["하나.", "둘."], "abstractive": "셋."}]
    assert sides(read_rows(sentences, **PAIR)) == (["하나. 둘."], ["셋."])
    given = [{"source": "a", "references": ["x", "y"]}]
    assert read_rows(given, **SUMMARY).table[:] == {"source": ["a"], "target": ["x"], "references": [["x", "y"]]}


def test_bad_values():
    with pytest.raises(DataError, match='rows, row 2: the column "tgt" holds a number .5., not text.*--skip-bad-rows'):
        read_rows([{"src": "a", "tgt": "b"}, {"src": "a", "tgt": 5}], **PAIR)
    with pytest.raises(DataError, match=r'"source" and "target" .not found: "target".. The columns are "src" and "x"'):
        read_rows([{"src": "a", "x": "b"}], **PAIR)
    asked = read_rows(["a", "b"], roles=("source",), forms=(("source",),))
    assert asked.table["source"][:] == ["a", "b"]
