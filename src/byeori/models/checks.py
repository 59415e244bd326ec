"""What can be wrong with a checkpoint or between model and tokenizer, each said in a sentence.

with explain(name, folder): AutoConfig.from_pretrained(folder)
"""

from __future__ import annotations

import contextlib
import difflib
import json
from pathlib import Path
from typing import Any

from byeori.errors import ModelError, SettingError

WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
FOREIGN = {"tf_model.h5": "TensorFlow", "flax_model.msgpack": "Flax", "model.ckpt.index": "TensorFlow 1"}
TOKENIZERS = (
    "tokenizer.json", "vocab.txt", "vocab.json", "spiece.model", "sentencepiece.bpe.model", "tokenizer.model",
    "source.spm", "tokenizer_config.json",
)  # fmt: skip
UNKNOWN_LIMIT = 0.5
DEFAULT_LENGTH = 512  # tokens; longer texts are cut unless more is asked for


def find_folder(name: str) -> str:
    """The folder of a run's model, a folder, or the Hub id itself. Raises ModelError for a path that isn't there."""
    path = Path(name).expanduser()
    if (path / "model" / "config.json").is_file():
        return str(path / "model")
    if path.is_dir():
        check_folder(path)
        return str(path)
    if path.exists():
        raise ModelError(f"{name}: a model is a folder with config.json and weights; this is a file.")
    if name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise ModelError(f"{name}: there is no such folder.{_near(path) or ' Give a run, a model folder or a Hub id.'}")
    return name


def _near(path: Path) -> str:
    """A question after the model folder or run beside `path` whose name is spelled like it; "" where there is none."""
    if not path.parent.is_dir():
        return ""
    models = [
        p.name for p in path.parent.iterdir() if any((p / part / "config.json").is_file() for part in (".", "model"))
    ]
    near = difflib.get_close_matches(path.name, models, 1, 0.6)
    return f" Did you mean {path.parent / near[0]}?" if near else ""


def check_folder(path: Path) -> None:
    """Raises ModelError if a model folder lacks a part."""
    if not (path / "config.json").is_file():
        there = ", ".join(sorted(p.name for p in path.iterdir())[:8]) or "nothing"
        raise ModelError(
            f"{path}: there is no config.json in it (found: {there}). Name the folder that holds the model."
        )
    try:
        config = json.loads((path / "config.json").read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{path / 'config.json'}: this is not JSON: {error}.") from None
    if not config.get("model_type"):
        raise ModelError(
            f'{path / "config.json"}: there is no "model_type", so nobody can tell which architecture this is. Add it, e.g. '
            f'"model_type": "bert".'
        )
    if not any((path / name).is_file() for name in WEIGHTS):
        foreign = [kind for name, kind in FOREIGN.items() if (path / name).is_file()]
        if foreign:
            raise ModelError(
                f"{path}: it holds {foreign[0]} weights only, which transformers 5 can't read. Convert them with "
                f"transformers 4 (from_tf=True, then save_pretrained), or find a checkpoint with model.safetensors."
            )
        raise ModelError(
            f"{path}: there are no weights in it ({' or '.join(WEIGHTS[::2])}). Copy them next to config.json."
        )


@contextlib.contextmanager
def explain(name: str, folder: str):
    """Turns what transformers and the Hub raise into a ModelError of one sentence."""
    from pickle import UnpicklingError

    from safetensors import SafetensorError

    try:
        yield
    except ModelError:
        raise
    except (
        OSError, ValueError, ImportError, KeyError, RuntimeError, TypeError, AttributeError, UnpicklingError, SafetensorError,
    ) as error:  # fmt: skip
        raise ModelError(_reason(name, folder, error)) from error


def without_tokenizer(name: str) -> str:
    return (
        f"{name}: there is no tokenizer in it ({', '.join(TOKENIZERS[:4])}…). Copy the files of the checkpoint it was "
        f"trained with, or name one with --tokenizer."
    )


def _reason(name: str, folder: str, error: Exception) -> str:
    text = " ".join(str(error).split())
    kind = type(error).__name__
    local, near = Path(folder).is_dir(), _near(Path(name))
    if local and not any((Path(folder) / one).exists() for one in TOKENIZERS):
        return without_tokenizer(name)
    if kind == "SafetensorError":
        return f"{name}: its weights are damaged or cut short ({text[:160]}). Copy or download them again."
    if kind == "UnpicklingError":
        return (
            f"{name}: its pytorch_model.bin is damaged, or holds more than tensors; such a file could run code, so it is not "
            f"opened. Use a checkpoint with model.safetensors."
        )
    if "trust_remote_code" in text:
        return f"{name}: it needs Python code that comes with the checkpoint. Read that code, then add --trust-remote-code."
    if not local:
        if any(word in text for word in ("401", "403", "gated", "authentic")):
            return f"{name}: the Hub refuses access. Accept its terms on its page and set HF_TOKEN. ({text[:160]})"
        if "not a valid model identifier" in text or "RepositoryNotFound" in kind or "404" in text:
            return f"{name}: there is no such folder here and no such model on the Hub.{near or ' Check the spelling.'}"
        cut_off = kind in ("LocalEntryNotFoundError", "OfflineModeIsEnabled") or "couldn't connect" in text
        return (
            f"{name}: it is no folder here, and the Hub could not be reached or has no such files"
            f"{'' if cut_off else f' ({kind}: {text[:160]})'}. "
            f"Check the name and the network, or give a local folder; HF_HUB_OFFLINE=1 uses only what is in HF_HOME.{near}"
        )
    if "model type" in text and "does not recognize" in text:
        return f"{name}: {text[:200]}"
    return f"{name}: it could not be loaded ({kind}: {text[:240]})."


def usable_length(model: Any, tokenizer: Any) -> int | None:
    """Longest input in tokens, special tokens included; None where neither model nor tokenizer sets a limit.

    RoBERTa and its kin number positions from padding_idx + 1, so two less than their table can be used. Without a model
    the tokenizer alone is asked.
    """
    from byeori.models.packed import runner

    limits = []
    table = None if model is None else getattr(model.config, "max_position_embeddings", None)
    if isinstance(table, int) and table > 0 and getattr(model.config, "model_type", "") not in ("t5", "mt5"):
        limits.append(table - runner(model).first_position)
    if isinstance(tokenizer.model_max_length, int) and tokenizer.model_max_length < 10**9:
        limits.append(tokenizer.model_max_length)
    return min(limits) if limits else None


def length_for(asked: int | None, limit: int | None, source: str) -> int:
    """--max-length, or the smaller of 512 and what the model takes (`limit`). Raises SettingError if more is asked."""
    if asked is None:
        return min(DEFAULT_LENGTH, limit or DEFAULT_LENGTH)
    if limit is not None and asked > limit:
        raise SettingError(
            f"max_length={asked}: {source} takes {limit} tokens at most. Give --max-length {limit} or less; what is longer is cut "
            f"(--truncation head, tail or middle)."
        )
    return asked


def check_contract(model: Any, tokenizer: Any, texts: list[str]) -> list[str]:
    """Try tokenizer and model together on some of the user's texts; returns notes, raises ModelError."""
    embeddings = model.get_input_embeddings()
    size = embeddings.num_embeddings
    found = [tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"] for text in texts if text.strip()]
    ids = [i for one in found for i in one]
    largest = max([*ids, *tokenizer.all_special_ids], default=0)
    # The vocabulary's own size too: an id that no sample has would break in the middle of training.
    if largest >= size or len(tokenizer) > size + 1024:
        raise ModelError(
            f"the tokenizer has {len(tokenizer):,} tokens (id {max(largest, len(tokenizer) - 1):,} occurs), the model embeds {size:,}: "
            f"they don't belong together. Give --tokenizer of the checkpoint the model was trained with."
        )
    if found and not ids:
        raise ModelError(
            f"the tokenizer ({type(tokenizer).__name__}) makes no token of {texts[0][:40]!r}. Its class doesn't fit its files: set "
            f'"tokenizer_class" in tokenizer_config.json (BertTokenizer for a vocab.txt), or name another with --tokenizer.'
        )
    unknown = sum(i == tokenizer.unk_token_id for i in ids) if tokenizer.unk_token_id is not None else 0
    if ids and unknown / len(ids) > UNKNOWN_LIMIT:
        return [
            f"{unknown / len(ids):.0%} of the tokens of these texts are unknown to the tokenizer: it was made for another language, "
            f"or it strips accents and breaks Hangul apart (do_lower_case). The model will see next to nothing."
        ]
    return []


def licence(folder: str, revision: str | None) -> tuple[str | None, list[str]]:
    """Licence and languages as the checkpoint's card states them; (None, []) where there is no card."""
    from huggingface_hub import hf_hub_download, metadata_load
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled
    from yaml import YAMLError

    path = Path(folder) / "README.md"
    if not Path(folder).is_dir():
        try:
            path = Path(hf_hub_download(folder, "README.md", revision=revision))
        except (HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled, OSError):
            return None, []
    if not path.is_file():
        return None, []
    try:
        data = metadata_load(path) or {}
    except (ValueError, OSError, YAMLError):
        return None, []
    languages = data.get("language")
    if not isinstance(languages, list):
        languages = [] if languages is None else [languages]
    # YAML reads Norwegian, no, as false.
    return data.get("license"), ["no" if one is False else str(one) for one in languages]


def check_ids(store: Any, model: Any, tokenizer: Any, rows: Any) -> None:
    """Every id of a store is one the model embeds. Raises ModelError naming the first row that has another."""
    size = model.get_input_embeddings().num_embeddings
    for start in range(0, len(store.input_ids), 1 << 22):
        wrong = (store.input_ids[start : start + (1 << 22)] >= size).nonzero()[0]
        if len(wrong):
            place = start + int(wrong[0])
            sequence = int(store.offsets.searchsorted(place, side="right")) - 1
            row = int(store.row_offsets.searchsorted(sequence, side="right")) - 1
            token = int(store.input_ids[place])
            raise ModelError(
                f"{rows.origin.where(row)}: the tokenizer gives id {token:,} ({tokenizer.convert_ids_to_tokens(token)!r}), the model "
                f"embeds {size:,}: they don't belong together. Give --tokenizer of the checkpoint it was trained with, or resize the "
                f"embedding for tokens you added."
            )
