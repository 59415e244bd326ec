"""Whether a checkpoint was made for a task: a head of another kind can have weights of the same names and shapes.

Invariants: BERT's head for sequences loads as one for tokens without a weight missing, and so does a masked language
model as one that writes; what they answer is noise, so the class that the checkpoint names is asked, not its weights.

    check_head(run.model, run.task, "klue/bert-base")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from byeori.data.languages import code
from byeori.errors import ModelError, SettingError

if TYPE_CHECKING:
    from byeori.tasks.base import Task

BODY = "AutoModel"
HEADS = (
    "AutoModelForSequenceClassification", "AutoModelForTokenClassification", "AutoModelForQuestionAnswering",
    "AutoModelForMultipleChoice", "AutoModelForMaskedLM", "AutoModelForCausalLM", "AutoModelForSeq2SeqLM",
)  # fmt: skip
FAMILIES = frozenset({
    "bert", "roberta", "electra", "xlm-roberta", "modernbert", "gpt2", "llama", "qwen2", "gemma", "t5", "mt5", "bart", "mbart", "marian",
})  # fmt: skip


def check_head(model: Any, task: Task, name: str, given: bool = False) -> None:
    """Raises ModelError for a checkpoint with a head for something else.

    `given`: the model is the caller's own object, so that its class says what it is, and its config may not. Classes
    that transformers lists under no head (BertForPreTraining, somebody's own) are taken for what they load as.
    """
    if task.auto_class not in HEADS:
        return
    made = [type(model).__name__] if given else list(model.config.architectures or [])
    for one in made:
        heads = heads_of(one)
        if given and one in _classes(BODY) and not heads:
            raise ModelError(
                f"{name}: this model is a body without a head, and {task.name} needs {task.auto_class}. Load it with "
                f"transformers.{task.auto_class}, or give its name."
            )
        if heads and task.auto_class not in heads:
            raise ModelError(
                f"{name}: this checkpoint has the head of {one}, and {task.name} needs that of {task.auto_class}: its answers would be "
                f"noise. Name a checkpoint made for the task, or train this one for it with `byeori train --task {task.name}`."
            )


def check_kind(config: Any, task: Task, name: str) -> None:
    """Raises ModelError for an architecture that has no such head at all: an encoder asked to translate.

    Architectures whose code comes with the checkpoint say themselves what they have (auto_map).
    """
    import transformers

    listed = getattr(transformers, task.auto_class)._model_mapping
    if type(config) in listed or task.auto_class in (getattr(config, "auto_map", None) or {}):
        return
    others = [auto for auto in HEADS if type(config) in getattr(transformers, auto)._model_mapping]
    known = ", ".join(sorted(FAMILIES & set(listed._model_mapping)))
    raise ModelError(
        f"{name}: {config.model_type} has no head for {task.name} ({task.auto_class}); it has "
        f"{', '.join(others) or 'none of those used here'}. Name a checkpoint of a family that has one, such as {known}."
    )


def check_languages(task: Task, tokenizer: Any, carried: dict[str, str]) -> None:
    """Raises SettingError where the languages in a task's name are not those that the model says it has."""
    for name, asked in carried.items():
        own = getattr(task.settings, name, None) or asked
        for known in (own, getattr(tokenizer, name, None)):  # Marian's tokenizers say theirs
            if isinstance(known, str) and code(known) and code(asked) and code(known) != code(asked):
                pair = f"translation_{carried.get('source_lang')}_to_{carried.get('target_lang')}"
                raise SettingError(
                    f"{pair}: the {name.removesuffix('_lang')} language of this model is {known}. Name its own languages, or a model of "
                    f"these."
                )


def heads_of(architecture: str) -> list[str]:
    """The Auto classes that load an architecture: a class may serve several (BartForConditionalGeneration)."""
    return [auto for auto in HEADS if architecture in _classes(auto)]


def _classes(auto: str) -> set[str]:
    import transformers

    listed = getattr(transformers, auto)._model_mapping._model_mapping.values()
    return {name for names in listed for name in ((names,) if isinstance(names, str) else names)}
