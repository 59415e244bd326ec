"""What can't be learnt or saved, said before an hour is spent on it: the folder, blocks that lose Hangul, a vocabulary too small.

check_size(settings, plan, survey)      # raises SettingError with the least size
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable
from pathlib import Path

from byeori.errors import SettingError
from byeori.text.components import built
from byeori.text.recipes import Plan
from byeori.text.survey import Survey
from byeori.text.tokenizer_settings import Learning

BYTES = tuple(f"<0x{byte:02X}>" for byte in range(256))
_SETS = ("hangul", "ksx1001", "ascii")
_PART_OF_IT = ("tokenizer.json", "tokenizer_config.json")


def check_output(settings: Learning) -> None:
    """Raises SettingError if a tokenizer can't be put there. Writes nothing."""
    if settings.output is None:
        return
    path = Path(settings.output)
    if path.exists() and not path.is_dir():
        raise SettingError(f"output {path}: this is a file. Name a folder with --output.")
    filled = path.is_dir() and any(path.iterdir())
    if filled and not settings.overwrite:
        raise SettingError(
            f"output {path}: the folder exists and isn't empty. Replace what is in it with --overwrite, or give another name with --output."
        )
    if filled and (not any((path / one).is_file() for one in _PART_OF_IT) or (path / "config.json").is_file()):
        held = "a model" if (path / "config.json").is_file() else "no tokenizer"
        raise SettingError(
            f"output {path}: this folder holds {held}, and stays untouched. Give another name with --output."
        )
    parent = next(one for one in path.absolute().parents if one.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        raise SettingError(f"output {path}: {parent} can't be written to. Give another folder with --output.")


def check_asked(settings: Learning, plan: Plan) -> None:
    """Raises SettingError, before a text is read, for what the algorithm would ignore and for special tokens that are missing."""
    algorithm, pieces = plan.algorithm, plan.algorithm in ("unigram", "bpe")
    all_bytes = plan.byte_level and algorithm == "bpe"
    if settings.byte_fallback and (plan.byte_level or not pieces):
        what = "byte-level pieces know every byte" if plan.byte_level else f"{algorithm} has no pieces to fall back to"
        raise SettingError(f"byte_fallback: {what}. Leave it out, or give --algorithm unigram.")
    if settings.max_piece_length is not None and not pieces:
        raise SettingError(
            f"max_piece_length={settings.max_piece_length}: {algorithm} has no longest piece. Leave it out, or give --algorithm "
            f"unigram or bpe."
        )
    if settings.initial_alphabet and (all_bytes or algorithm == "word"):
        what = "byte-level pieces know every byte" if all_bytes else "words are whole, and have no alphabet"
        raise SettingError(f"initial_alphabet={settings.initial_alphabet!r}: {what}. Leave it out.")
    if "unk" not in plan.special and not all_bytes and not settings.byte_fallback:
        fall_back = ", --byte-fallback" if pieces else ""
        raise SettingError(
            f"special_tokens: there is no unk token, and {algorithm} needs it for what it doesn't know. Name one (unk=[UNK])"
            f"{fall_back}, or give --recipe gpt2, whose pieces are bytes."
        )
    known = [*plan.tokens, *plan.sentinels]
    for part in f"{plan.single} {plan.pair}".split():
        token = part.split(":")[0]
        if not part.startswith("$") and token not in known:
            raise SettingError(
                f"template {plan.single!r}: {token} is no special token. There are {', '.join(known[:12])}; name it under special_tokens."
            )


def check_hangul(plan: Plan, found: Survey, say: Callable[[str], None]) -> None:
    """Raises SettingError for a normalizer that loses Hangul; says where it takes it apart."""
    normalizer = built("normalizer", plan.normalizer)
    if normalizer is None or not found.hangul:
        return
    syllables = "가각힣뷁"
    after = normalizer.normalize_str(syllables)
    composed = unicodedata.normalize("NFC", after).replace(" ", "")
    blocks = ", ".join(name for name, _ in plan.normalizer)
    if composed != syllables:
        raise SettingError(
            f"normalizer {blocks}: it makes {after!r} of {syllables!r}, and the texts are Korean. Leave out the step that loses Hangul."
        )
    if unicodedata.normalize("NFC", after) == after:
        return
    signs = len(normalizer.normalize_str(syllables[1]))
    say(
        f"The normalizer ({blocks}) takes Hangul apart: {syllables[1]} becomes {signs} signs, and every piece is made of jamo. Put nfc at "
        f"its end if this is not meant."
    )


def check_size(settings: Learning, plan: Plan, found: Survey) -> None:
    """Raises SettingError for a vocabulary smaller than what it must hold, with the least size."""
    always = starts(settings)
    first = found.alphabet | always
    inner = (found.inner | always) if plan.algorithm == "wordpiece" else set()
    fixed = len(plan.tokens) + plan.extra_ids + (len(BYTES) if settings.byte_fallback else 0)
    if plan.byte_level and plan.algorithm == "bpe":
        first = set(byte_signs())
    least = fixed + (1 if plan.algorithm in ("word", "character") else len(first) + len(inner))
    if plan.algorithm == "unigram":
        least += 1  # with no room for one piece more, the library's trainer doesn't stop, and keeps them all
    if settings.vocab_size >= least:
        return
    hangul = sum("가" <= one <= "힣" for one in first)
    what = (
        f"256 bytes and {fixed} special tokens"
        if plan.byte_level
        else f"{len(first):,} characters ({hangul:,} of them Hangul syllables)"
    )
    if inner:
        what += f", {len(inner):,} of them also inside words (##), and {fixed} special tokens"
    elif not plan.byte_level:
        what += f" and {fixed} special tokens"
    room = (settings.vocab_size - fixed) // (4 if inner else 2)  # half of what is there is left for longer pieces
    fewer = (
        ""
        if plan.byte_level or room < 50
        else f", or keep the most frequent characters alone with --limit-alphabet {room}"
    )
    raise SettingError(
        f"vocab_size={settings.vocab_size}: {plan.algorithm} needs a token for each of {what}, {least:,} in all, before it learns "
        f"anything. Give --vocab-size {least} or more (8000 to 32000 is usual){fewer}."
    )


def starts(settings: Learning) -> set[str]:
    """The characters that get a token whether they occur or not."""
    asked = settings.initial_alphabet
    if not asked:
        return set()
    found: set[str] = set()
    for one in asked.split(",") if isinstance(asked, str) and all(p in _SETS for p in asked.split(",")) else asked:
        if one == "hangul":
            found |= {chr(code) for code in range(0xAC00, 0xD7A4)}
        elif one == "ksx1001":  # the 2,350 syllables of the Korean standard, which nearly all modern text keeps to
            found |= {bytes([a, b]).decode("euc_kr") for a in range(0xB0, 0xC9) for b in range(0xA1, 0xFF)}
        elif one == "ascii":
            found |= {chr(code) for code in range(0x21, 0x7F)}
        else:
            found |= set(str(one))
    return found


def byte_signs() -> list[str]:
    from tokenizers import pre_tokenizers

    return sorted(pre_tokenizers.ByteLevel.alphabet())
