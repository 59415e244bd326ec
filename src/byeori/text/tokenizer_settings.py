"""The settings of `byeori tokenizer`: what is learnt, from which blocks and texts, where it goes. One source for flags,
YAML and Python.

    (learning,) = settings.read({"algorithm": "wordpiece", "vocab_size": "8000"}, Learning)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from byeori.errors import SettingError
from byeori.settings import load_yaml, names, setting, unknown

ALGORITHMS = ("wordpiece", "bpe", "unigram", "word", "character")


@dataclass(kw_only=True)
class Vocabulary:
    """What is learnt."""

    algorithm: str | None = setting(
        None, "how pieces are found; the recipe's own if not given", choices=ALGORITHMS, metavar="|".join(ALGORITHMS)
    )
    recipe: str | None = setting(
        None,
        "whose blocks, special tokens and template: bert, electra, roberta, gpt2, t5; that of the algorithm if not given",
        metavar="RECIPE",
    )
    vocab_size: int = setting(32_000, "tokens in all, special ones included", least=2)
    min_frequency: int = setting(
        2, "times a pair of pieces, or a word, must occur to become a token (not unigram)", least=0
    )
    limit_alphabet: int | None = setting(
        None, "keep only so many characters, the most frequent; texts with others have unknown tokens", least=1
    )
    initial_alphabet: Any = setting(
        None,
        "characters that get a token whether they occur or not: hangul, ksx1001, ascii, or the characters themselves",
    )
    byte_fallback: bool = setting(False, "spell unknown characters in bytes (unigram, bpe over characters)")
    max_piece_length: int | None = setting(None, "longest piece in characters (unigram: 16 if not given; bpe)", least=1)
    extra_ids: int | None = setting(None, "sentinel tokens at the end; 100 for t5, none for others", least=0)


@dataclass(kw_only=True)
class Blocks:
    """What it is built of; the recipe's, where not given. Names as in the tokenizers library, comma-separated or a list."""

    nfc: bool | None = setting(
        None, "compose characters first; on where texts hold Hangul or decomposed characters, if not given"
    )
    lower: bool = setting(False, "make everything lower case; Hangul is left whole")
    normalizer: Any = setting(None, "what is done to a text: nfkc,lowercase; none for nothing", metavar="BLOCKS")
    pre_tokenizer: Any = setting(None, "where a text is cut: whitespace_split,punctuation", metavar="BLOCKS")
    decoder: Any = setting(None, "how tokens become text again; follows from the others", metavar="BLOCKS")
    special_tokens: Any = setting(
        None, "role=TOKEN (pad, unk, cls, sep, mask, bos, eos) or further tokens, comma-separated", metavar="TOKENS"
    )
    template: Any = setting(
        None, 'special tokens around a text, as "[CLS] $A [SEP]"; single and pair in YAML', metavar="TEMPLATE"
    )
    max_length: int | None = setting(None, "longest input in tokens that the folder states; the recipe's", least=3)


@dataclass(kw_only=True)
class Texts:
    """Which texts."""

    text: str | None = setting(
        None, "columns of the texts (a,b); all that are texts by their role if not given", metavar="COLUMNS"
    )
    document: str = setting("line", "what counts as one text of a text file", choices=("line", "paragraph", "file"))
    separator: str | None = setting(None, "what separates the columns of a text file; recognised if not given")
    header: bool | None = setting(None, "whether the first line names the columns; recognised if not given")
    encoding: str | None = setting(None, "encoding of text files; recognised if not given")
    field: str | None = setting(None, "where the rows stand in a nested JSON file, as a.b")
    split: str | None = setting(None, "the split to take; train, where there are several, if not given")
    data_revision: str | None = setting(None, "revision of a Hub data set")
    skip_bad_rows: bool = setting(False, "leave out rows that can't be read, and say how many")
    max_rows: int | None = setting(None, "use at most the first so many rows of each source", least=1)


@dataclass(kw_only=True)
class Comparing:
    """What it is measured beside."""

    beside: Any = setting(None, "another tokenizer: a Hub id, a folder, a vocab.txt or a tokenizer.json")
    trust_remote_code: bool = setting(False, "run Python code that comes with a tokenizer")


@dataclass(kw_only=True)
class Saved:
    """Where it goes."""

    output: str | None = setting(None, "folder of the tokenizer", metavar="DIR")
    overwrite: bool = setting(False, "replace a tokenizer that is in the folder")
    validation: Any = setting(
        None, "texts that the report is made on; a sample of those learnt from if not given", metavar="DATA"
    )


@dataclass(kw_only=True)
class Learning(Saved, Comparing, Texts, Blocks, Vocabulary):
    """Everything `byeori tokenizer train` takes, beside the data."""


SECTIONS = (Vocabulary, Blocks, Texts, Comparing, Saved)


def from_command(places: tuple[str, ...], flags: dict[str, Any]) -> dict[str, Any]:
    """What the command was told, with `data` as a tuple: its places and flags over what a settings file among them says.

    Raises SettingError for a file that can't be read, an unknown name in it, and a command without data or output.
    """
    files = [one for one in places if one.endswith((".yaml", ".yml"))]
    if len(files) > 1:
        raise SettingError(f"{len(files)} settings files are named ({', '.join(files)}). Give one.")
    found: dict[str, Any] = {}
    for file in files:
        found = load_yaml(file)
        for name in found:
            if name not in (*names(Learning), "data"):
                raise SettingError(
                    unknown(
                        name,
                        [*names(Learning), "data"],
                        file,
                        more="`byeori tokenizer train --help` lists all settings.",
                    )
                )
    found |= flags
    data = tuple(one for one in places if one not in files) or found.pop("data", ())
    found["data"] = (data,) if isinstance(data, str) else tuple(data or ())
    if not found["data"]:
        raise SettingError(
            "no data is named. Give files, folders, globs or Hub ids after the flags, or data: in the settings file."
        )
    if not found.get("output"):
        raise SettingError("no folder is named for the tokenizer. Give --output DIR.")
    return found
