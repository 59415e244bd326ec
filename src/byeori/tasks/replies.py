"""What a call to go on with a text asks for, and what it gets: texts, conversations, token ids.

Invariants: a prompt comes back as it was given; the text after it is what the new tokens say behind the prompt's own.

    replies([[5, 9]], prompt=[7], given={"text": "Once"}, tokenizer=tokenizer, call=Call())      # [{"generated_text": "Once upon"}]
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from byeori.errors import DataError
from byeori.generate.decoding import Decoding
from byeori.settings import setting
from byeori.text.parts import WRITER, Messages

END = -1  # after each text among the generated ids


@dataclass(kw_only=True)
class Call(Decoding):
    """What a call asks for, beside how the tokens are decided."""

    return_full_text: bool | None = setting(None, "with the prompt in front, the default, or the new text alone")
    return_text: bool | None = setting(None, "text; what is returned anyway")
    return_tensors: bool | None = setting(None, "token ids, the prompt's and the new ones, instead of text")
    clean_up_tokenization_spaces: bool | None = setting(None, "no spaces before punctuation; the tokenizer's own way")
    skip_special_tokens: bool = setting(True, "leave special tokens out of the text")
    add_special_tokens: bool = setting(True, "put the tokenizer's special tokens in front of a prompt")
    continue_final_message: bool | None = setting(
        None, "go on with the last message instead of answering it; so it is done with one of the assistant's"
    )
    prefix: str | None = setting(None, "text put in front of each prompt, and not returned")
    handle_long_generation: str | None = setting(
        None, "hole: of a prompt that leaves no room only the end is read", choices=("hole",)
    )


def request(item: Any, place: int) -> dict[str, Any]:
    """One input of a call → a row by role. `place` is for messages. Raises DataError."""
    if isinstance(item, str):
        return {"text": item}
    if is_chat(item):
        return {"messages": list(item)}
    if isinstance(item, dict):
        role = next((role for role in ("messages", "prompt", "text") if item.get(role) is not None), None)
        if role is not None and (is_chat(item[role]) if role == "messages" else isinstance(item[role], str)):
            return {role: item[role]}
    raise DataError(
        f"input {place + 1} is {type(item).__name__} {str(item)[:60]!r}: a text, or a conversation of "
        f'{{"role": …, "content": …}}, is needed.'
    )


def is_chat(item: Any) -> bool:
    """A conversation: a list of {"role": …, "content": …}."""
    return (
        isinstance(item, list | tuple)
        and bool(item)
        and all(isinstance(one, dict) and isinstance(one.get("role"), str) and "content" in one for one in item)
    )


def said(row: dict[str, Any]) -> str:
    """The prompt of a row by role that is no conversation."""
    return row["prompt"] if row.get("prompt") is not None else row["text"]


def goes_on(messages: Messages, call: Call) -> bool:
    """Whether the last message is gone on with rather than answered."""
    asked = call.continue_final_message
    return messages[-1]["role"] == WRITER if asked is None else asked


def texts_of(ids: np.ndarray) -> list[list[int]]:
    """Generated ids, each text closed by END → those of each text."""
    return [part[:-1].tolist() for part in np.split(ids, np.flatnonzero(ids == END) + 1) if len(part)]


def replies(
    texts: list[list[int]], prompt: list[int], given: dict[str, Any], tokenizer: Any, call: Call
) -> list[dict[str, Any]]:
    """The answer to one input, a dict a text, as transformers' pipeline gives it. `given`: the input by role."""
    if call.return_tensors:
        return [{"generated_token_ids": prompt + new} for new in texts]
    found: list[dict[str, Any]] = []
    for new in texts:
        text = words(tokenizer, prompt, new, call)
        if call.return_full_text is False:
            found.append({"generated_text": text})
        elif given.get("messages") is not None:
            found.append({"generated_text": _answered(given["messages"], text, call)})
        else:
            found.append({"generated_text": said(given) + text})
    return found


def words(tokenizer: Any, prompt: list[int], new: list[int], call: Call) -> str:
    """The text of new tokens after their prompt.

    As transformers 4 made it, from both together: alone, a Llama's " Paris" loses its space (as in transformers 5).
    """
    options = {
        "skip_special_tokens": call.skip_special_tokens,
        "clean_up_tokenization_spaces": call.clean_up_tokenization_spaces,
    }
    before, whole = tokenizer.decode(prompt, **options), tokenizer.decode([*prompt, *new], **options)
    return whole[len(before) :] if whole.startswith(before) else tokenizer.decode(new, **options)


def own_decoding(model: Any, task: str) -> Decoding:
    """How the checkpoint itself says that it writes for a task (GPT-2 draws), without its lengths."""
    said_so = (getattr(model.config, "task_specific_params", None) or {}).get(task, {})
    known = {f.name for f in dataclasses.fields(Decoding)} - {"max_length", "min_length", "num_return_sequences"}
    return Decoding(**{name: value for name, value in said_so.items() if name in known})


def _answered(messages: Messages, text: str, call: Call) -> Messages:
    """The conversation with the assistant's turn, or with its last turn gone on with."""
    if goes_on(messages, call):
        return [*messages[:-1], {"role": messages[-1]["role"], "content": messages[-1]["content"] + text}]
    return [*messages, {"role": WRITER, "content": text}]
