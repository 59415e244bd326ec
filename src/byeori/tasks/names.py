"""The names tasks go by: ours, those that carry settings (translation_en_to_ko), and those of pipelines that are not here.

named("translation_en_to_ko") == (Translation, {"source_lang": "en", "target_lang": "ko"})
"""

from __future__ import annotations

from byeori import tasks
from byeori.errors import SettingError
from byeori.tasks.base import Task

SEES = "it works on images, and Byeori on text alone"
HEARS = "it works on sound, and Byeori on text alone"
CHAT = "a conversation is an input of text-generation: a list of {role, content}"
# Tasks of transformers' pipelines that are not here, and why.
ABSENT: dict[str, str] = {
    **dict.fromkeys(
        (
            "image-classification", "image-feature-extraction", "image-segmentation", "image-text-to-text", "image-to-image",
            "image-to-text", "object-detection", "depth-estimation", "mask-generation", "keypoint-matching",
            "video-classification", "visual-question-answering", "vqa", "zero-shot-image-classification",
            "zero-shot-object-detection", "any-to-any",
        ),
        SEES,
    ),
    **dict.fromkeys(
        (
            "audio-classification", "automatic-speech-recognition", "text-to-audio", "text-to-speech",
            "zero-shot-audio-classification",
        ),
        HEARS,
    ),
    "conversational": CHAT,
    "decision": "it asks a chat model typed questions; ask them with text-generation, or train text-classification",
    "document-question-answering": "it reads pictures of pages; give the text of the page as the context of question-answering",
    "table-question-answering": (
        "it needs a model that reads tables (TAPAS); write the table out as text and use question-answering, or text2text-generation "
        "with a model trained for it"
    ),
}  # fmt: skip


def named(name: str) -> tuple[type[Task], dict[str, str]]:
    """The task of a name, and the settings that the name carries. Raises SettingError."""
    if name in ABSENT:
        raise SettingError(f"there is no task {name!r}: {ABSENT[name]}. `byeori tasks` lists what there is.")
    for task in tasks.TASKS:
        values = getattr(task, "values_of", lambda _: None)(name)
        if values:
            return task, values
    return tasks.find(name), {}
