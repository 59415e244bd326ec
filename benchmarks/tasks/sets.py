"""The sets: which rows, which model, which settings; all of them for both contestants.

Rows are read by Byeori's own reading and drawn with one seed, so that both contestants train and are tested on the same
ones; all sets together take about two hours for both on one core. Where there is no pretrained checkpoint
(Korean, everything that writes) the model starts from nothing and the vocabulary is learnt from the training rows.

    SETS["wnut17"].rows()[0].table.column_names == ["tokens", "tags"]
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.common import DATA

if TYPE_CHECKING:
    from byeori.data.rows import Rows

Parts = tuple["Rows", "Rows"]  # training, test
SENTENCES = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")
CHOICES = 4
TOGETHER = 20  # consecutive sentences that make a document


@dataclass(frozen=True)
class Set:
    """`settings` in Byeori's names; the Trainer takes the same values. `scores`: those the table shows, the headline first."""

    shown: str
    task: str
    rows: Callable[[], Parts]
    body: str  # of bodies.BODIES
    settings: dict[str, Any]
    scores: tuple[str, ...]
    contestants: tuple[str, ...] = ("byeori", "trainer")
    # Byeori's training and validation rows, where it tunes something; a Trainer, which tunes nothing, trains on all of them.
    held: Callable[[Rows], Parts] | None = None


def read(task: str, source: Any, **settings: Any) -> Rows:
    """All rows of a source, by the roles of a task."""
    from byeori.data.read import read_rows
    from byeori.tasks import find

    kind = find(task)
    given = str(DATA / source) if isinstance(source, str) else source
    return read_rows(
        given, SimpleNamespace(**settings), roles=kind.roles, forms=kind.forms,
        required=None if kind.forms else (*kind.needed, *kind.answers),
    )  # fmt: skip


def some(rows: Rows, most: int) -> Rows:
    """So many of the rows, in their order."""
    return rows.select(np.sort(np.random.default_rng(0).permutation(len(rows))[:most]))


def parted(rows: Rows, test: int, groups: list[Any] | None = None) -> Parts:
    """Training and about so many test rows; rows of one group stay on one side."""
    groups = list(range(len(rows))) if groups is None else groups
    names = list(dict.fromkeys(groups))
    held: set[Any] = set()
    for place in np.random.default_rng(0).permutation(len(names)):
        if sum(group in held for group in groups) >= test:
            break
        held.add(names[place])
    inside = np.array([group in held for group in groups])
    return rows.select(np.flatnonzero(~inside)), rows.select(np.flatnonzero(inside))


# token-classification ---------------------------------------------------------------------------------------------
def wnut17() -> Parts:
    train = read("token-classification", "wnut17/wnut17train.conll")
    return some(train, 1_000), some(read("token-classification", "wnut17/emerging.test.annotated"), 600)


def klue_ner() -> Parts:
    return parted(read("token-classification", "klue/klue-ner-v1.1_dev.tsv"), 600)


def ud_pos() -> Parts:
    return parted(read("token-classification", "ud_korean_gsd/ko_gsd-ud-dev.conllu"), 60)


# question-answering, multiple-choice ------------------------------------------------------------------------------
def squad(source: str, longest: int, train: int, test: int) -> Parts:
    """Questions about contexts of at most so many characters, split by article."""
    rows = read("question-answering", source)
    short = [place for place, context in enumerate(rows.table["context"][:]) if len(context) <= longest]
    rows = rows.select(np.array(short))
    first, second = parted(rows, test, rows.table["title"][:])
    return some(first, train), some(second, test)


def squad2() -> Parts:
    return squad("squad2/dev-v2.0.json", 1_200, 6_000, 500)


def by_title(train: Rows) -> Parts:
    """One article's questions, or a few's, tune the threshold of no answer."""
    return parted(train, 300, train.table["title"][:])


def xquad() -> Parts:
    return squad("xquad/xquad.en.json", 900, 1_000, 250)


def xquad_choices() -> Parts:
    """Which of four sentences of the paragraph answers the question? Split by article."""
    rows = read("question-answering", "xquad/xquad.en.json")
    random = np.random.default_rng(0)
    found, titles = [], []
    for row in rows.table:
        sentences = SENTENCES.split(row["context"])
        start, text = row["answers"]["answer_start"][0], row["answers"]["text"][0]
        places = [row["context"].index(sentence) for sentence in sentences]
        right = max(place for place, first in enumerate(places) if first <= start)
        if text not in sentences[right] or len(set(sentences)) < CHOICES:
            continue
        others = [one for one in dict.fromkeys(sentences) if one != sentences[right] and text not in one]
        if len(others) < CHOICES - 1:
            continue
        chosen = [others[i] for i in random.permutation(len(others))[: CHOICES - 1]]
        label = int(random.integers(CHOICES))
        chosen.insert(label, sentences[right])
        found.append({"text": row["question"], "choices": chosen, "label": label})
        titles.append(row["title"])
    train, test = parted(read("multiple-choice", found), 150, titles)
    return some(train, 300), some(test, 150)


# translation, summarization ---------------------------------------------------------------------------------------
def tatoeba() -> Parts:
    """Sentences are told apart by their English side: it stands in several rows."""
    rows = read("translation", "ko_en_tatoeba/kor.txt", source_lang="ko", target_lang="en")
    return parted(rows, 400, rows.table["target"][:])


def news() -> Parts:
    train, test = (
        read("translation", f"ko_en_news/korean-english-park.{part}.ko,{DATA}/ko_en_news/korean-english-park.{part}.en")
        for part in ("test", "dev")
    )
    return train, some(test, 300)


def dialogsum() -> Parts:
    train = read("summarization", "dialogsum_en/dialogsum.dev.jsonl")
    return train, some(read("summarization", "dialogsum_en/dialogsum.test.jsonl"), 250)


# text-generation, fill-mask ---------------------------------------------------------------------------------------
def wikitext() -> Parts:
    parts = [
        read("text-generation", f"wikitext2/{name}.txt", document=None) for name in ("valid", "test_first1500lines")
    ]
    return parts[0], parts[1]


def korean_documents() -> Parts:
    """Consecutive sentences, twenty a document: a document a line would leave next to nothing to go on from."""
    lines = read("text-generation", "ko_text/ud_kaist_sentences.txt", document="line").table["text"][:]
    texts = ["\n".join(lines[at : at + TOGETHER]) for at in range(0, len(lines), TOGETHER)]
    return parted(read("text-generation", [{"text": text} for text in texts]), len(texts) // 10)


def korean_lines() -> Parts:
    return parted(read("fill-mask", "ko_text/ud_kaist_sentences.txt", document="line"), 450)


def wikitext_lines() -> Parts:
    """Paragraphs without headings."""
    parts = []
    for name, most in (("valid", 400), ("test_first1500lines", 120)):
        rows = read("fill-mask", f"wikitext2/{name}.txt", document="line")
        long = [place for place, text in enumerate(rows.table["text"][:]) if len(text.split()) > 20]
        parts.append(some(rows.select(np.array(long)), most))
    return parts[0], parts[1]


# zero-shot-classification -----------------------------------------------------------------------------------------
def kornli() -> Parts:
    """The larger file to train on; the other, whose premises stand in three rows each, to be asked without training."""
    names = ("kornli/xnli.test.ko.tsv", "kornli/xnli.dev.ko.tsv")
    train, test = (read("text-classification", name) for name in names)
    return train, test


ENTITIES = {"epochs": 3, "learning_rate": 3e-4, "batch_size": 32, "max_length": 128}
QUESTIONS = {"epochs": 3, "learning_rate": 3e-4, "batch_size": 8, "max_length": 192, "stride": 48}
WRITING = {"learning_rate": 1e-3, "batch_size": 32}
BLOCKS = {"learning_rate": 1e-3, "batch_size": 8, "max_length": 128, "block_length": 128}
MASKS = {"long_texts": "truncate"}

SETS = {
    "wnut17": Set("WNUT-17", "token-classification", wnut17, "minilm", ENTITIES, ("f1", "macro_f1", "loss")),
    "klue_ner": Set(
        "KLUE-NER", "token-classification", klue_ner, "korean_bert", {**ENTITIES, "epochs": 8, "learning_rate": 1e-3},
        ("f1", "char_f1", "loss"), ("byeori", "trainer", "trainer_offsets"),
    ),
    "ud_pos": Set(
        "UD Korean, parts of speech", "token-classification", ud_pos, "korean_bert",
        {**ENTITIES, "epochs": 8, "learning_rate": 1e-3, "batch_size": 8}, ("accuracy", "macro_f1", "loss"),
    ),
    "squad2": Set(
        "SQuAD 2", "question-answering", squad2, "minilm", 
        {**QUESTIONS, "learning_rate": 2e-4, "max_length": 224, "epochs": 4},
        ("f1", "exact_match", "has_answer_f1", "loss"), held=by_title,
    ),
    "xquad": Set("XQuAD", "question-answering", xquad, "minilm", QUESTIONS, ("f1", "exact_match", "loss")),
    "xquad_choices": Set(
        "XQuAD, which sentence", "multiple-choice", xquad_choices, "minilm",
        {"epochs": 2, "learning_rate": 1e-4, "batch_size": 8, "max_length": 96, "order": "random"}, ("accuracy", "loss"),
    ),
    "tatoeba": Set(
        "Tatoeba ko → en", "translation", tatoeba, "t5",
        {**WRITING, "epochs": 10, "max_length": 64, "max_target_length": 48, "bleu_tokenize": "13a"},
        ("chrf", "bleu", "loss"),
    ),
    "news": Set(
        "news ko → en", "translation", news, "t5",
        {**WRITING, "epochs": 30, "max_length": 128, "max_target_length": 96, "bleu_tokenize": "13a"},
        ("chrf", "bleu", "loss"),
    ),
    "dialogsum": Set(
        "DialogSum", "summarization", dialogsum, "minilm_writer",
        {"epochs": 5, "learning_rate": 3e-4, "batch_size": 8, "max_length": 256, "max_target_length": 64},
        ("rougeL", "rouge1", "rouge2", "loss"),
    ),
    "wikitext": Set(
        "WikiText-2, causal", "text-generation", wikitext, "gpt2", {**BLOCKS, "epochs": 2},
        ("perplexity", "accuracy", "bits_per_character"),
    ),
    "korean_causal": Set(
        "UD Kaist sentences, causal", "text-generation", korean_documents, "gpt2", {**BLOCKS, "epochs": 5},
        ("perplexity", "accuracy", "bits_per_character"),
    ),
    "wikitext_masked": Set(
        "WikiText-2, masked", "fill-mask", wikitext_lines, "minilm",
        {**MASKS, "epochs": 2, "learning_rate": 5e-4, "batch_size": 8, "max_length": 64}, ("perplexity", "accuracy"),
    ),
    "korean_masked": Set(
        "UD Kaist sentences, masked", "fill-mask", korean_lines, "small_bert",
        {**MASKS, "epochs": 6, "learning_rate": 1e-3, "batch_size": 16, "max_length": 64}, ("perplexity", "accuracy"),
    ),
    "kornli": Set(
        "KorNLI → zero-shot", "zero-shot-classification", kornli, "korean_bert",
        {"epochs": 4, "learning_rate": 3e-4, "batch_size": 32, "max_length": 128},
        ("accuracy", "nli_accuracy", "topic_accuracy"),
    ),
}  # fmt: skip
