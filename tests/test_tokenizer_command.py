"""The command: `byeori tokenizer train` and `report`, from flags and from YAML; refusals with code and words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from commands import Command
from vocabularies import texts as some

VOCABULARIES = Path(__file__).parents[1] / ".." / "shared" / "data" / "tokenizer_vocabs"
NSMC = Path(__file__).parents[1] / ".." / "shared" / "data" / "nsmc" / "nsmc_30k.txt"


@pytest.fixture
def command(tmp_path, capsys) -> Command:
    found = Command(tmp_path, tmp_path, capsys)
    found.output = tmp_path / "tok"
    return found


@pytest.fixture
def data(command) -> Path:
    return command.write("texts.txt", "\n".join(text.replace("\n", " ") for text in some()))


def learn(command: Command, data, *more) -> int:
    return command(
        "tokenizer",
        "train",
        "--algorithm",
        "wordpiece",
        "--vocab-size",
        "1500",
        "--output",
        command.output,
        data,
        *more,
    )


def test_train_report_and_use(command, data):
    from transformers import AutoTokenizer

    assert learn(command, data) == 0
    assert "tokens a word (eojeol)" in command.out and "1,500 tokens" in command.out
    assert "320 texts" in command.err and "BertTokenizer would build its own normalizer, without nfc" in command.err
    tokenizer = AutoTokenizer.from_pretrained(command.output)
    assert len(tokenizer) == 1_500 and tokenizer.model_input_names[1] == "token_type_ids"
    files = {one.name for one in command.output.iterdir()}
    assert files == {
        "tokenizer.json", "tokenizer_config.json", "vocab.txt", "report.json", "settings.yaml",
    }  # fmt: skip
    assert command("tokenizer", "report", command.output, data, "--json") == 0
    found = json.loads(command.out)
    assert found["tokenizers"][0]["unknown_tokens"] == 0 and found["texts"] == 320
    assert command("tokenizer", "report", command.output, data, "--beside", command.output) == 0
    assert command.out.count("1,500") == 2


def test_json_is_one_object(command, data):
    assert learn(command, data, "--json") == 0
    found = json.loads(command.out)
    assert found["saved_as"] == "PreTrainedTokenizerFast" and found["training"]["texts"] == 320
    assert all(json.loads(line)["note"] for line in command.err.splitlines())


def test_everything_in_a_settings_file(command, data):
    from transformers import AutoTokenizer

    file = command.write(
        "tok.yaml",
        f"""
algorithm: unigram
vocab-size: 1500
normalizer: [nfkc, {{replace: {{pattern: {{regex: " {{2,}}"}}, content: " "}}}}]
pre_tokenizer: [metaspace]
special_tokens: {{cls: "[CLS]", sep: "[SEP]", mask: "[MASK]"}}
template: {{single: "[CLS] $A [SEP]", pair: "[CLS] $A [SEP] $B:1 [SEP]:1"}}
extra_ids: 0
data: {data}
output: {command.output}
""",
    )
    assert command("tokenizer", "train", file, "--vocab-size", "1400") == 0
    found = AutoTokenizer.from_pretrained(command.output)
    assert len(found) == 1_400 and found.mask_token == "[MASK]"
    assert found("ＡＢ")["input_ids"] == found("AB")["input_ids"]
    assert found("a", "a")["token_type_ids"][-1] == 1
    assert command("tokenizer", "train", command.output / "settings.yaml", "--output", command.folder / "again") == 0
    for name in ("tokenizer_config.json",):
        assert (command.output / name).read_bytes() == (command.folder / "again" / name).read_bytes()


def test_another_part_is_measured(command, data):
    other = command.write("other.txt", "쀍쀍 새 말\n")
    assert learn(command, data, "--validation", other) == 0
    assert "(validation): 3 words" in command.out and "unknown characters: 쀍" in command.out


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        (["--algorithm", "wordpiece", "--vocab-size", "100"], 2, ["Hangul syllables", "Give --vocab-size "]),
        (["--algorithm", "unigram", "--vocab-size", "100"], 2, ["Hangul syllables", "Give --vocab-size "]),
        (["--algorithm", "wordpeice"], 2, ["Did you mean wordpiece?"]),
        (["--recipe", "robreta"], 2, ["Did you mean roberta?"]),
        (["--recipe", "gpt2", "--algorithm", "unigram"], 2, ["not for unigram", "--recipe t5"]),
        ([], 2, ["--algorithm"]),
        (["--recipe", "bert", "--pre-tokenizer", "whitspace"], 2, ["Did you mean whitespace?"]),
        (["--recipe", "bert", "--vocab-sise", "9"], 2, ["Did you mean --vocab-size?"]),
        (["--recipe", "bert", "--normalizer", "nfd,strip_accents,bert", "--beside", "nowhere/at/all"], 4, ["nowhere/at/all"]),
    ],
)  # fmt: skip
def test_refusals(command, data, flags, code, words):
    command("tokenizer", "train", "--output", command.output, *flags, data)
    command.refused(code, *words)


def test_data_that_is_none(command):
    for name, text, code, words in (
        ("empty.txt", "", 3, "empty"), ("blank.txt", "\n \n\t\n", 3, "empty"), ("none.txt", None, 3, "no such file"),
        ("bin.txt", b"\0\1\2\xff" * 999, 3, "binary"), ("broken.txt", "한국\n".encode() * 9 + b"\xff\xff", 3, "line 10"),
    ):  # fmt: skip
        file = command.folder / name if text is None else command.write(name, text)
        command("tokenizer", "train", "--recipe", "bert", "--output", command.output, file)
        command.refused(code, name, words)
    command("tokenizer", "train", "--recipe", "bert", "--output", command.output)
    command.refused(2, "no data is named")
    command("tokenizer", "train", "--recipe", "bert", command.folder)
    command.refused(2, "--output DIR")


def test_a_folder_that_is_there_is_kept(command, data):
    assert learn(command, data) == 0
    before = (command.output / "tokenizer.json").read_bytes()
    assert learn(command, data, "--min-frequency", "3") == 2
    assert "--overwrite" in command.error and (command.output / "tokenizer.json").read_bytes() == before
    assert learn(command, data, "--overwrite", "--vocab-size", "1600") == 0
    assert (command.output / "tokenizer.json").read_bytes() != before
    (command.output / "config.json").write_text("{}")
    assert learn(command, data, "--overwrite") == 2 and "holds a model" in command.error
    command.output = command.folder / "papers"
    command.output.mkdir()
    (command.output / "mine.txt").write_text("x")
    assert learn(command, data, "--overwrite") == 2 and "stays untouched" in command.error
    assert (command.output / "mine.txt").read_text() == "x"


def test_a_settings_file_with_an_unknown_name(command, data):
    file = command.write("tok.yaml", "algorithm: bpe\nvocab_sise: 9\n")
    command("tokenizer", "train", file, data, "--output", command.output)
    command.refused(2, "tok.yaml", "vocab_sise", "vocab_size")


@pytest.mark.skipif(not NSMC.is_file(), reason="the real data is not here")
def test_real_reviews_beside_a_vocabulary_that_people_use(command):
    koelectra = VOCABULARIES / "koelectra_vocab.txt"
    assert learn(command, NSMC, "--max-rows", "3000", "--vocab-size", "4000", "--beside", koelectra, "--json") == 0
    ours, theirs = json.loads(command.out)["tokenizers"]
    assert ours["unknown_tokens"] == 0 < theirs["unknown_tokens"]
    assert 1.5 < ours["tokens_per_word"] < 3 and 1.5 < theirs["tokens_per_word"] < 3
    assert theirs["vocabulary"] == 32_200 and len(theirs["unknown_words"]) > 5
