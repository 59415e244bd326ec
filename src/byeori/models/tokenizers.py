"""A checkpoint's tokenizer, without its model: no modelling code of transformers is imported for it.

tokenizer = load_tokenizer("klue/roberta-base", "klue/roberta-base", {})
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from byeori.errors import ModelError
from byeori.models.checks import TOKENIZERS, brings_code, explain, untrusted, without_tokenizer
from byeori.models.legible import unfit

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def load_tokenizer(given: Any, name: str, options: dict[str, Any], model_type: str = "") -> PreTrainedTokenizerBase:
    """A tokenizer object, or that of a folder, a file or a Hub id; `name` is what messages call it. Raises ModelError.

    model_type: of the model it is for, where that is known and the folder doesn't say: bare files may not.
    """
    from transformers import AutoTokenizer, PreTrainedTokenizerBase

    from byeori.models.bare import read_bare

    if isinstance(given, PreTrainedTokenizerBase):
        return given
    with quiet(), explain(name, str(given)):
        found = read_bare(str(given), model_type)
        if found is not None:
            return found
        # Without its code transformers takes a general class in silence, which reads the files otherwise.
        if not options.get("trust_remote_code") and brings_code(str(given), options.get("revision")):
            raise ModelError(untrusted(name))
        found = AutoTokenizer.from_pretrained(str(given), **options)
    # Where the files are missing, or of another class, transformers makes a tokenizer of special tokens alone, and says nothing.
    if len(found) <= len(set(found.all_special_ids)):
        there = any((Path(str(given)) / one).is_file() for one in TOKENIZERS if one != "tokenizer_config.json")
        raise ModelError(f"{name}: {' '.join(unfit(found, 'a'))}" if there else without_tokenizer(name))
    return found


@contextlib.contextmanager
def quiet():
    """Without transformers' own report and bars, and the Hub's retries: what matters of them is said in one line each."""
    from huggingface_hub.utils import logging as hub
    from transformers.utils import logging

    before, bars, asking = logging.get_verbosity(), logging.is_progress_bar_enabled(), hub.get_verbosity()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    hub.set_verbosity(hub.ERROR)
    try:
        yield
    finally:
        logging.set_verbosity(before)
        hub.set_verbosity(asking)
        if bars:
            logging.enable_progress_bar()
