"""Blocks of a tokenizer by name → objects of the tokenizers library: normalizers, pre-tokenizers, decoders.

A block is a name (`nfc`, `byte_level`), or a name with its parameters as the library has them
(`{"split": {"pattern": {"regex": "\\\\d"}, "behavior": "isolated"}}`); several make a sequence, in order.

    built("pre_tokenizer", ["whitespace_split", {"digits": {"individual_digits": True}}])
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from byeori.data.wording import listed, nearest
from byeori.errors import SettingError

_ROOMS = {"normalizer": "normalizers", "pre_tokenizer": "pre_tokenizers", "decoder": "decoders"}
_BASES = ("Normalizer", "PreTokenizer", "Decoder", "DecodeStream", "Sequence", "NORMALIZERS")
_ALSO = {"BertNormalizer": "bert", "BertPreTokenizer": "bert", "BPEDecoder": "bpe", "WordPiece": "wordpiece"}
_NOTHING = (None, "", "none")

Block = tuple[str, dict[str, Any]]


def blocks(kind: str, value: Any) -> list[Block]:
    """What a person wrote as a list of (name, parameters). Raises SettingError for what is no block."""
    if value in _NOTHING:
        return []
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if isinstance(value, Mapping):
        value = [value]
    if not isinstance(value, (list, tuple)):
        raise SettingError(f"{kind}={value!r}: a name, or a list of names and of {{name: parameters}}, is needed.")
    found: list[Block] = []
    for one in value:
        if isinstance(one, str):
            found.append((_named(kind, one), {}))
        elif isinstance(one, Mapping) and len(one) == 1 and isinstance(next(iter(one.values())), (Mapping, type(None))):
            ((name, parameters),) = one.items()
            found.append((_named(kind, str(name)), dict(parameters or {})))
        elif isinstance(one, Mapping) and isinstance(one.get("type"), str):  # as tokenizer.json spells it
            found.append((_named(kind, one["type"]), {k: v for k, v in one.items() if k != "type"}))
        elif isinstance(one, (list, tuple)) and len(one) == 2 and isinstance(one[1], Mapping):
            found.append((_named(kind, str(one[0])), dict(one[1])))
        else:
            raise SettingError(f"{kind}: {one!r} is no block. Write its name, or name: {{parameter: value}}.")
    return found


def built(kind: str, value: Any) -> Any:
    """One object, or None for no block at all. Raises SettingError for an unknown block or parameter."""
    import tokenizers

    room = getattr(tokenizers, _ROOMS[kind])
    made = [_make(kind, name, parameters) for name, parameters in blocks(kind, value)]
    return None if not made else made[0] if len(made) == 1 else room.Sequence(made)


def plain(value: list[Block]) -> list[Any]:
    """Blocks as YAML has them: a name alone where there are no parameters."""
    return [{name: parameters} if parameters else name for name, parameters in value]


@cache
def known(kind: str) -> dict[str, str]:
    """name here → class in the library."""
    import tokenizers

    room = getattr(tokenizers, _ROOMS[kind])
    classes = [name for name in dir(room) if name[0].isupper() and name not in _BASES]
    return {_ALSO.get(name, snake(name)): name for name in classes}


def snake(name: str) -> str:
    """`WhitespaceSplit` → `whitespace_split`; `NFC` → `nfc`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _named(kind: str, name: str) -> str:
    names = known(kind)
    plain_name = snake(name).replace("-", "_").replace(" ", "_")
    for here, cls in names.items():
        if plain_name == here or name == cls or plain_name == snake(cls):
            return here
    close = nearest(plain_name, list(names))
    hint = f" Did you mean {close}?" if close else f" There are {listed(names, most=30)}."
    raise SettingError(f"{kind}: there is no block {name}.{hint}")


def _make(kind: str, name: str, parameters: dict[str, Any]) -> Any:
    import tokenizers

    cls = getattr(getattr(tokenizers, _ROOMS[kind]), known(kind)[name])
    try:
        return cls(**{key: _pattern(value) if key == "pattern" else value for key, value in parameters.items()})
    except (TypeError, ValueError) as error:
        takes = getattr(cls, "__text_signature__", None) or ""
        takes = takes.replace("(self, ", "(").replace("(self)", "()")
        said = " ".join(str(error).split())[:120]
        raise SettingError(
            f"{kind}: {name} can't be built of {parameters or 'nothing'} ({said}). It takes {takes}."
        ) from None
    except BaseException as error:  # the library panics on some values, and its panic is no Exception
        if isinstance(error, (KeyboardInterrupt, SystemExit, GeneratorExit)):
            raise
        raise SettingError(
            f"{kind}: {name} can't be built of {parameters} ({' '.join(str(error).split())[:120]})."
        ) from None


def _pattern(value: Any) -> Any:
    """A text to find as it is, or `{"regex": "…"}`."""
    from tokenizers import Regex

    if isinstance(value, Mapping) and len(value) == 1:
        ((how, text),) = value.items()
        if str(how).lower() == "regex":
            try:
                return Regex(str(text))
            except Exception as error:
                raise SettingError(f"regex {text!r}: {' '.join(str(error).split())[:160]}.") from None
        if str(how).lower() == "string":
            return str(text)
    return value
