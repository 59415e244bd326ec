"""A tokenizer of a `tokenizer.json` alone: what Byeori asks of a fast tokenizer, by the tokenizers library, without transformers.

Invariants: ids, decoded texts and rendered conversations are those of the transformers tokenizer that was written beside an export
(`saved` says what of it isn't in tokenizer.json); neither torch nor transformers is imported.

    tokenizer = PlainTokenizer.read(Path("exported")); tokenizer("서울")["input_ids"]
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from byeori.errors import ModelError

FILE, SAID = "tokenizer.json", "byeori_tokenizer.json"
ROLES = ("bos", "eos", "unk", "sep", "pad", "cls", "mask")
CLEANED = (
    (" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"), (" 'm", "'m"), (" 's", "'s"), (" 've", "'ve"),
    (" 're", "'re"),
)  # fmt: skip


def saved(tokenizer: Any) -> dict[str, Any]:
    """What of a transformers tokenizer its tokenizer.json doesn't say; JSON-ready."""
    languages = {name: getattr(tokenizer, name, None) for name in ("source_lang", "target_lang")}
    return {
        "class": type(tokenizer).__name__,
        "special": {role: getattr(tokenizer, f"{role}_token", None) for role in ROLES},
        "all_special_tokens": list(tokenizer.all_special_tokens),
        "model_max_length": min(int(tokenizer.model_max_length), 10**9),
        "model_input_names": list(tokenizer.model_input_names),
        "padding_side": tokenizer.padding_side,
        "clean_up_tokenization_spaces": bool(tokenizer.clean_up_tokenization_spaces),
        "chat_template": tokenizer.chat_template,
        **{name: value for name, value in languages.items() if isinstance(value, str)},
    }


class PlainTokenizer:
    """`said` is what `saved` gave. Texts are encoded by `backend_tokenizer`, a tokenizers.Tokenizer."""

    is_fast = True

    def __init__(self, backend: Any, said: dict[str, Any]):
        self.backend_tokenizer = backend
        backend.no_padding()
        backend.no_truncation()
        self.name = said["class"]
        self.init_kwargs: dict[str, Any] = {}
        for role in ROLES:
            token = said["special"].get(role)
            setattr(self, f"{role}_token", token)
            setattr(self, f"{role}_token_id", None if token is None else backend.token_to_id(token))
        self.all_special_tokens: list[str] = said["all_special_tokens"]
        self.all_special_ids = [backend.token_to_id(token) for token in self.all_special_tokens]
        self.model_max_length: int = said["model_max_length"]
        self.model_input_names: list[str] = said["model_input_names"]
        self.padding_side, self.truncation_side = said["padding_side"], "right"
        self.clean_up_tokenization_spaces: bool = said["clean_up_tokenization_spaces"]
        self.chat_template: str | None = said["chat_template"]
        for name in ("source_lang", "target_lang"):
            if name in said:
                setattr(self, name, said[name])

    @classmethod
    def read(cls, folder: Path) -> PlainTokenizer:
        """That of an exported folder. Raises ModelError where a file is missing or damaged."""
        from tokenizers import Tokenizer

        from byeori.run import read_json

        said = read_json(folder / SAID)
        if not (folder / FILE).is_file():
            raise ModelError(f"{folder}: there is no {FILE} in it; the export isn't whole. Export the model again.")
        try:
            return cls(Tokenizer.from_file(str(folder / FILE)), said)
        except Exception as error:  # tokenizers raises plain Exception
            raise ModelError(
                f"{folder / FILE}: it can't be read ({' '.join(str(error).split())[:160]}). Export the model again."
            ) from error

    def __len__(self) -> int:
        return int(self.backend_tokenizer.get_vocab_size(with_added_tokens=True))

    def get_vocab(self) -> dict[str, int]:
        found: dict[str, int] = self.backend_tokenizer.get_vocab(with_added_tokens=True)
        return found

    def get_added_vocab(self) -> dict[str, int]:
        return {token.content: number for number, token in self.backend_tokenizer.get_added_tokens_decoder().items()}

    def __call__(
        self,
        text: Any = None,
        text_pair: Any = None,
        *,
        text_target: Any = None,
        add_special_tokens: bool = True,
        truncation: bool = False,
        max_length: int | None = None,
        **options: Any,
    ) -> dict[str, Any]:
        """{"input_ids", "token_type_ids"} of a text (or pair, or list of them), cut from the right if asked.

        `options` that say what is returned are taken and change nothing.
        """
        given = text if text_target is None else text_target
        single = isinstance(given, str)
        pairs = [None] * len(given) if text_pair is None else [text_pair] if single else text_pair
        both = [
            one if pair is None else (one, pair)
            for one, pair in zip(
                [given] if single else given, pairs if text_pair is not None or not single else [None], strict=True
            )
        ]
        if truncation and max_length is not None:
            self.backend_tokenizer.enable_truncation(max_length)
        try:
            found = self.backend_tokenizer.encode_batch(both, add_special_tokens=add_special_tokens)
        finally:
            self.backend_tokenizer.no_truncation()
        ids, types = [one.ids for one in found], [one.type_ids for one in found]
        return (
            {"input_ids": ids[0], "token_type_ids": types[0]} if single else {"input_ids": ids, "token_type_ids": types}
        )

    def decode(
        self, ids: Any, skip_special_tokens: bool = False, clean_up_tokenization_spaces: bool | None = None
    ) -> str:
        """The text of some ids, as transformers makes it."""
        text: str = self.backend_tokenizer.decode([int(one) for one in ids], skip_special_tokens=skip_special_tokens)
        clean = clean_up_tokenization_spaces
        if (self.clean_up_tokenization_spaces if clean is None else clean) and not self._is_bpe:
            for spaced, plain in CLEANED:
                text = text.replace(spaced, plain)
        return text

    @property
    def _is_bpe(self) -> bool:
        return type(self.backend_tokenizer.model).__name__ == "BPE"

    def convert_ids_to_tokens(self, ids: Any) -> Any:
        if isinstance(ids, list | tuple):
            return [self.backend_tokenizer.id_to_token(int(one)) for one in ids]
        return self.backend_tokenizer.id_to_token(int(ids))

    def convert_tokens_to_ids(self, tokens: Any) -> Any:
        if isinstance(tokens, str):
            return self.backend_tokenizer.token_to_id(tokens)
        return [self.backend_tokenizer.token_to_id(one) for one in tokens]

    def convert_tokens_to_string(self, tokens: list[str]) -> str:
        decoder = self.backend_tokenizer.decoder
        return decoder.decode(tokens) if decoder is not None else " ".join(tokens)

    def num_special_tokens_to_add(self, pair: bool = False) -> int:
        return int(self.backend_tokenizer.num_special_tokens_to_add(pair))

    def apply_chat_template(
        self,
        messages: list[dict[str, str]],
        *,
        tokenize: bool = False,
        add_generation_prompt: bool = False,
        continue_final_message: bool = False,
    ) -> str:
        """The text of a conversation. Raises what the template raises, ValueError where its last turn can't be left open."""
        from jinja2.ext import loopcontrols
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        def refuse(message: str) -> None:
            from jinja2 import TemplateError

            raise TemplateError(message)

        def tojson(value: Any, indent: int | None = None, **_: Any) -> str:
            return json.dumps(value, ensure_ascii=False, indent=indent)

        def now(form: str) -> str:
            from datetime import datetime

            return datetime.now().strftime(form)

        room = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
        room.filters["tojson"] = tojson
        room.globals |= {"raise_exception": refuse, "strftime_now": now}
        special = {f"{role}_token": token for role in ROLES if (token := getattr(self, f"{role}_token")) is not None}
        assert self.chat_template is not None
        text = room.from_string(self.chat_template).render(
            messages=messages, tools=None, documents=None, add_generation_prompt=add_generation_prompt, **special
        )
        if not continue_final_message:
            return text
        last = messages[-1]["content"].strip()
        if last not in text:
            raise ValueError("the template doesn't write the last message as it is, so nothing can go on with it")
        end = text.rindex(last) + len(last)
        return text[:end] + (
            messages[-1]["content"][len(messages[-1]["content"].rstrip()) :] if text[end:].startswith(" ") else ""
        )
