"""A tokenizer → a folder that transformers loads: tokenizer.json, tokenizer_config.json, and the bare vocabulary files.

Invariants: the class named is the recipe's own only if a reload through it gives the same ids, for texts that show where
classes rebuild their parts (decomposed Hangul, runs of spaces, emoji, pairs); else it is PreTrainedTokenizerFast, which
takes tokenizer.json as it is. Either way the reload is compared before anybody gets the folder.

    write(folder, plan, backend, ["텍스트"]) == "PreTrainedTokenizerFast"
"""

from __future__ import annotations

import dataclasses
import json
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from byeori.errors import ModelError
from byeori.run import write_json, write_text
from byeori.text.components import plain
from byeori.text.recipes import ROLES
from byeori.text.tokenizer_settings import SECTIONS

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from byeori.text.recipes import Plan
    from byeori.text.tokenizer_settings import Learning

GENERAL = "PreTrainedTokenizerFast"
_PROBES = (
    "Hello, World! It's 3.14 — naïve café.", "안녕하세요, 반갑습니다. 한국어 형태소?", "  두  칸   띄어쓰기\t탭 ",
    "\U0001f44d\U0001f3fd 이모지\U0001f600 \U0001f468\u200d\U0001f469\u200d\U0001f467 ㅋㅋㅋ ㅠㅠ",
    unicodedata.normalize("NFD", "각설탕과 커피, résumé"), "漢字 かな \ufb01ne ＡＢＣ ①", "a\nb\r\nc\u200bd\u00a0e", "",
    "UPPER lower ÀÉ", "§¤\U00010348",
)  # fmt: skip


def wrapped(plan: Plan, backend: Tokenizer) -> Any:
    """The tokenizer as transformers has it, with its special tokens by role."""
    from transformers import PreTrainedTokenizerFast

    special: dict[str, Any] = {f"{role}_token": _added(plan, role, token) for role, token in plan.special.items()}
    more = [*plan.more, *plan.sentinels]
    if more:
        special["extra_special_tokens"] = more
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, model_input_names=plan.model_input_names, model_max_length=plan.max_length,
        clean_up_tokenization_spaces=False, **special,
    )  # fmt: skip


def _added(plan: Plan, role: str, token: str) -> Any:
    """A mask takes the space before it where pieces begin with theirs, as RoBERTa's does."""
    from tokenizers import AddedToken

    before = role == "mask" and plan.byte_level
    return AddedToken(token, lstrip=before, normalized=False, special=True) if before else token


def write(folder: Path, plan: Plan, backend: Tokenizer, texts: list[str]) -> str:
    """Fill an empty folder; returns the class that it names. Raises ModelError if a reload gives other ids."""
    texts = [*_PROBES, *texts[:200]]
    made = wrapped(plan, backend)
    made.save_pretrained(folder)
    config_file = folder / "tokenizer_config.json"
    general = {**json.loads(config_file.read_text(encoding="utf-8")), "tokenizer_class": GENERAL}
    general.pop("backend", None)
    _bare_files(folder, backend)
    kept = (folder / "tokenizer.json").read_text(encoding="utf-8")
    if plan.own:
        write_json(config_file, {**general, **plan.config, "tokenizer_class": plan.saved_as})
        if _reads_alike(folder, made, texts, plan.saved_as):
            return plan.saved_as
    write_text(folder / "tokenizer.json", kept)
    write_json(config_file, general)
    if not _reads_alike(folder, made, texts, ""):
        raise ModelError(
            f"{folder.name}: transformers reads the tokenizer otherwise than it was made, so it was not saved. Try fewer blocks of your "
            f"own, or another version of transformers."
        )
    return GENERAL


def _bare_files(folder: Path, backend: Tokenizer) -> None:
    """vocab.txt, or vocab.json and merges.txt, for whoever reads no tokenizer.json."""
    model = type(backend.model).__name__
    vocabulary = backend.get_vocab(with_added_tokens=False)
    ordered = sorted(vocabulary, key=vocabulary.__getitem__)
    if model == "WordPiece":
        write_text(folder / "vocab.txt", "".join(f"{token}\n" for token in ordered))
    elif model == "BPE":
        write_text(folder / "vocab.json", json.dumps({t: vocabulary[t] for t in ordered}, ensure_ascii=False))
        merges = json.loads(backend.to_str())["model"]["merges"]
        pairs = [one if isinstance(one, str) else " ".join(one) for one in merges]
        write_text(folder / "merges.txt", "".join(f"{line}\n" for line in ["#version: 0.2", *pairs]))


def _reads_alike(folder: Path, made: Any, texts: list[str], named: str) -> bool:
    """Whether a reload is of the class named and gives the same inputs, single and in pairs, special tokens included."""
    from transformers import AutoTokenizer

    try:
        again = AutoTokenizer.from_pretrained(str(folder))
        if named and type(again).__name__ != named:
            return False
        pairs = [list(one) for one in zip(*zip(texts, reversed(texts), strict=True), strict=True)]
        found, wanted = again(texts, verbose=False), made(texts, verbose=False)
        return (
            found.data == wanted.data
            and again(*pairs, verbose=False).data == made(*pairs, verbose=False).data
            and len(again) == len(made)
            and all(getattr(again, f"{role}_token_id") == getattr(made, f"{role}_token_id") for role in ROLES)
            and [again.decode(one) for one in found["input_ids"]] == [made.decode(one) for one in wanted["input_ids"]]
        )
    except (TypeError, ValueError, KeyError, AttributeError):
        if not named:
            raise
        return False  # the class takes none of this


def spelled(settings: Learning, plan: Plan, data: Any) -> str:
    """The settings with everything resolved, as YAML that repeats the training."""
    resolved = {
        "algorithm": plan.algorithm, "recipe": plan.recipe, "max_length": plan.max_length, "extra_ids": plan.extra_ids,
        "nfc": bool({"nfc", "nfkc"} & {name for name, _ in plan.normalizer}),
    }  # fmt: skip
    lines = ["# byeori tokenizer train THIS_FILE --output NEW_FOLDER repeats the training", ""]
    sources = list(data) if isinstance(data, (tuple, list)) else [data]
    named = all(isinstance(one, (str, Path)) and len(str(one)) <= 1000 for one in sources) and len(sources) <= 1000
    lines += _yaml({"data": [str(one) for one in sources]}) if named else ["# data: objects of Python"]
    for kind in SECTIONS:
        names = [one.name for one in dataclasses.fields(kind) if one.name != "overwrite"]
        values = {name: resolved.get(name, getattr(settings, name)) for name in names}
        lines += ["", f"# {kind.__doc__}", *_yaml({name: _plain(value) for name, value in values.items()})]
    found = {
        "normalizer": plain(plan.normalizer), "pre_tokenizer": plain(plan.pre_tokenizer), "decoder": plain(plan.decoder),
        "special_tokens": {**plan.special, "additional": plan.more}, "template": {"single": plan.single, "pair": plan.pair},
    }  # fmt: skip
    return "\n".join([*lines, "", "# What follows from these:", *(f"# {line}" for line in _yaml(found))]) + "\n"


def _yaml(value: dict[str, Any]) -> list[str]:
    import yaml

    return yaml.safe_dump(value, allow_unicode=True, sort_keys=False).splitlines()


def _plain(value: Any) -> Any:
    """What YAML can hold; an object is only named."""
    return value if isinstance(value, (str, int, float, list, dict, type(None))) else f"<{type(value).__name__}>"
