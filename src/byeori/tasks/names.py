"""The tasks of transformers' pipelines that are not here, and why.

ABSENT["image-classification"] == "it works on images, and Byeori on text alone"
"""

from __future__ import annotations

SEES = "it works on images, and Byeori on text alone"
HEARS = "it works on sound, and Byeori on text alone"
CHAT = "a conversation is an input of text-generation: a list of {role, content}"
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
