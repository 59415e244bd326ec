"""The real data sets, each with the exact number of rows that its SOURCE.txt states."""

from __future__ import annotations

import csv
from pathlib import Path
from types import SimpleNamespace

import pytest

from byeori.data.labels import encode_labels, resolve_labels
from byeori.data.read import read_rows, read_splits
from byeori.errors import DataError

DATA = Path(__file__).parents[3] / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the shared data sets are not here")

# file, settings, rows, role → column
SETS = [
    ("nsmc/nsmc_30k.txt", {}, 29_999, {"text": "document", "label": "label"}),
    ("pawsx_ko/dev_2k.tsv", {}, 2_000, {"text": "sentence1", "text_pair": "sentence2", "label": "label"}),
    ("kornli/xnli.dev.ko.tsv", {}, 2_490, {"text": "sentence1", "text_pair": "sentence2", "label": "gold_label"}),
    ("kornli/xnli.test.ko.tsv", {}, 5_010, {"text": "sentence1", "text_pair": "sentence2", "label": "gold_label"}),
    ("korsts/sts-train.tsv", {}, 5_749, {"text": "sentence1", "text_pair": "sentence2", "label": "score"}),
    ("korsts/sts-dev.tsv", {}, 1_500, {"text": "sentence1", "text_pair": "sentence2", "label": "score"}),
    ("korsts/sts-test.tsv", {}, 1_379, {"text": "sentence1", "text_pair": "sentence2", "label": "score"}),
    ("klue/klue-nli-v1.1_dev.json", {}, 3_000, {"text": "premise", "text_pair": "hypothesis", "label": "gold_label"}),
    ("klue/klue-sts-v1.1_dev.json", {}, 519, {"text": "sentence1", "text_pair": "sentence2", "label": "labels"}),
    ("korean_hate_speech/train.tsv", {"label": "hate"}, 7_896, {"text": "comments", "label": "hate"}),
    ("korean_hate_speech/dev.tsv", {"label": "hate"}, 471, {"text": "comments", "label": "hate"}),
    (
        "question_pair/kor_pair_train.csv",
        {},
        6_888,
        {"text": "question1", "text_pair": "question2", "label": "is_duplicate"},
    ),
    (
        "question_pair/kor_Pair_test.csv",
        {},
        688,
        {"text": "question1", "text_pair": "question2", "label": "is_duplicate"},
    ),
    ("chatbot/ChatbotData.csv", {"text": "Q"}, 11_823, {"text": "Q", "label": "label"}),
    ("curse_detection/dataset.txt", {}, 5_825, {"text": "text", "label": "label"}),
]


@pytest.mark.parametrize(("file", "settings", "rows", "columns"), SETS, ids=[s[0] for s in SETS])
def test_exact_rows_and_roles(file, settings, rows, columns):
    read = read_rows(str(DATA / file), SimpleNamespace(**settings), required=("text", "label"))
    assert len(read) == rows == read.origin.files[0].rows
    assert read.columns == columns
    assert read.table.column_names == list(columns)
    assert read.origin.where(rows - 1) == f"{Path(file).name}, row {rows}"


def test_nsmc_test_file_has_one_empty_text():
    path = str(DATA / "nsmc/ratings_rebuilt_10k.txt")
    with pytest.raises(
        DataError, match=r'ratings_rebuilt_10k.txt, row 687: the column "document" is empty.*--drop-empty'
    ):
        read_rows(path)
    read = read_rows(path, SimpleNamespace(drop_empty=True))
    assert (len(read), read.origin.files[0].rows) == (9_999, 10_000)
    assert read.origin.where(686) == "ratings_rebuilt_10k.txt, row 688"
    kept = read_rows(path, on_bad="keep")
    assert (len(kept), kept.errors) == (10_000, {686: "the text is empty"})


@pytest.mark.parametrize("file", ["kornli/xnli.dev.ko.tsv", "kornli/xnli.test.ko.tsv", "korsts/sts-train.tsv"])
def test_stray_quotes_stay_text(file):
    """Against lines cut at tabs, which is what these files are."""
    lines = (DATA / file).read_text(encoding="utf-8").rstrip("\n").split("\n")
    header, *rows = [line.split("\t") for line in lines]
    read = read_rows(str(DATA / file))
    for role, column in read.columns.items():
        assert read.table[role][:] == [row[header.index(column)] for row in rows]


@pytest.mark.parametrize(
    ("file", "text", "separator"),
    [
        ("nsmc/nsmc_30k.txt", "document", "\t"),
        ("chatbot/ChatbotData.csv", "Q", ","),
        ("question_pair/kor_pair_train.csv", "question1", ","),
        ("korean_hate_speech/train.tsv", "comments", "\t"),
    ],
)
def test_real_quotes_are_read_as_csv_does(file, text, separator):
    with open(DATA / file, encoding="utf-8-sig", newline="") as stream:
        expected = [row[text] for row in csv.DictReader(stream, delimiter=separator)]
    assert read_rows(str(DATA / file), SimpleNamespace(text=text)).table["text"][:] == expected


@pytest.mark.parametrize("encoding", ["cp949", "utf-16", "utf-8-sig"])
def test_nsmc_in_other_encodings_reads_back_equal(encoding, tmp_path):
    source = (DATA / "nsmc/nsmc_30k.txt").read_text(encoding="utf-8")
    if encoding == "cp949":  # a few signs of the original are not in CP949
        source = source.encode("cp949", errors="ignore").decode("cp949")
    (tmp_path / "a.tsv").write_bytes(source.encode(encoding))
    (tmp_path / "b.tsv").write_text(source, encoding="utf-8")
    settings = SimpleNamespace(drop_empty=True)
    other, plain = read_rows(tmp_path / "a.tsv", settings), read_rows(tmp_path / "b.tsv", settings)
    assert other.table[:] == plain.table[:]
    assert other.origin.files[0].encoding == encoding
    assert any("CP949" in note or "UTF-16" in note or "UTF-8 with" in note for note in other.notes)


def test_pipe_inside_a_text_is_cut_at_the_last_one():
    read = read_rows(str(DATA / "curse_detection/dataset.txt"))
    lines = (DATA / "curse_detection/dataset.txt").read_bytes().decode("utf-8").rstrip("\r\n").split("\r\n")
    assert read.table["text"][:] == [line.rpartition("|")[0] for line in lines]
    assert set(read.table["label"][:]) == {"0", "1"}
    assert any("in 1 row" in note and "row 456" in note for note in read.notes)


def test_hate_speech_asks_which_label_and_joins_three():
    path = str(DATA / "korean_hate_speech/train.tsv")
    with pytest.raises(DataError, match="--label contain_gender_bias,bias,hate"):
        read_rows(path, required=("text", "label"))
    train = read_rows(path, SimpleNamespace(label="contain_gender_bias,bias,hate"))
    kind, names = resolve_labels(train.table["label"][:])
    assert kind == "multi_label"
    assert names == [
        "bias=gender",
        "bias=none",
        "bias=others",
        "contain_gender_bias",
        "hate=hate",
        "hate=none",
        "hate=offensive",
    ]
    dev = read_rows(
        path.replace("train", "dev"), SimpleNamespace(label=["contain_gender_bias", "bias", "hate"]), label_names=names
    )
    encoded = encode_labels(dev.table["label"][:], kind, names)
    assert encoded.shape == (471, 7)
    assert (encoded[:, [0, 1, 2]].sum(1) == 1).all()


def test_chatbot_label_with_spaces_is_one_class():
    read = read_rows(str(DATA / "chatbot/ChatbotData.csv"), SimpleNamespace(text="Q"))
    assert resolve_labels(read.table["label"][:]) == ("single_label", ["0", "1", "2"])
    assert any("outer spaces cut from 1 label" in note for note in read.notes)
    with pytest.raises(DataError, match='"Q" and "A" could each be the text'):
        read_rows(str(DATA / "chatbot/ChatbotData.csv"))


def test_scores_are_a_regression():
    for file in ("korsts/sts-dev.tsv", "klue/klue-sts-v1.1_dev.json"):
        values = read_rows(str(DATA / file)).table["label"][:]
        assert resolve_labels(values) == ("regression", None)
    by_path = read_rows(str(DATA / file), SimpleNamespace(label="labels.binary-label"))
    assert resolve_labels(by_path.table["label"][:]) == ("single_label", ["0", "1"])


def test_a_folder_named_for_splits():
    parts = read_splits(str(DATA / "korsts"))
    assert {split: len(rows) for split, rows in parts.items()} == {"train": 5_749, "validation": 1_500, "test": 1_379}
    assert len(read_rows(str(DATA / "korsts"), SimpleNamespace(split="dev"))) == 1_500
    with pytest.raises(DataError, match="--split"):
        read_rows(str(DATA / "korsts"))
