"""Whether a checkpoint was made for a task: a head of another kind can have weights of the same names and shapes.

Invariants: BERT's head for sequences loads as one for tokens without a weight missing, and so does a masked language
model as one that writes; what they answer is noise, so the class that the checkpoint names is asked, not its weights.

    check_head(run.model, run.task, "klue/bert-base")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from byeori.errors import ModelError

if TYPE_CHECKING:
    from byeori.tasks.base import Task

BODY = "AutoModel"
HEADS = (
    "AutoModelForSequenceClassification", "AutoModelForTokenClassification", "AutoModelForQuestionAnswering",
    "AutoModelForMultipleChoice", "AutoModelForMaskedLM", "AutoModelForCausalLM", "AutoModelForSeq2SeqLM",
)  # fmt: skip


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


def heads_of(architecture: str) -> list[str]:
    """The Auto classes that load an architecture: a class may serve several (BartForConditionalGeneration)."""
    return [auto for auto in HEADS if architecture in _classes(auto)]


def _classes(auto: str) -> set[str]:
    import transformers

    listed = getattr(transformers, auto)._model_mapping._model_mapping.values()
    return {name for names in listed for name in ((names,) if isinstance(names, str) else names)}
