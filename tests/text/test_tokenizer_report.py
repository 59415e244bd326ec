"""The report's figures, counted again by hand; texts as a stream: files of any kind and size, in little memory."""

from __future__ import annotations

import gzip
import json
import tracemalloc

import pytest

import byeori
from byeori.errors import DataError, SettingError
from byeori.report.tokenizers import report_lines
from byeori.text import corpus, lines
from byeori.text.corpus import Corpus
from byeori.text.survey import SAMPLE, rare, survey
from byeori.text.tokenizer_report import compare, measure
from byeori.text.tokenizer_settings import Texts
from vocabularies import texts as some

KOREAN = tuple(some())


@pytest.fixture(scope="module")
def pieces():
    """가나 and its two syllables, nothing else."""
    return _wordpiece({"[PAD]": 0, "[UNK]": 1, "가나": 2, "가": 3, "##나": 4, "나": 5, "!": 6})


def _wordpiece(vocabulary, **more):
    from transformers import BertTokenizer

    return BertTokenizer(vocab=vocabulary, do_lower_case=False, **more)


def read(source, **values) -> list[str]:
    return [text for batch in Corpus(source, Texts(**values)) for text in batch]


# The figures.


def test_every_figure_by_hand(pieces):
    texts = ["가나 가나! 나가", "뷁 나"]  # 가나 | 가나 ! | [UNK] (나가: no ##가) || [UNK] | 나
    found = measure(pieces, texts)
    assert found["tokens"] == 6 and found["vocabulary"] == len(pieces)
    assert found["tokens_per_word"] == pytest.approx(6 / 5)
    assert found["tokens_per_character"] == pytest.approx(6 / 12)
    assert found["bytes_per_token"] == pytest.approx(sum(len(t.encode()) for t in texts) / 6)
    assert found["whole_words"] == pytest.approx(4 / 5)  # 가나! is two
    assert found["unknown_tokens"] == pytest.approx(2 / 6)
    assert found["characters_known"] == pytest.approx(1 - 3 / 9)
    assert found["unknown_words"] == [["나가", 1], ["뷁", 1]] and found["unknown_word_share"] == pytest.approx(2 / 5)
    assert found["unknown_characters"] == [["뷁", 1]]
    assert found["vocabulary_used"] == pytest.approx(4 / len(pieces))
    assert found["round_trip"] == 0.0 and found["tokens_per_text"]["mean"] == 3


def test_figures_agree_with_the_tokenizer_asked_word_by_word():
    """Independent of offsets: each word by itself, for pieces that carry their space and for those that don't."""
    texts = list(KOREAN[:60])
    for recipe in ("bert", "t5"):
        tokenizer = byeori.train_tokenizer(texts, recipe=recipe, vocab_size=2_000).tokenizer
        found = measure(tokenizer, texts)
        words = [word for text in texts for word in text.split()]
        alone = [tokenizer(word, add_special_tokens=False)["input_ids"] for word in words]
        assert found["tokens"] == sum(map(len, alone))
        assert found["whole_words"] == pytest.approx(sum(len(ids) == 1 for ids in alone) / len(words))
        assert found["unknown_tokens"] == 0 and found["characters_known"] == 1
    assert found["round_trip_spaces"] == 1.0


def test_byte_level_pieces_know_everything_and_come_back():
    tokenizer = byeori.train_tokenizer(list(KOREAN), recipe="gpt2", vocab_size=1_000, nfc=False).tokenizer
    found = measure(tokenizer, ["뷁 👍🏽 안녕  두 칸", *KOREAN[:20]])
    assert found["unknown_tokens"] == 0 and found["round_trip"] == 1.0 and found["characters_known"] == 1


def test_a_tokenizer_in_python_is_asked_word_by_word(tmp_path):
    from transformers import CTRLTokenizer

    (tmp_path / "vocab.json").write_text(json.dumps({"<unk>": 0, "a": 1, "b": 2}), encoding="utf-8")
    (tmp_path / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")
    tokenizer = CTRLTokenizer.from_pretrained(tmp_path)
    found = measure(tokenizer, ["a b a", "c"])
    assert not tokenizer.is_fast and found["unknown_words"] == [["c", 1]]
    assert found["whole_words"] == 1.0 and found["unknown_tokens"] == pytest.approx(1 / 4)


def test_two_stand_side_by_side(pieces):
    other = _wordpiece({"[PAD]": 0, "[UNK]": 1, "나": 2})
    report = compare([("ours", pieces), ("theirs", other)], ["가나 나", "  "], on="words")
    assert report["texts"] == 1 and report["words"] == 2
    assert [one["unknown_tokens"] for one in report["tokenizers"]] == [0.0, 0.5]
    lines = report_lines(report)
    assert "1 text (words): 2 words" in lines[0] and "ours" in lines[1] and "theirs" in lines[1]
    assert lines[-2:] == ["theirs, unknown words: 가나 1", "theirs, unknown characters: 가"]


# Texts as a stream.


def test_lines_paragraphs_and_files(tmp_path):
    file = tmp_path / "글.txt"
    file.write_bytes("첫 줄\r\n둘째 줄\r\n\r\n\n셋째\n".encode())
    assert read(str(file)) == ["첫 줄", "둘째 줄", "셋째"]
    assert read(str(file), document="paragraph") == ["첫 줄\n둘째 줄", "셋째"]
    assert read(str(file), document="file") == ["첫 줄\n둘째 줄\n\n\n셋째"]
    assert read(str(file), max_rows=2) == ["첫 줄", "둘째 줄"]


@pytest.mark.parametrize(
    ("encoding", "said"), [("utf-8", ""), ("utf-8-sig", "byte-order"), ("cp949", "CP949"), ("utf-16", "UTF-16")]
)
def test_encodings_are_recognised(encoding, said, tmp_path):
    file = tmp_path / "a.txt"
    file.write_bytes("\n".join(KOREAN[1::2]).encode(encoding))
    texts = Corpus(str(file))
    assert [text for batch in texts for text in batch] == [text for one in KOREAN[1::2] for text in one.split("\n")]
    assert said in " ".join(texts.notes)


def test_korean_that_begins_late_is_still_recognised(tmp_path):
    file = tmp_path / "late.txt"
    file.write_bytes(b"plain english\n" * 40_000 + "한국어 문장입니다".encode("cp949"))
    assert read(str(file))[-1] == "한국어 문장입니다"


def test_broken_bytes_stop_with_their_line_or_are_left_out(tmp_path):
    file = tmp_path / "a.txt"
    file.write_bytes("한국어\n".encode() * 3 + b"\xff\xfe broken\n" + "끝\n".encode())
    with pytest.raises(DataError, match="a.txt, line 4: bytes that are not UTF-8.*--skip-bad-rows"):
        read(str(file))
    texts = Corpus(str(file), Texts(skip_bad_rows=True))
    assert [text for batch in texts for text in batch] == ["한국어"] * 3 + ["끝"]
    assert any("1 line with broken bytes" in note for note in texts.notes)


def test_packed_text_is_streamed(tmp_path):
    with gzip.open(tmp_path / "a.txt.gz", "wt", encoding="utf-8") as file:
        file.write("하나\n둘\n")
    assert read(str(tmp_path / "a.txt.gz")) == ["하나", "둘"]
    (tmp_path / "b.txt.gz").write_bytes((tmp_path / "a.txt.gz").read_bytes()[:-9])
    with pytest.raises(DataError, match="can't be unpacked"):
        read(str(tmp_path / "b.txt.gz"))


def test_tables_give_all_their_texts(tmp_path):
    (tmp_path / "a.tsv").write_text("document\tlabel\n좋아요\t1\n싫어요\t0\n", encoding="utf-8")
    (tmp_path / "b.jsonl").write_text(
        "".join(json.dumps({"question": f"무엇 {n}?", "context": f"이것 {n}.", "n": n}) + "\n" for n in range(2))
    )
    (tmp_path / "c.csv").write_text("source,target\nhello,안녕\n,빈 것\n", encoding="utf-8")
    assert read(str(tmp_path / "a.tsv")) == ["좋아요", "싫어요"]
    assert read(str(tmp_path / "b.jsonl")) == ["무엇 0?", "이것 0.", "무엇 1?", "이것 1."]
    assert read({"question": ["하나?", "둘?"], "context": ["글", "글"]}) == [
        "하나?",
        "글",
        "둘?",
    ]  # not once a question
    (tmp_path / "d.conllu").write_text(
        "# text = 나는 간다.\n1\t나는\t_\tX\n2\t간다\t_\tX\n3\t.\t_\tX\n\n", encoding="utf-8"
    )
    assert read(str(tmp_path / "d.conllu")) == ["나는 간다."]
    assert read(str(tmp_path / "c.csv")) == ["hello", "안녕", "빈 것"]
    assert read((str(tmp_path / "a.tsv"), str(tmp_path / "c.csv"))) == ["좋아요", "싫어요", "hello", "안녕", "빈 것"]
    assert read(str(tmp_path / "b.jsonl"), text="context,n") == ["이것 0.", "이것 1."]
    with pytest.raises(DataError, match='no column "nothing"'):
        read(str(tmp_path / "a.tsv"), text="document,nothing")


def test_held_out_parts_of_a_folder_are_left_out(tmp_path):
    for name in ("train", "test"):
        (tmp_path / f"{name}.txt").write_text(f"{name} 글\n", encoding="utf-8")
    texts = Corpus(str(tmp_path))
    assert [text for batch in texts for text in batch] == ["train 글"]
    assert 'test.txt" left out' in texts.notes[0]
    assert read(str(tmp_path), split="test") == ["test 글"]


def test_python_objects():
    import datasets

    assert read(["hello", "klue", "a b"]) == ["hello", "klue", "a b"]  # texts, though they look like Hub ids
    assert read(datasets.Dataset.from_dict({"text": ["가", "나"]})) == ["가", "나"]
    assert read(lambda: (str(n) for n in range(3))) == ["0", "1", "2"]
    with pytest.raises(SettingError, match="function that makes it"):
        read(iter(["가"]))
    with pytest.raises(DataError, match="item 2: int"):
        read(lambda: ["가", 3])
    with pytest.raises(DataError, match="no data is named"):
        read(())


def test_a_file_larger_than_what_is_held(tmp_path, monkeypatch):
    """4 MB, one line of 2 MB among them, in a quarter of that: memory follows the blocks, not the file."""
    monkeypatch.setattr(lines, "BLOCK", 1 << 14)
    monkeypatch.setattr(lines, "LONGEST", 1 << 15)
    monkeypatch.setattr(corpus, "BATCH", 1 << 15)
    file = tmp_path / "large.txt"
    file.write_text("가나다라 마바사 아자차카\n" * 60_000 + "끝이 없는 줄 " * 100_000, encoding="utf-8")
    size = file.stat().st_size
    texts = Corpus(str(file))
    tracemalloc.start()
    longest = total = 0
    for batch in texts:
        longest = max(longest, *map(len, batch))
        total += sum(len(text.encode()) for text in batch)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert lines.LONGEST < longest <= lines.LONGEST + lines.BLOCK
    assert size > 3e6 and total == size - 60_000 and peak < size / 4


# What a pass over texts finds.


def test_the_survey_counts_and_samples_evenly():
    texts = [f"{n}번 글" for n in range(3 * SAMPLE)]
    found = survey([texts[:5000], texts[5000:]], None, None, words=False, count=True)
    assert found.texts == len(texts) and found.characters == sum(map(len, texts))
    assert found.bytes == sum(len(text.encode()) for text in texts) and found.hangul and not found.decomposed
    assert found.sample == texts[:: found.stride] and SAMPLE / 2 < len(found.sample) <= SAMPLE
    assert found.counts["번"] == len(texts)
    assert rare(found.counts, 3) == {sign for sign in "0123456789번글"} - {"번", "글", "1"}
