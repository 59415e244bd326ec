"""The contract between model, tokenizer and the user's own texts: what is broken of it, one sentence and one fix each.

Three levels. stop: training or predicting with these two is an error. look: it runs, and not as people think. note: what
is done about it here, and what plain transformers would do instead; `byeori inspect` shows it, a training doesn't.

Invariants: nothing is changed, only read; only what can be known is said: a tokenizer of another checkpoint with the same
number of tokens and no unknown word can't be told from the right one, unless the right one lies beside the model.

    for one in contract(model, tokenizer, ["번역이 어색하다."], "klue/roberta-base"): print(one.level, one)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from byeori.models import agreement, bare
from byeori.models.checks import usable_length
from byeori.models.legible import reading, unfit, words_of

STOP, LOOK, NOTE = "stop", "look", "note"
LONG = 20_000  # characters of a text that are looked at
CASED = "Éa가"  # as it is where nothing is lower-cased or taken apart
LIMIT = 0.5  # of words that a tokenizer doesn't know
SPARE = 1_024  # tokens that a tokenizer may have beyond what it gave for these texts
WIDE = 1.1  # an embedding this many times the tokenizer's size, and SPARE rows more, is of another tokenizer
NO_LIMIT = 10**9  # what `model_max_length` says where nothing is known: 1e30
UNREACHABLE = 0.1  # of a vocabulary's pieces
ROLES = ("pad", "unk", "cls", "sep", "mask", "bos", "eos")


@dataclass(frozen=True)
class Breach:
    """One way in which the three don't fit."""

    kind: str
    level: str
    said: str
    fix: str

    def __str__(self) -> str:
        return f"{self.said} {self.fix}".strip()

    @property
    def data(self) -> dict[str, str]:
        return asdict(self)


def contract(model: Any, tokenizer: Any, texts: Sequence[str], source: str = "") -> list[Breach]:
    """All that is found, what stops first. `source`: the model's folder or Hub id, as the user named it."""
    texts = [text[:LONG] for text in texts if isinstance(text, str) and text[:LONG].strip()]
    unread = list(_unread(tokenizer, texts))
    found = [
        *unread,
        *_embedding(model, tokenizer, texts),
        *([] if unread else _unknown(tokenizer, texts)),
        *_special(model, tokenizer),
        *_segments(model, tokenizer),
        *_positions(model, tokenizer),
        *([] if unread else _letters(tokenizer, texts)),
        *_files(tokenizer, texts),
        *_another(model, tokenizer, source),
    ]
    return sorted(found, key=lambda one: (STOP, LOOK, NOTE).index(one.level))


# words ----------------------------------------------------------------------------------------------------------------


def lost(tokenizer: Any, texts: Sequence[str]) -> tuple[int, int, list[str]]:
    """(words of which most is unknown, words, the first of them): words stand between spaces, the first 2,000 are tried.

    Of a word most is unknown where at least half of its tokens are, a space's own piece left out, or there are none.
    """
    words = words_of(texts)
    distinct = list(dict.fromkeys(words))
    ids = tokenizer(distinct, add_special_tokens=False, verbose=False)["input_ids"] if distinct else []
    unk, space = tokenizer.unk_token_id, tokenizer.convert_tokens_to_ids("▁")
    bad = set()
    for word, own in zip(distinct, ids, strict=True):
        counted = [one for one in own if one != space or one == unk]
        if not counted or (unk is not None and 2 * sum(one == unk for one in counted) >= len(counted)):
            bad.add(word)
    return sum(word in bad for word in words), len(words), [word for word in distinct if word in bad][:5]


def _unread(tokenizer: Any, texts: Sequence[str]) -> Iterator[Breach]:
    """Korean words: their own reasons are known."""
    said = reading(tokenizer, texts)
    if said is None:
        return
    if said.silent:
        yield Breach("unknown_tokens", STOP, said.found, said.fix)
        return
    bad, of, _ = lost(tokenizer, texts)
    yield Breach("unknown_tokens", STOP if bad > LIMIT * of else LOOK, said.found, said.fix)


def _unknown(tokenizer: Any, texts: Sequence[str]) -> Iterator[Breach]:
    bad, of, some = lost(tokenizer, texts)
    if bad <= LIMIT * of:
        return
    if all(not tokenizer(word, add_special_tokens=False, verbose=False)["input_ids"] for word in some):
        found, fix = unfit(tokenizer, next(text for text in texts if some[0] in text))
        yield Breach("unknown_tokens", STOP, found, fix)
        return
    yield Breach(
        "unknown_tokens", STOP,
        f"{bad:,} of {of:,} words are unknown to the tokenizer ({type(tokenizer).__name__}; {', '.join(some)}): it was made for another "
        f"language, and the model would see next to nothing.",
        "Take a model of the texts' language, or a multilingual one.",
    )  # fmt: skip


def _letters(tokenizer: Any, texts: Sequence[str]) -> Iterator[Breach]:
    """Lower case where the vocabulary has upper case, and Hangul spelled in jamo (자모)."""
    normalizer = getattr(getattr(tokenizer, "backend_tokenizer", None), "normalizer", None)
    if normalizer is None or _plain(normalizer.normalize_str(CASED)) == CASED:
        return
    special = set(tokenizer.all_special_tokens)
    ids = range(0, len(tokenizer), max(1, len(tokenizer) // 2_000))
    names = [name for name in tokenizer.convert_ids_to_tokens(list(ids)) if name and name not in special]
    tried = [name for name in names if not name.startswith(("[", "<", "Ġ"))]
    bodies = [one.removeprefix("##").replace("▁", "").removesuffix("</w>") for one in tried]
    gone = [body for body in bodies if body and _plain(normalizer.normalize_str(body)) != body]
    if len(gone) > UNREACHABLE * len(bodies):
        some = ([body for body in gone if len(body) > 3] or gone)[:3]
        cure = '"keep_accents": true' if hasattr(tokenizer, "keep_accents") else '"do_lower_case": false'
        yield Breach(
            "letters", LOOK,
            f"{len(gone) / len(bodies):.0%} of the tokenizer's pieces ({', '.join(some)}…) can never come out of it: it "
            f"lower-cases or strips accents first, and its vocabulary is cased.",
            f"Set {cure} in its tokenizer_config.json.",
        )  # fmt: skip
        return
    korean = [word for word in words_of(texts) if "가" <= word[0] <= "힣"][:200]
    if korean and normalizer.normalize_str("가") != "가":
        each = sum(map(len, tokenizer(korean, add_special_tokens=False, verbose=False)["input_ids"])) / len(korean)
        yield Breach(
            "letters", NOTE,
            f"The tokenizer spells Hangul in jamo (자모), {each:.1f} tokens a Korean word: it knows the letters, and its model was hardly "
            f"trained on them.",
            "Take a Korean or a multilingual model where the texts are Korean.",
        )  # fmt: skip


def _plain(text: str) -> str:
    return text.replace("▁", "").strip()


# ids ------------------------------------------------------------------------------------------------------------------


def _embedding(model: Any, tokenizer: Any, texts: Sequence[str]) -> Iterator[Breach]:
    if model is None:
        return
    size = model.get_input_embeddings().num_embeddings
    found = tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"] if texts else []
    largest = max((one for ids in found for one in ids), default=0)
    largest = max([largest, *tokenizer.all_special_ids])
    # The vocabulary's own size too: an id that no sample has would break in the middle of training.
    if largest >= size or len(tokenizer) > size + SPARE:
        yield Breach(
            "embedding", STOP,
            f"the tokenizer has {len(tokenizer):,} tokens (id {max(largest, len(tokenizer) - 1):,} occurs), the model embeds {size:,}: "
            f"they don't belong together.",
            "Give --tokenizer of the checkpoint the model was trained with.",
        )  # fmt: skip
    elif len(tokenizer) > size:
        yield Breach(
            "embedding", NOTE,
            f"The tokenizer has {len(tokenizer):,} tokens, the model embeds {size:,}; none of the last {len(tokenizer) - size:,} occurs "
            f"in these texts, and a text that has one is refused.",
            "Resize the embedding if you added tokens.",
        )  # fmt: skip
    elif size > WIDE * len(tokenizer) + SPARE:
        yield Breach(
            "embedding", LOOK,
            f"The model embeds {size:,} tokens, the tokenizer has {len(tokenizer):,}: it may be that of another checkpoint.",
            "Give --tokenizer of the checkpoint the model was trained with, unless you know that it is this one.",
        )  # fmt: skip


def _special(model: Any, tokenizer: Any) -> Iterator[Breach]:
    own = {role: getattr(tokenizer, f"{role}_token", None) for role in ROLES}
    numbers = {token: tokenizer.convert_tokens_to_ids(token) for token in own.values() if token is not None}
    absent = [one for one, n in numbers.items() if n is None or (n == tokenizer.unk_token_id and one != own["unk"])]
    if absent:
        yield Breach(
            "special_tokens", LOOK,
            f"The tokenizer names {', '.join(absent)} as special, and its vocabulary has no such token: it stands for the "
            f"unknown one.",
            "Name what the vocabulary has in tokenizer_config.json.",
        )  # fmt: skip
    writes = model is not None and _writes(model)
    encoder = model is not None and not writes and not model.config.is_encoder_decoder
    if encoder and _class(model).endswith("ForMaskedLM") and own["mask"] is None:
        yield Breach(
            "special_tokens", STOP,
            f"the tokenizer ({type(tokenizer).__name__}) has no mask token, so nothing can be hidden.",
            "Name it in tokenizer_config.json (\"mask_token\"), or take the checkpoint's own tokenizer.",
        )  # fmt: skip
    around = tokenizer("a", verbose=False)["input_ids"]
    if encoder and own["cls"] is not None and tokenizer.cls_token_id not in around:
        yield Breach(
            "special_tokens", LOOK,
            f"The tokenizer has {own['cls']} and puts it around no text: a head that reads the first token reads the text's first word, "
            f"which is not what the checkpoint was trained on.",
            "Give it a template (post_processor) in tokenizer.json, or take the checkpoint's own tokenizer.",
        )  # fmt: skip
    if own["unk"] is not None and own["unk"] in (own["cls"], own["sep"], own["mask"]):
        twin = next(role for role in ("cls", "sep", "mask") if own[role] == own["unk"])
        yield Breach(
            "special_tokens", LOOK,
            f"{own['unk']} is both the unknown and the {twin} token: what the tokenizer doesn't know looks like a mark.",
            "Name the right ones in tokenizer_config.json.",
        )  # fmt: skip
    if writes and own["eos"] is None:
        yield Breach(
            "special_tokens", NOTE,
            "The tokenizer has no end token, so a model trained on its texts never learns to stop; it writes as long as it may.",
            "Limit it with max_new_tokens, or name an \"eos_token\" in tokenizer_config.json.",
        )  # fmt: skip
    if own["pad"] is not None and own["pad"] == own["eos"] and model is not None and (writes or not encoder):
        yield Breach(
            "special_tokens", NOTE,
            f"{own['pad']} is both the padding and the end: collators that leave the loss of padding out take the end along, and the "
            f"model never learns to stop. Batches here have no padding, so the end is learnt.",
            "",
        )  # fmt: skip
    if model is not None:
        yield from _numbered(model, tokenizer, own, writes)


def _numbered(model: Any, tokenizer: Any, own: dict[str, Any], writes: bool) -> Iterator[Breach]:
    """Special tokens whose numbers are others in the model's config."""
    config = model.config
    pad = getattr(config, "pad_token_id", None)
    if isinstance(pad, int) and tokenizer.pad_token_id is not None and pad != tokenizer.pad_token_id:
        there = tokenizer.convert_ids_to_tokens(pad) if 0 <= pad < len(tokenizer) else None
        yield Breach(
            "special_tokens", LOOK,
            f"The tokenizer's padding is {own['pad']} (id {tokenizer.pad_token_id}), the model's config says id {pad} ({there}): "
            f"they are of different checkpoints, or one was changed.",
            f'Give --tokenizer of the checkpoint, or set "pad_token_id": {tokenizer.pad_token_id} in config.json.',
        )  # fmt: skip
    if not (writes or config.is_encoder_decoder) or tokenizer.eos_token_id is None:
        return
    given = [getattr(one, "eos_token_id", None) for one in (config, getattr(model, "generation_config", None))]
    ends = {end for one in given if one is not None for end in (one if isinstance(one, list | tuple) else [one])}
    if ends and tokenizer.eos_token_id not in ends:
        yield Breach(
            "special_tokens", LOOK,
            f"The tokenizer ends texts with {own['eos']} (id {tokenizer.eos_token_id}), the model stops writing at id "
            f"{', '.join(map(str, sorted(ends)))}: what it is taught to write would not end.",
            f'Set "eos_token_id": {tokenizer.eos_token_id} in config.json and generation_config.json, or give its own tokenizer.',
        )  # fmt: skip


def _class(model: Any) -> str:
    """The name of its class; of an outline, that of the model that would be built."""
    return str(getattr(model, "class_name", None) or type(model).__name__)


def _writes(model: Any) -> bool:
    """Whether it is a decoder; of a body alone, whether its checkpoint was."""
    name = _class(model)
    names = [name, *(getattr(model.config, "architectures", None) or [] if name.endswith("Model") else [])]
    return any(one.endswith(("ForCausalLM", "LMHeadModel")) for one in names)


def _segments(model: Any, tokenizer: Any) -> Iterator[Breach]:
    if model is None or "token_type_ids" not in tokenizer.model_input_names:
        return
    kinds = getattr(model.config, "type_vocab_size", None)
    sent = tokenizer("a", "b", return_token_type_ids=True, verbose=False)["token_type_ids"]
    if kinds is not None and max(sent, default=0) >= kinds > 1:
        yield Breach(
            "segments", STOP,
            f"the tokenizer numbers the segments of a pair up to {max(sent)}, the model has embeddings for {kinds}.",
            "Give --tokenizer of the checkpoint the model was trained with.",
        )  # fmt: skip
    elif not kinds or kinds == 1:
        crash = "ignores them" if not kinds else "fails on pairs"
        yield Breach(
            "segments", NOTE,
            f"The tokenizer sends segment ids that the model has no embeddings for; they are left out here, plain transformers {crash}.",
            'Set "model_input_names": ["input_ids", "attention_mask"] in tokenizer_config.json for use elsewhere.',
        )  # fmt: skip


def _positions(model: Any, tokenizer: Any) -> Iterator[Breach]:
    takes = usable_length(model, tokenizer)
    stated = tokenizer.model_max_length
    if takes is not None and takes <= tokenizer.num_special_tokens_to_add(pair=False):
        yield Breach(
            "positions", STOP,
            f"model and tokenizer take {takes} tokens at most, which is no more than the special tokens around a text.",
            'Correct "model_max_length" in tokenizer_config.json, or "max_position_embeddings" in config.json.',
        )  # fmt: skip
    if model is None or takes is None:
        return
    table = getattr(model.config, "max_position_embeddings", None)
    if not isinstance(stated, int | float) or stated >= NO_LIMIT:
        yield Breach(
            "positions", NOTE,
            f"The tokenizer states no limit (model_max_length {stated:.0e}), the model takes {takes:,} tokens: texts are cut there, where "
            f"plain transformers fails on the next one.",
            f'Set "model_max_length": {takes} in tokenizer_config.json for use elsewhere.',
        )  # fmt: skip
    elif stated > takes:
        first = (
            ""
            if table is None or takes == table
            else f" (of {table:,} positions, the first of which stand for padding)"
        )
        yield Breach(
            "positions", NOTE,
            f"The tokenizer says {stated:,} tokens, the model takes {takes:,}{first}: texts are cut there.",
            f'Set "model_max_length": {takes} in tokenizer_config.json for use elsewhere.',
        )  # fmt: skip
    elif isinstance(table, int) and stated < table - 2:
        yield Breach(
            "positions", NOTE,
            f"The tokenizer says {stated:,} tokens, the model has {table:,} positions: texts are cut at {takes:,}.",
            'Raise "model_max_length" in tokenizer_config.json if the checkpoint was trained on longer ones.',
        )  # fmt: skip


# files ----------------------------------------------------------------------------------------------------------------


def _files(tokenizer: Any, texts: Sequence[str]) -> Iterator[Breach]:
    """A tokenizer of bare files, and one whose files say different things."""
    place = str(getattr(tokenizer, "name_or_path", "") or "")
    if (told := bare.described(place)) is not None:
        yield Breach("bare", LOOK, told, 'Say it: "do_lower_case" in a tokenizer_config.json beside it.')
    for said in agreement.differences(tokenizer, place, texts):
        yield Breach(
            "files", LOOK, said, "Take all of them from the checkpoint again, or delete the one that is not its own."
        )


def _another(model: Any, tokenizer: Any, source: str) -> Iterator[Breach]:
    """A tokenizer of another checkpoint: by the class that the config names, and by the tokenizer that lies beside the model."""
    if model is None:
        return
    named = str(getattr(model.config, "tokenizer_class", None) or "").removesuffix("Fast")
    kind = type(tokenizer).__name__.removesuffix("Fast")
    if named and kind not in (named, "PreTrainedTokenizer", "TokenizersBackend"):
        yield Breach(
            "another_checkpoint", LOOK,
            f"The model's config names {named}, the tokenizer is a {kind}: it may be that of another checkpoint.",
            "Give --tokenizer of the checkpoint the model was trained with.",
        )  # fmt: skip
    share = agreement.renumbered(tokenizer, source)
    if share:
        yield Breach(
            "another_checkpoint", LOOK,
            f"{share:.0%} of the tokens have other ids in the tokenizer that lies beside the model ({source}): the model would read other "
            f"words than the texts have.",
            "Leave --tokenizer out, or train the embedding anew on purpose.",
        )  # fmt: skip
