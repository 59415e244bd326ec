"""Whether the files of one tokenizer say the same, and whether two tokenizers number their tokens alike.

A folder may hold a tokenizer twice: tokenizer.json, which is used, and the vocab.txt, vocab.json or SentencePiece model it was
once made of (what a "slow" tokenizer reads). Where one was changed and the other left, other tools read other tokens.
Only files that are here are looked at: of a Hub id those of its cache.

    differences(tokenizer, "models/albert", ["A text."]) == []
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from byeori.models.bare import SENTENCEPIECE
from byeori.text.blocks import token_lists

TRIED = 20  # texts
MARK = "▁"


def differences(tokenizer: Any, place: str, texts: Sequence[str]) -> Iterator[str]:
    """A sentence for each file beside tokenizer.json that reads texts, or numbers pieces, in another way."""
    if not place or not tokenizer.is_fast or _file(place, "tokenizer.json") is None:
        return
    vocabulary: dict[str, int] = {}
    for name, numbers in _vocabularies(place):
        vocabulary = vocabulary or tokenizer.get_vocab()
        other = [piece for piece, number in numbers.items() if vocabulary.get(piece) != number]
        if other:
            yield (
                f"{len(other):,} of the {len(numbers):,} pieces of {name} ({', '.join(other[:3])}…) have another id, or none, in the "
                f"tokenizer.json beside it, which is the one that is used."
            )
    model = next((file for name in SENTENCEPIECE if (file := _file(place, name)) is not None), None)
    if model is not None:
        yield from _sentencepiece(tokenizer, model, list(texts)[:TRIED])


def renumbered(tokenizer: Any, source: str) -> float | None:
    """The share of the tokens of the tokenizer at `source` that have another id, or none, in this one.

    None where there is none at `source`, or it is this one, or fewer than 1 in 100 differ (tokens that were added).
    """
    place = str(getattr(tokenizer, "name_or_path", "") or "")
    if not source or not place or place == source:
        return None
    folder = Path(source) / "model" if (Path(source) / "model" / "config.json").is_file() else Path(source)
    if Path(place).exists() and folder.exists() and Path(place).resolve() == folder.resolve():
        return None
    own = _numbers(str(folder))
    if not own:
        return None
    theirs = tokenizer.get_vocab()
    share = sum(theirs.get(piece) != number for piece, number in own.items()) / len(own)
    return share if share >= 0.01 else None


def _numbers(place: str) -> dict[str, int]:
    """Piece → id of the tokenizer at a place; {} where its files don't say it plainly."""
    file = _file(place, "tokenizer.json")
    if file is None:
        return next((numbers for _, numbers in _vocabularies(place)), {})
    found = _json(file)
    model = found.get("model") or {}
    vocabulary = model.get("vocab") or {}
    if isinstance(vocabulary, list):  # Unigram's: pieces with their scores
        vocabulary = {piece[0]: number for number, piece in enumerate(vocabulary)}
    return {**vocabulary, **{one["content"]: one["id"] for one in found.get("added_tokens") or []}}


def _vocabularies(place: str) -> Iterator[tuple[str, dict[str, int]]]:
    """Piece → id of the plain files."""
    if (file := _file(place, "vocab.txt")) is not None and _file(place, "bpe.codes") is None:
        lines = file.read_text(encoding="utf-8", errors="replace").removesuffix("\n").split("\n")
        yield file.name, {line.rstrip("\r"): number for number, line in enumerate(lines)}
    if (file := _file(place, "vocab.json")) is not None and _file(place, "merges.txt") is not None:
        yield file.name, {piece: number for piece, number in _json(file).items() if isinstance(number, int)}


def _sentencepiece(tokenizer: Any, file: Path, texts: list[str]) -> Iterator[str]:
    """Pieces as SentencePiece itself cuts them, of the text as it is or as the tokenizer normalizes it."""
    try:
        import sentencepiece
    except ImportError:
        return  # nothing to compare with
    model = sentencepiece.SentencePieceProcessor()
    try:
        model.Load(str(file))
    except (RuntimeError, OSError) as error:
        yield f"{file.name} is no SentencePiece model ({' '.join(str(error).split())[:80]}); tokenizer.json beside it is used."
        return
    normalizer = tokenizer.backend_tokenizer.normalizer
    unknown = tokenizer.unk_token
    apart = []
    for text, ids in zip(texts, token_lists(tokenizer, texts), strict=True):
        own = tokenizer.convert_ids_to_tokens(ids)
        seen = text if normalizer is None else normalizer.normalize_str(text).replace(MARK, " ")
        rivals = [
            [unknown if model.is_unknown(model.piece_to_id(one)) else one for one in model.encode(said, out_type=str)]
            for said in (text, seen)
        ]
        if own not in rivals:
            apart.append((text, own, rivals[0]))
    if apart:
        text, own, theirs = apart[0]
        at = next((n for n, pair in enumerate(zip(own, theirs, strict=False)) if pair[0] != pair[1]), 0)
        yield (
            f"{len(apart):,} of {len(texts):,} texts are cut otherwise by {file.name} than by the tokenizer.json beside it, which is the "
            f"one that is used: {' '.join(own[at : at + 4])} instead of {' '.join(theirs[at : at + 4])} in {text[:40]!r}."
        )


def _file(place: str, name: str) -> Path | None:
    """A file of a folder, or of what the cache has of a Hub id; nothing is downloaded."""
    path = Path(place).expanduser()
    if path.is_dir():
        return path / name if (path / name).is_file() else None
    if path.exists() or place.count("/") > 1:
        return None
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(place, name)
    except HFValidationError:
        return None
    return Path(found) if isinstance(found, str) else None


def _json(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        return {}  # what is damaged was said when it was loaded
    return found if isinstance(found, dict) else {}
