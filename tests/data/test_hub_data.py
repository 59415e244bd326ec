"""Hub data sets as `datasets` itself finds them on a Hub of the loopback: names, configurations, splits, slices, streams."""

from __future__ import annotations

import io
from types import SimpleNamespace

import pytest

from byeori.data.hub import Address, looks_like_id, parse
from byeori.data.read import read, read_rows, read_splits
from byeori.errors import DataError, SettingError
from hub_server import HubServer


def csv(number, mark):
    return ("text,label\n" + "".join(f"{mark} 글 {i},{i % 2}\n" for i in range(number))).encode()


def parquet(number, mark):
    import datasets

    features = datasets.Features({"premise": datasets.Value("string"), "hypothesis": datasets.Value("string"),
                                  "label": datasets.ClassLabel(names=["entailment", "neutral", "contradiction"])})  # fmt: skip
    rows = [{"premise": f"{mark} {i}", "hypothesis": f"가설 {i}", "label": i % 3} for i in range(number)]
    stream = io.BytesIO()
    datasets.Dataset.from_list(rows, features=features).to_parquet(stream)
    return stream.getvalue()


def scores(number):
    import pyarrow as pa
    import pyarrow.parquet

    rows = [{"sentence1": f"가 {i}", "sentence2": f"나 {i}", "label": i / 2} for i in range(number)]
    stream = io.BytesIO()
    pyarrow.parquet.write_table(pa.Table.from_pylist(rows), stream)
    return stream.getvalue()


CONFIGS = """---
configs:
- config_name: nli
  data_files:
  - {split: train, path: nli/train-*.parquet}
  - {split: validation, path: nli/validation-*.parquet}
- config_name: sts
  data_files:
  - {split: train, path: sts.parquet}
---
"""
KLUE = {
    "README.md": CONFIGS.encode(),
    "nli/train-00000-of-00001.parquet": parquet(30, "전제"),
    "nli/validation-00000-of-00001.parquet": parquet(6, "확인"),
    "sts.parquet": scores(11),
}
MNLI = """---
configs:
- config_name: mnli
  data_files:
  - {split: train, path: train.csv}
  - {split: validation_matched, path: matched.csv}
  - {split: validation_mismatched, path: mismatched.csv}
---
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with HubServer(tmp_path_factory.mktemp("hub")) as hub:
        hub.add(
            "someone/reviews",
            {
                "README.md": b"---\nlicense: mit\n---\n",
                "train.csv": csv(200, "훈련"),
                "validation.csv": csv(20, "확인"),
            },
            old={"train.csv": csv(7, "옛"), "validation.csv": csv(2, "옛")},
        )
        hub.add("klue/klue", KLUE)
        files = {f"{name}.csv": csv(number, name) for name, number in (("train", 9), ("matched", 3), ("mismatched", 4))}
        hub.add("nyu-mll/glue", {"README.md": MNLI.encode(), **files})
        hub.add("someone/script", {"script.py": b"raise SystemExit", "README.md": b""})
        yield hub


@pytest.fixture
def hub(served, monkeypatch):
    served.at_hand(monkeypatch)
    return served


@pytest.mark.parametrize(
    ("source", "address"),
    [
        ("nsmc", Address("nsmc")),
        ("klue/mrc", Address("klue/mrc")),
        ("glue:mrpc", Address("glue", "mrpc")),
        ("klue/klue/nli", Address("klue/klue/nli")),
        ("hf://datasets/klue/klue:nli", Address("klue/klue", "nli")),
        ("glue/mrpc:train[:10%]", Address("glue/mrpc", None, "train[:10%]")),
        ("klue/klue:nli:validation", Address("klue/klue", "nli", "validation")),
        ("a/b:train[100:200]+test", Address("a/b", None, "train[100:200]+test")),
        ("glue:mnli:validation_mismatched", Address("glue", "mnli", "validation_mismatched")),
    ],
)
def test_ids_taken_apart(source, address):
    assert parse(source) == address
    assert looks_like_id(source)


@pytest.mark.parametrize(
    "source", ["a.csv", "data/nsmc.tsv", "a/b/c/d", "a b", "/abs/olute", "../x", "a/b:c d", "*.csv"]
)
def test_what_is_no_id(source):
    assert not looks_like_id(source)


def test_splits_and_rows(hub):
    parts = read_splits("someone/reviews")
    assert {split: len(rows) for split, rows in parts.items()} == {"train": 200, "validation": 20}
    assert parts["train"].table["text"][:2] == ["훈련 글 0", "훈련 글 1"]
    file = parts["train"].origin.files[0]
    assert (file.path, file.format) == ("someone/reviews", "hub")
    assert file.hub is not None and file.hub["id"] == "someone/reviews" and len(file.hub["revision"]) == 40
    assert list(read("someone/reviews")) == ["train", "validation"]


def test_short_names_are_known_by_their_full_ones(hub):
    """For the model's card: `klue/nli` is the configuration `nli` of `klue/klue`."""
    (rows,) = [rows for part, rows in read_splits("klue/nli").items() if part == "train"]
    where = rows.origin.files[0].hub
    assert where is not None and (where["id"], where["config"]) == ("klue/klue", "nli")


@pytest.mark.parametrize(
    ("source", "split", "texts"),
    [
        ("someone/reviews:train[:10%]", None, [f"훈련 글 {i}" for i in range(20)]),
        ("someone/reviews", "train[100:103]", ["훈련 글 100", "훈련 글 101", "훈련 글 102"]),
        ("someone/reviews", "validation[-2:]", ["확인 글 18", "확인 글 19"]),
        ("someone/reviews:dev", "train", [f"확인 글 {i}" for i in range(20)]),  # that of the id comes first
        ("someone/reviews", "train[:1]+dev[:1]", ["훈련 글 0", "확인 글 0"]),
    ],
)
def test_slices(hub, source, split, texts):
    assert read_rows(source, SimpleNamespace(split=split)).table["text"][:] == texts


@pytest.mark.parametrize("source", ["klue/nli", "klue/klue/nli", "klue/klue:nli", "hf://datasets/klue/klue:nli"])
def test_configurations(hub, source):
    parts = read_splits(source)
    assert {split: len(rows) for split, rows in parts.items()} == {"train": 30, "validation": 6}
    assert parts["train"].columns == {"text": "premise", "text_pair": "hypothesis", "label": "label"}
    assert parts["train"].label_names == ["entailment", "neutral", "contradiction"]
    assert len(read_rows(f"{source}:validation[:50%]")) == 3


def test_a_configuration_is_asked_for(hub):
    with pytest.raises(DataError, match='has "nli" and "sts". Name one, for example klue/klue:nli.'):
        read_splits("klue/klue")
    with pytest.raises(DataError, match='no configuration "stss", but "nli" and "sts". .*klue/klue:sts:train'):
        read_splits("klue/klue:stss:train")
    assert read_rows("klue/sts").table["label"][:3] == [0.0, 0.5, 1.0]


def test_two_splits_of_a_kind_are_both_kept(hub):
    parts = read_splits("glue/mnli")
    assert {split: len(rows) for split, rows in parts.items()} == {
        "train": 9,
        "validation": 3,
        "validation_mismatched": 4,
    }
    assert any('"validation_mismatched" is read where --split or the id names it' in n for n in parts["train"].notes)
    assert len(read_rows("glue/mnli:validation_mismatched")) == 4
    assert len(read_rows("glue/mnli", SimpleNamespace(split="validation_matched"))) == 3


def test_revisions(hub):
    assert len(read_rows("someone/reviews", SimpleNamespace(revision="old", split="train"))) == 7
    with pytest.raises(DataError, match=r'no revision "none" \(--data-revision\)'):
        read_rows("someone/reviews", SimpleNamespace(revision="none"))


def test_streams(hub):
    hub.asked.clear()
    rows = read_rows("someone/reviews:train", SimpleNamespace(streaming=True, max_rows=5))
    assert rows.table["text"][:] == [f"훈련 글 {i}" for i in range(5)]
    assert any("the first 5 rows, streamed" in note for note in rows.notes)
    rows = read_rows("someone/reviews:train[10:13]+validation[:1]", SimpleNamespace(streaming=True, max_rows=50))
    assert rows.table["text"][:] == ["훈련 글 10", "훈련 글 11", "훈련 글 12", "확인 글 0"]
    assert read_rows("klue/nli:train", SimpleNamespace(streaming=True, max_rows=3)).label_names[0] == "entailment"
    with pytest.raises(SettingError, match="how many rows to take with --max-rows"):
        read_rows("someone/reviews", SimpleNamespace(streaming=True))
    with pytest.raises(SettingError, match=r"Give places, as train\[:1000\]"):
        read_rows("someone/reviews:train[:10%]", SimpleNamespace(streaming=True, max_rows=5))


def test_failures_are_one_sentence(hub):
    for source, what in (
        ("someone/revews", "no data set of that name on the Hub"),
        ("someone/reviews:test", 'no split "test". There are "train" and "validation"'),
        ("someone/script", "is made by a Python script|can't be loaded|no data"),
    ):
        with pytest.raises(DataError, match=what) as error:
            read_rows(source)
        assert "\n" not in str(error.value)
    with pytest.raises(SettingError, match="names no rows. Spellings: train"):
        read_rows("someone/reviews", SimpleNamespace(split="train[5]"))


def test_a_folder_or_file_is_never_taken_for_an_id(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "klue").mkdir()
    (tmp_path / "klue" / "train.csv").write_text("text,label\na,1\n")
    assert len(read_rows("klue")) == 1
    with pytest.raises(DataError, match="klue/nli: there is no such file"):
        read_rows("klue/nli")


def test_folders_of_save_to_disk(tmp_path):
    import datasets

    rows = datasets.Dataset.from_dict({"text": [f"글 {i}" for i in range(10)], "label": [0, 1] * 5})
    datasets.DatasetDict({"train": rows, "test": rows.select(range(4))}).save_to_disk(tmp_path / "saved")
    parts = read_splits(tmp_path / "saved")
    assert {split: len(one) for split, one in parts.items()} == {"train": 10, "test": 4}
    assert parts["train"].origin.files[0].path == str(tmp_path / "saved")
    assert read_rows(tmp_path / "saved", SimpleNamespace(split="train[:20%]")).table["text"][:] == ["글 0", "글 1"]
    (tmp_path / "saved" / "train" / "state.json").write_text("{")
    with pytest.raises(DataError, match="can't be loaded"):
        read_splits(tmp_path / "saved")
