"""Every folder of the real data, with the counts of its SOURCE.txt, read for the task it is for; nothing is left unread.

What the rows hold is compared in test_real.py and test_real_tasks.py.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from byeori.data.read import read_splits
from byeori.errors import DataError
from byeori.tasks import find

DATA = Path(__file__).parents[3] / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the shared data sets are not here")

CLASSES, TAGS, QUESTIONS, SUMMARIES = (
    "text-classification",
    "token-classification",
    "question-answering",
    "summarization",
)
PAIRS, RUNNING, VECTORS = "translation", "text-generation", "feature-extraction"
# task, source, settings, split → rows found (with rows kept where these are fewer)
SETS: list[tuple[str, str, dict, dict]] = [
    (CLASSES, "chatbot", {"text": "Q"}, {None: 11_823}),
    (RUNNING, "chatbot", {}, {None: 11_823}),
    (SUMMARIES, "cnndm_sample", {}, {"train": 6}),
    (CLASSES, "curse_detection", {}, {None: 5_825}),
    (SUMMARIES, "dialogsum_en", {}, {"validation": 500, "test": 500}),
    (TAGS, "klue/klue-ner-v1.1_dev.tsv", {}, {None: 3_001}),
    (CLASSES, "klue/klue-nli-v1.1_dev.json", {}, {None: 3_000}),
    (CLASSES, "klue/klue-sts-v1.1_dev.json", {}, {None: 519}),
    (PAIRS, "ko_en_jhe", {}, {"validation": 720, "test": 720}),
    (PAIRS, "ko_en_news", {}, {"validation": 1_000, "test": 2_000}),
    (PAIRS, "ko_en_tatoeba/kor.txt", {"source_lang": "ko", "target_lang": "en"}, {None: 3_798}),
    (VECTORS, "ko_text/constitution.txt", {"drop_empty": True}, {None: (356, 344)}),  # 12 lines are blank
    (VECTORS, "ko_text/ud_kaist_sentences.txt", {}, {None: 4_353}),
    (CLASSES, "korean_hate_speech", {"label": "hate"}, {"train": 7_896, "validation": 471}),
    (CLASSES, "korean_hate_speech", {"label": "contain_gender_bias,bias,hate"}, {"train": 7_896, "validation": 471}),
    (CLASSES, "kornli", {}, {"validation": 2_490, "test": 5_010}),
    (CLASSES, "korsts", {}, {"train": 5_749, "validation": 1_500, "test": 1_379}),
    (CLASSES, "nsmc/nsmc_30k.txt", {}, {None: 29_999}),
    (CLASSES, "nsmc/ratings_rebuilt_10k.txt", {"drop_empty": True}, {None: (10_000, 9_999)}),  # one text is empty
    (CLASSES, "nsmc", {"drop_empty": True}, {None: (39_999, 39_998)}),
    (CLASSES, "pawsx_ko", {}, {"validation": 2_000}),
    (CLASSES, "question_pair", {}, {"train": 6_888, "test": 688}),
    (QUESTIONS, "squad2", {}, {"validation": 6_078}),
    (TAGS, "ud_korean_gsd", {}, {"validation": 300}),
    (
        VECTORS,
        "wikitext2/valid.txt",
        {"drop_empty": True},
        {None: (3_758, 2_461)},
    ),  # of 3,760 lines the last two are blank
    (VECTORS, "wikitext2/test_first1500lines.txt", {"drop_empty": True}, {None: (1_500, 985)}),
    (RUNNING, "wikitext2", {}, {"validation": 60, "test": 24}),
    (TAGS, "wnut17", {}, {"train": 3_394, "validation": 1_009, "test": 1_287}),
    (QUESTIONS, "xquad", {}, {None: 1_190}),
    # wc -l counts one less: the last wordpiece has no line end
    (VECTORS, "tokenizer_vocabs/koelectra_vocab.txt", {}, {None: 32_200}),
    (VECTORS, "tokenizer_vocabs/bert-base-cased-vocab.txt", {}, {None: 28_996}),
]


def read(task, source, settings):
    kind = find(task)
    required = None if kind.forms else (*kind.needed, *kind.answers)
    return read_splits(
        DATA / source, SimpleNamespace(**settings), roles=kind.roles, forms=kind.forms, required=required
    )


@pytest.mark.parametrize(("task", "source", "settings", "counts"), SETS, ids=[f"{s[1]}-{s[0]}" for s in SETS])
def test_the_counts_of_source_txt(task, source, settings, counts):
    parts = read(task, source, settings)
    found = {split: sum(file.rows for file in rows.origin.files) for split, rows in parts.items()}
    kept = {split: len(rows) for split, rows in parts.items()}
    assert found == {split: n if isinstance(n, int) else n[0] for split, n in counts.items()}
    assert kept == {split: n if isinstance(n, int) else n[1] for split, n in counts.items()}
    assert all(not rows.errors for rows in parts.values())


def test_no_folder_is_left_out():
    assert {source.split("/")[0] for _, source, _, _ in SETS} == {path.name for path in DATA.iterdir() if path.is_dir()}


def test_what_stays_text():
    """`NS` and `none` are words here; a pipe inside a text ends no column; quotes in KorNLI open nothing."""
    pairs = read(CLASSES, "pawsx_ko", {})["validation"].table
    raw = [
        line.split("\t")
        for line in (DATA / "pawsx_ko/dev_2k.tsv").read_text(encoding="utf-8").rstrip("\n").split("\n")[1:]
    ]
    assert pairs["text_pair"][:] == [row[2] for row in raw]
    assert "NS" in pairs["text"][:] + pairs["text_pair"][:]
    assert set(read(CLASSES, "korean_hate_speech", {"label": "hate"})["train"].table["label"][:]) >= {"none"}
    told = read(CLASSES, "pawsx_ko", {"missing": "NS", "drop_empty": True})["validation"]
    assert 0 < len(told) < 2_000
    assert any("taken as missing" in note for note in told.notes)


def test_a_folder_of_two_tasks_is_asked_about():
    with pytest.raises(DataError, match=r"files of several kinds \(2 × .json, 1 × .tsv\)"):
        read(CLASSES, "klue", {})
