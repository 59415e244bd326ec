"""What can be wrong with a checkpoint or between model and tokenizer, each said in a sentence.

with explain(name, folder): AutoConfig.from_pretrained(folder)
"""

from __future__ import annotations

import contextlib
import difflib
import json
from pathlib import Path
from typing import Any

from byeori.data import mapped
from byeori.errors import DataError, ModelError, SettingError
from byeori.models.adapter_folder import holds_adapter

WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
FOREIGN = {"tf_model.h5": "TensorFlow", "flax_model.msgpack": "Flax", "model.ckpt.index": "TensorFlow 1"}
TOKENIZERS = (
    "tokenizer.json", "vocab.txt", "vocab.json", "spiece.model", "sentencepiece.bpe.model", "tokenizer.model",
    "source.spm", "tokenizer_config.json",
)  # fmt: skip
# Architectures that transformers 5 has no more, by model_type, and what does their work.
GONE = {
    "transfo-xl": "Use a GPT-2, or a Llama, Qwen or Gemma where the texts are long",
    "ernie_m": "Use XLM-R", "mega": "Use Longformer", "nezha": "Use BERT", "open-llama": "Use Llama", "qdqbert": "Use BERT",
    "retribert": "Use BERT",
}  # fmt: skip
DEFAULT_LENGTH = 512  # tokens; longer texts are cut unless more is asked for, or the task says otherwise


def find_folder(name: str) -> str:
    """The folder of a run's model, a folder, or the Hub id itself. Raises ModelError for a path that isn't there."""
    path = Path(name).expanduser()
    if (path / "model" / "config.json").is_file():
        return str(path / "model")
    if path.is_dir():
        if not holds_adapter(path):
            check_folder(path)
        return str(path)
    if path.exists():
        raise ModelError(f"{name}: a model is a folder with config.json and weights; this is a file.")
    if name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise ModelError(f"{name}: there is no such folder.{_near(path) or ' Give a run, a model folder or a Hub id.'}")
    check_gone(name, "transfo-xl" if path.name.startswith("transfo-xl") else "")  # the one that tutorials name
    return name


def check_gone(name: str, kind: str) -> None:
    """Raises ModelError for an architecture that transformers has no more."""
    if kind in GONE:
        raise ModelError(_gone(name, kind))


def _gone(name: str, kind: str) -> str:
    return f"{name}: transformers 5 has no {kind} any more, so it can't be loaded. {GONE[kind]}."


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
    check_gone(str(path), config["model_type"])
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


def untrusted(name: str) -> str:
    return f"{name}: it needs Python code that comes with the checkpoint. Read that code, then add --trust-remote-code."


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
        return untrusted(name)
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
    if "Expected Union[Tuple[str, int]" in text:  # what tokenizers says of a special token without an id
        return (
            f"{name}: its tokenizer's class puts [CLS] and [SEP] around a text, and its vocabulary has neither. Name what it has instead "
            f'as "cls_token" and "sep_token" in tokenizer_config.json (often <s> and </s>), or another tokenizer with --tokenizer.'
        )
    if "tiktoken" in text:  # transformers' last resort where the packages are missing
        return (
            f"{name}: its tokenizer is a SentencePiece model file, which is read by the packages sentencepiece and protobuf. Install "
            f"both (pip install sentencepiece protobuf), or give the checkpoint's tokenizer.json."
        )
    if "model type" in text and "does not recognize" in text:
        if gone := next((kind for kind in GONE if f"`{kind}`" in text), None):
            return _gone(name, gone)
        return f"{name}: {text[:200]}"
    return f"{name}: it could not be loaded ({kind}: {text[:240]})."


def brings_code(given: str, revision: str | None) -> bool:
    """Whether a checkpoint's tokenizer is a class of its own, in Python that comes with it."""
    from transformers.models.auto.tokenization_auto import get_tokenizer_config, tokenizer_class_from_name

    config = get_tokenizer_config(given, revision=revision)
    codes = config.get("auto_map") or {}
    own = codes.get("AutoTokenizer") if isinstance(codes, dict) else codes
    kind = (config.get("tokenizer_class") or "").removesuffix("Fast")
    return bool(own) and not any(kind and tokenizer_class_from_name(one) for one in (kind, f"{kind}Fast"))


def position_table(config: Any, side: str) -> int | None:
    """Places that an encoder or a decoder (`side`) has a position for; None where nothing limits them (T5)."""
    names = (f"max_{side}_position_embeddings", "max_position_embeddings")  # LED's first
    table = next((found for name in names if (found := getattr(config, name, None))), None)
    limited = isinstance(table, int) and table > 0 and getattr(config, "model_type", "") not in ("t5", "mt5")
    return table if limited else None


def usable_length(model: Any, tokenizer: Any) -> int | None:
    """Longest input in tokens, special tokens included; None where neither model nor tokenizer sets a limit.

    RoBERTa and its kin number positions from padding_idx + 1, so two less than their table can be used. Without a model
    the tokenizer alone is asked.
    """
    limits = []
    table = None if model is None else position_table(model.config, "encoder")
    if table is not None:
        limits.append(table - _first_position(model))
    if isinstance(tokenizer.model_max_length, int) and tokenizer.model_max_length < 10**9:
        limits.append(tokenizer.model_max_length)
    return min(limits) if limits else None


def _first_position(model: Any) -> int:
    """Of a model, or of an outline or an exported one, for which nothing that models need is imported."""
    from byeori.models.outline import Outline
    from byeori.models.outside import Outside

    if isinstance(model, Outline | Outside):
        return model.first_position
    from byeori.models.packed import runner

    return runner(model).first_position


def length_for(asked: int | None, limit: int | None, source: str, default: int = DEFAULT_LENGTH) -> int:
    """--max-length, or the smaller of `default` and what the model takes (`limit`). Raises SettingError if more is asked."""
    if asked is None:
        return min(default, limit or default)
    if limit is not None and asked > limit:
        raise SettingError(
            f"max_length={asked}: {source} takes {limit} tokens at most. Give --max-length {limit} or less; what is longer is cut "
            f"(--truncation head, tail or middle)."
        )
    return asked


def check_contract(model: Any, tokenizer: Any, texts: list[str], source: str = "") -> list[str]:
    """Try tokenizer and model together on some of the user's texts; returns notes, raises ModelError.

    What `byeori.models.contract` calls a stop is raised, what it would have looked at is a note.
    """
    from byeori.models.contract import LOOK, STOP, contract

    found = contract(model, tokenizer, texts, source)
    for one in found:
        if one.level == STOP:
            raise ModelError(f"{source}: {one}" if source else str(one))
    return [str(one) for one in found if one.level == LOOK]


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
    """Every id of a store is one the model embeds. Raises ModelError naming the first row that has another; DataError
    for a negative one."""
    size = model.get_input_embeddings().num_embeddings
    for block in mapped.spans(store.tokens):
        ids = store.input_ids[block]
        wrong = ((ids < 0) | (ids >= size)).nonzero()[0]
        if len(wrong):
            place = block.start + int(wrong[0])
            sequence = int(store.offsets.searchsorted(place, side="right")) - 1
            row = int(store.row_offsets.searchsorted(sequence, side="right")) - 1
            token = int(store.input_ids[place])
            if token < 0:
                raise DataError(
                    f"{place_of(store, rows, row)}: input_ids hold {token}, which is no token. Leave such places out, or mark padding "
                    f"with 0 in attention_mask."
                )
            raise ModelError(
                f"{place_of(store, rows, row)}: the tokenizer gives id {token:,} ({tokenizer.convert_ids_to_tokens(token)!r}), the model "
                f"embeds {size:,}: they don't belong together. Give --tokenizer of the checkpoint it was trained with, or resize the "
                f"embedding for tokens you added."
            )


def place_of(store: Any, rows: Any, row: int) -> str:
    """Where a store's row came from, as messages say it: file and row, or the number of a block of running text."""
    if rows is None or store.source is None:
        return f"{'row' if rows is None else 'block'} {row + 1}"
    return rows.origin.where(row)
