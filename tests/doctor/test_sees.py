"""What the model sees of a text: its ids, characters, words and segments, in a table that stands straight."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from rich.cells import cell_len

from byeori.doctor.sees import decoder_of, of_texts, opened
from byeori.doctor.sees_table import WIDTH, across, table
from byeori.doctor.sees_tokens import described, fertility, lines_of, name_of, readable
from byeori.errors import SettingError
from families import Family
from plain import ENGLISH, KOREAN, TEXTS


@pytest.fixture(scope="module")
def minilm_loaded(minilm):
    return opened(str(minilm))


def loaded_of(name: str, auto: str = "AutoModel"):
    from byeori.models.load import load_model
    from byeori.tasks import FeatureExtraction

    return load_model(Family(name).model(auto), FeatureExtraction(), tokenizer=Family(name).tokenizer())


# tables ---------------------------------------------------------------------------------------------------------------


def test_columns_stand_straight_with_korean_in_them():
    rows = [("번역", 7, "x"), ("a", 11, "가나"), ("##이", 123, "y")]
    lines = table(("token", "id", "text"), rows, {1})
    starts = [cell_len(line[: line.index(word)]) for line, word in zip(lines, ("text", "x", "가나", "y"), strict=True)]
    assert len(set(starts)) == 1  # in cells; in characters they differ
    ends = [
        cell_len(line[: line.index(word) + len(word)])
        for line, word in zip(lines, ("id", "7", "11", "123"), strict=True)
    ]
    assert len(set(ends)) == 1


def test_wide_tables_go_on_below_and_lose_nothing():
    columns = [(str(n), "번역" * (n % 3)) for n in range(60)]
    lines = across(("", "inputs"), columns)
    assert all(cell_len(line) <= WIDTH for line in lines)
    assert " ".join(lines[::3]).split() == [str(n) for n in range(60)]
    shown = " ".join(line.removeprefix("inputs") for line in lines[1::3]).split()
    assert shown == [value for _, value in columns if value]


def test_what_cannot_be_seen_is_written_out():
    assert table(("a",), [("x\ny\t\u200b",)])[1] == "x\\ny\\t\\u200b"


# texts ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pair", [False, True])
@pytest.mark.parametrize("name", ["bert", "roberta", "xlm-roberta", "albert", "modernbert", "gpt2", "llama"])
def test_tokens_are_those_of_transformers_own_call(name, pair):
    """Ids, segments where the model has them, words, and characters, which are those of the text itself."""
    loaded = loaded_of(name)
    tokenizer = loaded.tokenizer
    for text, other in zip(TEXTS[2:5], TEXTS[5:2:-1], strict=True):
        other = other if pair else None
        seen = of_texts(loaded, text, other)
        own = tokenizer(text, other, return_offsets_mapping=True)
        tokens = seen.data["tokens"]
        assert [one["id"] for one in tokens] == own["input_ids"]
        assert [one["token"] for one in tokens] == tokenizer.convert_ids_to_tokens(own["input_ids"])
        if "token_type_ids" in own and seen.data["segments"]:
            assert [one["segment"] for one in tokens] == own["token_type_ids"]
        for one, (start, end), side, word in zip(
            tokens, own["offset_mapping"], own.sequence_ids(), own.word_ids(), strict=True
        ):
            if side is None:
                assert "start" not in one and one["special"]
            else:
                assert (one["start"], one["end"], one["word"]) == (start, end, word)
                assert one["text"] == (text, other)[side][start:end]
        assert seen.data["decoded"] == tokenizer.decode(own["input_ids"], skip_special_tokens=True)
        json.dumps(seen.data)
        assert len(seen.lines()) > min(len(tokens), 24 + 8)


def test_marks_counts_and_words(minilm_loaded):
    seen = of_texts(minilm_loaded, "The cat, 漢字 sat.")
    marks = {one["token"]: (one["special"], one["unknown"]) for one in seen.data["tokens"]}
    assert (
        marks["[CLS]"] == marks["[SEP]"] == (True, False)
        and marks["[UNK]"] == (False, True)
        and marks["cat"] == (False, False)
    )
    unknown = sum(one["unknown"] for one in seen.data["tokens"])
    assert seen.data["counts"] == {"tokens": len(seen.data["tokens"]), "special": 2, "unknown": unknown} and unknown
    assert [one["word"] for one in seen.data["words"]] == ["The", "cat,", "漢字", "sat."]
    assert [one["tokens"] for one in seen.data["words"]] == [1, 2, 2, 2] and seen.data["fertility"] == 7 / 4
    text = "\n".join(seen.lines())
    assert "unknown" in text and "tokens a word: 1.75 over 4 words" in text and "nothing is padded" in text
    assert "not the text as it was given" in text  # lower-cased
    assert seen.data["limit"] == 512 and seen.data["contract"] == []


def test_a_tokenizer_that_knows_nothing_of_a_text_is_said(minilm_loaded):
    seen = of_texts(minilm_loaded, "ไทย ไทย")
    assert [one["level"] for one in seen.data["contract"]] == ["stop"]
    assert seen.lines()[-1].startswith("stop: 2 of 2 words are unknown")


@pytest.mark.parametrize("truncation", ["head", "tail", "middle"])
@pytest.mark.parametrize("pair", [False, True])
def test_what_is_cut_keeps_its_characters(minilm_loaded, truncation, pair):
    text, other = " ".join(ENGLISH * 3), " ".join(ENGLISH) if pair else None
    whole = of_texts(minilm_loaded, text, other).data["tokens"]
    cut = of_texts(minilm_loaded, text, other, max_length=24, truncation=truncation).data
    assert len(cut["tokens"]) == 24 and cut["truncated"]
    kept = [(one["id"], one.get("start"), one.get("segment")) for one in cut["tokens"]]
    every = [(one["id"], one.get("start"), one.get("segment")) for one in whole]
    assert all(one in every for one in kept) and "cut to max_length 24" in cut_line(cut)
    inside = [one for one in cut["tokens"] if not one["special"]]
    assert all((text, other)[one["segment"]][one["start"] : one["end"]] == one["text"] for one in inside)
    with pytest.raises(SettingError, match="takes 512 tokens"):
        of_texts(minilm_loaded, text, max_length=600)


def cut_line(data: dict) -> str:
    from byeori.doctor.sees_lines import lines

    return lines(data)[0]


def test_by_name_and_by_folder(tiny, minilm):
    assert of_texts(str(minilm), "A cat.").data == of_texts(opened(str(minilm)), "A cat.").data
    assert of_texts(str(tiny("bert")), KOREAN[0]).data["decoded"] == KOREAN[0]


def test_a_model_trained_here_is_shown_with_its_own_length(tiny, tmp_path):
    folder = Path(shutil.copytree(tiny("bert"), tmp_path / "run" / "model"))
    (folder / "byeori.json").write_text('{"decoding": {"max_length": 9, "truncation": "tail"}}', encoding="utf-8")
    whole = of_texts(str(tiny("bert")), KOREAN[0]).data["tokens"]
    for given in (tmp_path / "run", folder):
        cut = of_texts(str(given), KOREAN[0]).data
        assert [one["id"] for one in cut["tokens"]] == [whole[0]["id"], *(one["id"] for one in whole[-8:])]
    assert len(of_texts(str(folder), KOREAN[0], max_length=128).data["tokens"]) == len(whole) > 9


def test_pieces_of_bytes_are_readable():
    tokenizer = Family("gpt2").tokenizer()
    ids = tokenizer("나는 cat")["input_ids"]
    names = tokenizer.convert_ids_to_tokens(ids)
    letters = readable(tokenizer, names)
    assert "".join(one for one in letters if one != "…") == "나는 cat"
    assert [name_of(tokenizer, one) for one in tokenizer(" cat")["input_ids"]][0].startswith("Ġ")
    assert all("special" in one for one in described(tokenizer, [tokenizer.eos_token_id]))
    (end,) = described(tokenizer, [tokenizer.eos_token_id])  # also the unknown token
    assert end["special"] and not end["unknown"]


def test_long_sequences_show_their_ends_and_what_matters():
    tokens = [{"place": n, "token": f"t{n}", "id": n, "special": False, "unknown": False} for n in range(200)]
    tokens[100]["answer"] = "answer"
    lines = lines_of(tokens, ("answer",))
    assert len(lines) == 1 + 24 + 8 + 1 + 2 and sum("more" in line for line in lines) == 2
    left = sum(int(line.split()[1]) for line in lines if "more" in line)
    assert left + 24 + 8 + 1 == 200 and any(line.split()[:2] == ["100", "t100"] for line in lines)


def test_fertility_counts_tokens_over_words():
    spans = [{"start": 0, "end": 2}, {"start": 2, "end": 3}, {"start": 3, "end": 6}, {}]
    assert fertility("abc de", spans) == [("abc", 2), ("de", 1)]
    assert fertility("", spans) == []


# encoder-decoder ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "start"), [("t5", "<pad>"), ("bart", "</s>"), ("pegasus", "<pad>"), ("marian", "<pad>")]
)
def test_the_decoders_table_is_the_first_tutorials(name, start):
    """decoder_inputs = model._shift_right(targets), side by side."""
    loaded = loaded_of(name, "AutoModelForSeq2SeqLM")
    tokenizer = loaded.tokenizer
    seen = of_texts(loaded, ENGLISH[0], KOREAN[0]).data
    right = tokenizer(text_target=KOREAN[0])["input_ids"]
    own = seen["decoder"]
    assert own["labels"] == right and own["input_ids"][1:] == right[:-1]
    assert own["input_ids"][0] == loaded.model.config.decoder_start_token_id and own["start"] == start
    assert own["targets"][-1] == tokenizer.convert_ids_to_tokens(right[-1])
    assert [one["id"] for one in seen["tokens"]] == tokenizer(ENGLISH[0])["input_ids"]
    if hasattr(loaded.model, "_shift_right"):
        import torch

        assert loaded.model._shift_right(torch.tensor([right]))[0].tolist() == own["input_ids"]


def test_minus_100_is_among_the_labels_and_never_among_the_inputs():
    loaded = loaded_of("t5", "AutoModelForSeq2SeqLM")
    short, long = decoder_of(loaded.model, loaded.tokenizer, [[5, 1], [5, 6, 7, 8, 1]])
    assert short["labels"] == [5, 1, -100, -100, -100] and short["ignored"] == 3 and short["ignored_in_inputs"] == 0
    assert short["input_ids"] == [0, 5, 1, 0, 0] and long["input_ids"] == [0, 5, 6, 7, 8]
