"""Tokenizers that are bare files: a vocabulary without the words on how it is to be used (tokenizer.json).

A `vocab.txt` doesn't say whether texts are lower-cased, and transformers then does it; a class that doesn't fit such files
makes a tokenizer of special tokens alone, in silence. Here what a file doesn't say is told from its pieces, and what
can't be told is asked for.

Invariants: a tokenizer made here has every piece of its file at the number the file gives it; what a tokenizer_config.json
states is honoured; a folder with a tokenizer.json is not ours to read.

    tokenizer = read_bare("koelectra", model_type="electra")      # None: nothing bare about it
"""

from __future__ import annotations

import json
import shutil
import tempfile
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from byeori.errors import ModelError

CASED = 0.01  # the share of pieces that lower-casing would change, from which a vocabulary is taken to be cased
BERT = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}
SENTENCEPIECE = ("spiece.model", "sentencepiece.bpe.model", "tokenizer.model", "sentencepiece.model")
BYTES = "Ġ"  # how byte-level BPE writes a space


def read_bare(given: str, model_type: str = "") -> Any | None:
    """The tokenizer of a bare file or of a folder with nothing but such; None where transformers reads it rightly.

    given: vocab.txt, tokenizer.json or a SentencePiece model under any name, or a folder. model_type: of the model's
    config, "" where that isn't known. Raises ModelError for files that don't say enough.
    """
    path = Path(given).expanduser()
    if path.is_file():
        return _named(_file(path, model_type), given)
    if not path.is_dir() or (path / "tokenizer.json").is_file():
        return None
    stated = _stated(path)
    kind = _model_type(path) or model_type
    own = str(stated.get("tokenizer_class") or "").removesuffix("Fast")
    if stated.get("auto_map") or own not in ("", "BertTokenizer"):
        return None
    if (path / "vocab.txt").is_file():
        if not own and _reads(kind, "vocab.txt") not in (None, "BertTokenizer"):
            return None  # MPNet's, PhoBERT's: their classes read such a file in their own way
        return _named(_wordpiece(path / "vocab.txt", stated), given)
    if own:
        return None
    vocabulary, merges = (path / name for name in ("vocab.json", "merges.txt"))
    model = next((path / name for name in SENTENCEPIECE if (path / name).is_file()), None)
    if model is None and not list(path.glob("*.spm")):
        if vocabulary.is_file() and merges.is_file():
            return None if _leaves(kind, "merges.txt") else _named(_byte_level(vocabulary, merges), given)
        if vocabulary.is_file() or merges.is_file():
            raise ModelError(_half(path, vocabulary.is_file()))
    if model is not None and not _leaves(kind, ".model"):
        return _named(_sentencepiece(model, kind), given)
    return None


def described(given: str) -> str | None:
    """One line on what was read where only bare files are; None for anything else."""
    path = Path(given).expanduser() if given else Path()
    file = path / "vocab.txt" if path.is_dir() else path
    bare = file.suffix == ".txt" and file.is_file() and not (file.parent / "tokenizer.json").is_file()
    if not given or not bare or _stated(path).get("do_lower_case") is not None:
        return None
    pieces = _lines(file)
    share = cased(pieces)
    how = "kept as it is (do_lower_case=False)" if share > CASED else "lower-cased (do_lower_case=True)"
    return (
        f"{file.name} alone says nothing of letter case; text is {how}, since {share:.1%} of its {len(pieces):,} pieces have upper "
        f"case, accents or composed Hangul."
    )


def cased(pieces: Iterable[str]) -> float:
    """The share of pieces that could never come of text that is lower-cased and stripped of its accents, as BERT's
    uncased tokenizers do it: those with upper case, accents, or Hangul syllables, which the same step takes apart."""
    found = [piece for piece in pieces if not (piece.startswith("[") and piece.endswith("]"))]
    return sum(uncased(piece) != piece for piece in found) / max(1, len(found))


def uncased(text: str) -> str:
    """Lower case, decomposed, without combining marks: BERT's `do_lower_case`."""
    parts = unicodedata.normalize("NFD", text.lower())
    return "".join(one for one in parts if unicodedata.category(one) != "Mn")


def _file(path: Path, model_type: str) -> Any:
    if path.suffix == ".txt":
        return _wordpiece(path, _stated(path))
    if path.suffix == ".model":
        return _sentencepiece(path, model_type)
    if path.suffix == ".json":
        return _fast(path)
    raise ModelError(
        f"{path}: a tokenizer is a folder, a vocab.txt, a tokenizer.json or a SentencePiece .model; this is none of them by its name."
    )


def _fast(path: Path) -> Any:
    """A tokenizer.json by itself, with the special tokens that its names give away."""
    from transformers import PreTrainedTokenizerFast

    found = _json(path)
    if not isinstance(found.get("model"), dict):
        raise ModelError(
            f'{path}: this is no tokenizer.json (there is no "model" in it). A vocab.json is half of a tokenizer: give the folder '
            f"that also has its merges.txt."
        )
    made = PreTrainedTokenizerFast(tokenizer_file=str(path))
    names = set(made.get_vocab())
    roles = {
        "pad_token": ("[PAD]", "<pad>"), "unk_token": ("[UNK]", "<unk>"), "cls_token": ("[CLS]",), "sep_token": ("[SEP]",),
        "mask_token": ("[MASK]", "<mask>"), "bos_token": ("<s>", "<bos>", "<|endoftext|>"),
        "eos_token": ("</s>", "<eos>", "<|endoftext|>"),
    }  # fmt: skip
    there = {role: next((one for one in some if one in names), None) for role, some in roles.items()}
    made.add_special_tokens({role: one for role, one in there.items() if one is not None})
    return made


def _wordpiece(file: Path, stated: dict[str, Any]) -> Any:
    from transformers import BertTokenizer

    pieces = _lines(file)
    if "[UNK]" not in pieces:
        raise ModelError(
            f"{file}: it has no [UNK] among its {len(pieces):,} lines, so it is no vocabulary of WordPiece, one piece a line. Give the "
            f"checkpoint's tokenizer.json, or its tokenizer_config.json with the class that reads this file."
        )
    twice = len(pieces) - len(set(pieces))
    if twice:
        seen: set[str] = set()
        line = next(n for n, one in enumerate(pieces, 1) if one in seen or seen.add(one))  # type: ignore[func-returns-value]
        raise ModelError(
            f"{file}, line {line}: {pieces[line - 1]!r} stands there a second time ({twice:,} such lines), and a piece has one number. "
            f"Take the file from the checkpoint again."
        )
    own = {name: value for name, value in stated.items() if name != "tokenizer_class"}
    own.setdefault("do_lower_case", cased(pieces) <= CASED)
    # By a folder, not by vocab_file=, which the class takes and never reads.
    made = _through_folder(BertTokenizer, {file: "vocab.txt"}, own)
    lost = [piece for number, piece in enumerate(pieces) if made.convert_tokens_to_ids(piece) != number]
    if lost:
        raise ModelError(f"{file}: {len(lost):,} of its pieces ({lost[0]!r}…) got other numbers than their lines.")
    return made


def _byte_level(vocabulary: Path, merges: Path) -> Any:
    from transformers import GPT2Tokenizer, RobertaTokenizer

    names = set(_json(vocabulary))
    kinds: tuple[tuple[Any, set[str]], ...] = (
        (RobertaTokenizer, {"<s>", "</s>", "<unk>", "<pad>", "<mask>"}),
        (GPT2Tokenizer, {"<|endoftext|>"}),
    )
    kind = next((one for one, special in kinds if special <= names), None)
    if kind is None or not any(name.startswith(BYTES) for name in names):
        raise ModelError(
            f"{vocabulary.parent}: vocab.json and merges.txt don't say which tokenizer they are of (RoBERTa's have <s> and <mask>, GPT-2's "
            f'<|endoftext|>, both {BYTES}). Add a tokenizer_config.json with its "tokenizer_class", or the checkpoint\'s tokenizer.json.'
        )
    return _through_folder(kind, {vocabulary: "vocab.json", merges: "merges.txt"}, _stated(vocabulary))


def _sentencepiece(file: Path, model_type: str) -> Any:
    """By the model's family, else by the names of the first pieces, which T5's and ALBERT's give away."""
    from transformers import AlbertTokenizer, T5Tokenizer

    pieces = _pieces(file)
    if (name := _reads(model_type, ".model")) is not None:
        from transformers.models.auto.tokenization_auto import tokenizer_class_from_name

        kind: Any = tokenizer_class_from_name(name)
    else:
        fits = not model_type
        t5, albert = pieces[:3] == ["<pad>", "</s>", "<unk>"], {"[CLS]", "[SEP]"} <= set(pieces)
        kind = T5Tokenizer if fits and t5 else AlbertTokenizer if fits and albert else None
    if kind is None:
        whose = f"a {model_type} model" if model_type else "a model"
        raise ModelError(
            f"{file}: a SentencePiece model alone ({len(pieces):,} pieces) doesn't say which numbers they have in {whose}, nor what stands "
            f'around a text. Give the checkpoint\'s tokenizer.json, or a tokenizer_config.json beside it with "tokenizer_class" '
            f"(T5Tokenizer, AlbertTokenizer, XLMRobertaTokenizer, LlamaTokenizer…)."
        )
    return _through_folder(kind, {file: kind.vocab_files_names["vocab_file"]}, _stated(file))


def _pieces(file: Path) -> list[str]:
    try:
        import sentencepiece
    except ImportError:
        raise ModelError(
            f"{file}: this is a SentencePiece model. Install what reads it (pip install sentencepiece protobuf), or give the checkpoint's "
            f"tokenizer.json."
        ) from None
    model = sentencepiece.SentencePieceProcessor()
    try:
        model.Load(str(file))
    except (RuntimeError, OSError) as error:
        raise ModelError(f"{file}: this is no SentencePiece model ({' '.join(str(error).split())[:120]}).") from None
    return [model.id_to_piece(number) for number in range(model.get_piece_size())]


def _through_folder(kind: Any, files: dict[Path, str], values: dict[str, Any]) -> Any:
    """A tokenizer of a class from files, called as it wants them."""
    with tempfile.TemporaryDirectory(prefix="byeori-tokenizer-") as folder:
        for file, name in files.items():
            shutil.copy(file, Path(folder) / name)
        return kind.from_pretrained(folder, **{name: one for name, one in values.items() if name != "tokenizer_class"})


def _reads(model_type: str, file: str) -> str | None:
    """The class that transformers takes for a family, where it reads such a file."""
    name, kind = _class(model_type)
    return name if any(one.endswith(file) for one in _files(kind)) else None


def _leaves(model_type: str, file: str) -> bool:
    """Whether transformers reads such a file for this family: by its own class, or by a general one that tries all."""
    _, kind = _class(model_type)
    return bool(model_type) and (not set(_files(kind)) - {"tokenizer.json"} or _reads(model_type, file) is not None)


def _class(model_type: str) -> tuple[str, Any]:
    from transformers.models.auto.tokenization_auto import TOKENIZER_MAPPING_NAMES, tokenizer_class_from_name

    name: Any = TOKENIZER_MAPPING_NAMES.get(model_type)
    name = next((one for one in reversed(name) if one), None) if isinstance(name, tuple) else name
    return str(name or "").removesuffix("Fast"), tokenizer_class_from_name(name) if name else None


def _files(kind: Any) -> list[str]:
    return [one for one in getattr(kind, "vocab_files_names", {}).values() if isinstance(one, str)]


def _half(path: Path, vocabulary: bool) -> str:
    has, lacks = ("vocab.json", "merges.txt") if vocabulary else ("merges.txt", "vocab.json")
    return (
        f"{path}: there is {has} without {lacks}, which is half of a tokenizer of byte pairs. Copy {lacks} of the same checkpoint beside "
        f"it, or its tokenizer.json."
    )


def _stated(path: Path) -> dict[str, Any]:
    """What tokenizer_config.json beside the files says of the tokenizer; {} where there is none."""
    file = (path if path.is_dir() else path.parent) / "tokenizer_config.json"
    found = _json(file) if file.is_file() else {}
    return {name: value for name, value in found.items() if name not in ("name_or_path", "special_tokens_map_file")}


def _model_type(path: Path) -> str:
    file = path / "config.json"
    return str(_json(file).get("model_type") or "") if file.is_file() else ""


def _json(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{file}: this is not JSON: {error}.") from None
    if not isinstance(found, dict):
        raise ModelError(f"{file}: this is a {type(found).__name__}, not an object with names.")
    return found


def _lines(file: Path) -> list[str]:
    """A piece a line; the end of the last one is no line."""
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ModelError(f"{file}: this is not UTF-8 at byte {error.start:,}, and vocabularies are.") from None
    return text.removesuffix("\n").split("\n")


def _named(tokenizer: Any, given: str) -> Any:
    tokenizer.name_or_path = given
    return tokenizer
