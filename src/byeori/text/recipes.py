"""Recipes: the blocks, special tokens, template and class of known tokenizers, as full settings.

Cased by default: lower case in BERT's way strips accents, which takes Hangul apart. A recipe gives what the settings
leave open; the result says everything, so that a `settings.yaml` made of it repeats it without the recipe.

    plan = resolve(Learning(algorithm="wordpiece"), compose=True, hangul=True)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from byeori.data.wording import listed, nearest
from byeori.errors import SettingError
from byeori.text.components import Block, blocks
from byeori.text.tokenizer_settings import ALGORITHMS, Learning

ROLES = ("pad", "unk", "cls", "sep", "mask", "bos", "eos")
_SEGMENTS = ("input_ids", "token_type_ids", "attention_mask")
_PLAIN = ("input_ids", "attention_mask")
_CHARACTERS: list[Block] = [("metaspace", {"prepend_scheme": "never", "split": False}), ("fixed_length", {"length": 1})]


@dataclass(frozen=True)
class Recipe:
    """special: role → token, in the order of their ids. single, pair: the template, with roles in braces. saved_as: the
    class of transformers that has just these blocks, and what its configuration must say."""

    name: str
    algorithm: str
    also: tuple[str, ...]
    special: dict[str, str]
    single: str
    pair: str
    normalizer: list[Block]
    pre_tokenizer: list[Block]
    decoder: list[Block]
    saved_as: str
    config: dict[str, Any] = field(default_factory=dict)
    max_length: int = 512
    extra_ids: int = 0


_BERT = Recipe(
    name="bert",
    algorithm="wordpiece",
    also=("word", "character"),
    special={"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"},
    single="{cls} $A {sep}",
    pair="{cls} $A {sep} $B:1 {sep}:1",
    normalizer=[("bert", {"lowercase": False})],
    pre_tokenizer=[("bert", {})],
    decoder=[("wordpiece", {})],
    saved_as="BertTokenizer",
    config={"do_lower_case": False, "strip_accents": None, "tokenize_chinese_chars": True},
)
_ROBERTA = Recipe(
    name="roberta",
    algorithm="bpe",
    also=("word", "character"),
    special={
        "bos": "<s>",
        "pad": "<pad>",
        "eos": "</s>",
        "unk": "<unk>",
        "mask": "<mask>",
        "cls": "<s>",
        "sep": "</s>",
    },  # fmt: skip
    single="{cls} $A {sep}",
    pair="{cls} $A {sep} {sep} $B {sep}",
    normalizer=[],
    pre_tokenizer=[("byte_level", {"add_prefix_space": False})],
    decoder=[("byte_level", {})],
    saved_as="RobertaTokenizer",
    config={"add_prefix_space": False},
)
_GPT2 = Recipe(
    name="gpt2",
    algorithm="bpe",
    also=("word", "character"),
    special={"bos": "<|endoftext|>", "eos": "<|endoftext|>", "unk": "<|endoftext|>"},
    single="$A",
    pair="$A $B",
    normalizer=[],
    pre_tokenizer=[("byte_level", {"add_prefix_space": False})],
    decoder=[("byte_level", {})],
    saved_as="GPT2Tokenizer",
    config={"add_prefix_space": False},
    max_length=1024,
)
_T5 = Recipe(
    name="t5",
    algorithm="unigram",
    also=("bpe", "word", "character"),
    special={"pad": "<pad>", "eos": "</s>", "unk": "<unk>"},
    single="$A {eos}",
    pair="$A {eos} $B {eos}",
    normalizer=[],
    pre_tokenizer=[("whitespace_split", {}), ("metaspace", {"replacement": "▁", "prepend_scheme": "always"})],
    decoder=[("metaspace", {"replacement": "▁", "prepend_scheme": "always"})],
    saved_as="T5Tokenizer",
    extra_ids=100,
)
RECIPES = {one.name: one for one in (_BERT, replace(_BERT, name="electra"), _ROBERTA, _GPT2, _T5)}
_OF_ALGORITHM = {"wordpiece": "bert", "bpe": "gpt2", "unigram": "t5", "word": "bert", "character": "bert"}


@dataclass
class Plan:
    """A tokenizer, spelled out. own: whether blocks and template are the recipe's, so that its class may fit."""

    recipe: str
    algorithm: str
    normalizer: list[Block]
    pre_tokenizer: list[Block]
    decoder: list[Block]
    special: dict[str, str]
    more: list[str]
    single: str
    pair: str
    model_input_names: list[str]
    max_length: int
    extra_ids: int
    own: bool
    saved_as: str
    config: dict[str, Any]
    notes: list[str] = field(default_factory=list)

    @property
    def byte_level(self) -> bool:
        """Whether pieces are made of bytes, of which none is unknown."""
        return any(name == "byte_level" for name, _ in self.pre_tokenizer)

    @property
    def tokens(self) -> list[str]:
        """The special tokens in the order of their ids, the sentinels at the end left out."""
        return list(dict.fromkeys([*self.special.values(), *self.more]))

    @property
    def sentinels(self) -> list[str]:
        """T5's, in the order of their ids: the last number first."""
        return [f"<extra_id_{number}>" for number in reversed(range(self.extra_ids))]


def choose(settings: Learning) -> tuple[Recipe, str]:
    """Recipe and algorithm; each follows from the other. Raises SettingError where they don't go together."""
    name = settings.recipe or _OF_ALGORITHM.get(settings.algorithm or "")
    if name is None:
        raise SettingError(
            f"neither an algorithm nor a recipe is named. Give --algorithm {', '.join(ALGORITHMS)}, or --recipe "
            f"{', '.join(RECIPES)}."
        )
    recipe = RECIPES.get(name.lower())
    if recipe is None:
        close = nearest(name, list(RECIPES))
        hint = f"Did you mean {close}?" if close else f"There are {listed(RECIPES)}; or spell the blocks out in YAML."
        raise SettingError(f"recipe={name!r}: there is no such recipe. {hint}")
    algorithm = settings.algorithm or recipe.algorithm
    if algorithm not in (recipe.algorithm, *recipe.also) and settings.pre_tokenizer is None:
        fits = next(one for one in RECIPES.values() if algorithm in (one.algorithm, *one.also))
        raise SettingError(
            f"recipe={name!r} is made for {listed((recipe.algorithm, *recipe.also), 'or')}, not for {algorithm}. Give --recipe "
            f"{fits.name}, leave --recipe out, or spell out --pre-tokenizer, which {algorithm} then takes as it is."
        )
    return recipe, algorithm


def resolve(settings: Learning, *, compose: bool, hangul: bool) -> Plan:
    """Settings and recipe together. compose: whether texts gain by NFC; hangul: whether they hold Hangul.

    Raises SettingError for an unknown recipe, block or role, a template of unknown tokens, and blocks that destroy Hangul.
    """
    recipe, algorithm = choose(settings)
    notes: list[str] = []
    special, more = _special(settings.special_tokens, recipe)
    normalizer = _normalizer(settings, recipe, compose, hangul, notes)
    pre_tokenizer, decoder = recipe.pre_tokenizer, recipe.decoder
    if algorithm == "character":
        pre_tokenizer, decoder = _CHARACTERS, [("metaspace", {"prepend_scheme": "never"})]
    elif algorithm == "word" and decoder and decoder[0][0] == "wordpiece":
        decoder = []
    if settings.pre_tokenizer is not None:
        pre_tokenizer = blocks("pre_tokenizer", settings.pre_tokenizer)
        decoder = _decoder_of(pre_tokenizer, algorithm)
    if settings.decoder is not None:
        decoder = blocks("decoder", settings.decoder)
    if settings.byte_fallback:
        decoder = [("byte_fallback", {}), *decoder, ("fuse", {})]
    single, pair = _template(settings.template, recipe, special)
    extra = recipe.extra_ids if settings.extra_ids is None else settings.extra_ids
    own = (
        settings.pre_tokenizer is None and settings.normalizer is None and settings.template is None
        and settings.decoder is None and algorithm == recipe.algorithm and not settings.byte_fallback
    )  # fmt: skip
    config = dict(recipe.config)
    if "do_lower_case" in config and settings.lower:
        config |= {"do_lower_case": True, "strip_accents": False if hangul else None}
    if recipe.extra_ids:
        config["extra_ids"] = extra
    names = _SEGMENTS if ":1" in pair else _PLAIN
    return Plan(
        recipe.name, algorithm, normalizer, pre_tokenizer, decoder, special, more, single, pair, list(names),
        settings.max_length or recipe.max_length, extra, own, recipe.saved_as, config, notes,
    )  # fmt: skip


def _normalizer(settings: Learning, recipe: Recipe, compose: bool, hangul: bool, notes: list[str]) -> list[Block]:
    found = recipe.normalizer if settings.normalizer is None else blocks("normalizer", settings.normalizer)
    found = [(name, dict(parameters)) for name, parameters in found]
    names = [name for name, _ in found]
    if settings.lower:
        if "bert" in names:
            # BERT strips accents with lower case unless told not to, and that takes Hangul apart.
            found[names.index("bert")][1].update({"lowercase": True} | ({"strip_accents": False} if hangul else {}))
        elif "lowercase" not in names:
            found.append(("lowercase", {}))
    wanted = compose if settings.nfc is None else settings.nfc
    if wanted and not {"nfc", "nfkc"} & set(names):
        found.insert(0, ("nfc", {}))
    return found


def _decoder_of(pre_tokenizer: list[Block], algorithm: str) -> list[Block]:
    """The decoder that undoes what the pre-tokenizer did."""
    for name, parameters in pre_tokenizer:
        if name == "byte_level":
            return [("byte_level", {})]
        if name == "metaspace":
            return [("metaspace", {key: value for key, value in parameters.items() if key != "split"})]
    return [("wordpiece", {})] if algorithm == "wordpiece" else []


def _special(value: Any, recipe: Recipe) -> tuple[dict[str, str], list[str]]:
    """role → token, and further tokens."""
    special, more = dict(recipe.special), []
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if isinstance(value, Mapping):
        entries = [(str(key), one) for key, one in value.items()]
    elif isinstance(value, (list, tuple)) or value is None:
        entries = []
        for one in value or ():
            role, is_role, token = str(one).partition("=")
            entries.append((role, token) if is_role and role in ROLES else ("additional", [str(one)]))
    else:
        raise SettingError(f"special_tokens={value!r}: roles with their tokens, or a list of tokens, is needed.")
    for role, token in entries:
        role = role.removesuffix("_token")
        if role in ("additional", "additional_special_tokens", "more"):
            more += [str(one) for one in ([token] if isinstance(token, str) else token or [])]
        elif role not in ROLES:
            close = nearest(role, [*ROLES, "additional"])
            hint = f" Did you mean {close}?" if close else ""
            raise SettingError(
                f"special_tokens: there is no role {role}.{hint} There are {listed([*ROLES, 'additional'])}."
            )
        elif token in (None, ""):
            special.pop(role, None)
        else:
            special[role] = str(token)
    return special, more


def _template(value: Any, recipe: Recipe, special: dict[str, str]) -> tuple[str, str]:
    """(single, pair), as the library writes them."""
    single, pair = recipe.single, recipe.pair
    if isinstance(value, str) and value.strip() not in ("", "none"):
        single = value
        pair = f"{value} {value.replace('$A', '$B')}"
    elif isinstance(value, str):
        single, pair = "$A", "$A $B"
    elif isinstance(value, Mapping):
        if unknown := set(map(str, value)) - {"single", "pair"}:
            raise SettingError(f"template: there is no {listed(unknown)}. It has single and pair.")
        single = str(value.get("single") or "$A")
        pair = str(value.get("pair") or f"{single} {single.replace('$A', '$B')}")
    elif value is not None:
        raise SettingError(f'template={value!r}: "[CLS] $A [SEP]", or single and pair of that kind, is needed.')
    try:
        if value is None:
            single, pair = single.format(**special), pair.format(**special)
    except KeyError as error:
        raise SettingError(
            f"special_tokens: the template of {recipe.name} needs a {error.args[0]} token. Name one, or give a --template without it."
        ) from None
    return single, pair
