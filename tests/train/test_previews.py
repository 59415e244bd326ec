"""Samples are taken from what a training computes anyway: they change nothing, and say what the outputs say."""

from __future__ import annotations

import hashlib

import pytest

import byeori
from byeori.report.rows import sources
from byeori.report.write import write_report
from families import Family
from vocabularies import texts


def words(count: int) -> list[dict[str, str]]:
    return [{"text": " ".join(texts()[at : at + count])} for at in range(0, 40, 5)]


@pytest.mark.parametrize(
    ("task", "family", "auto"),
    [("fill-mask", "bert", "AutoModelForMaskedLM"), ("span-corruption", "t5", "AutoModelForSeq2SeqLM")],
)
def test_texts_in_pieces_have_samples_and_samples_change_nothing(tmp_path, task, family, auto):
    """Of texts longer than a pack pieces are shown."""
    folder = Family(family).save(tmp_path / family, auto)

    def trained(name: str, previews: int):
        return byeori.train(
            task, str(folder), train=words(30), validation=words(2), test_size=0, output=str(tmp_path / name), max_steps=4,
            batch_size=4, max_length=48, pack_tokens=128, threads=1, precision="float32", baselines=False, previews=previews,
            preview_every=1, learning_rate=1e-3,
        )  # fmt: skip

    seen, unseen = trained("seen", 2), trained("unseen", 0)
    weights = [
        hashlib.sha256((run.path / "model" / "model.safetensors").read_bytes()).hexdigest() for run in (seen, unseen)
    ]
    assert weights[0] == weights[1]
    samples = seen.folder.lines(seen.folder.samples)
    assert len(samples) >= 4 and not seen.task.watched
    for one in samples:
        assert one["kind"] == "gaps" and one["gaps"]
        for gap in one["gaps"]:
            assert one["inputs"]["text"][gap["start"] : gap["end"]].startswith(("[MASK]", "<extra_id_"))
            if task == "fill-mask":
                likely = [share for _, share in gap["guesses"]]
                assert gap["guesses"][0][0] == gap["predicted"] and likely == sorted(likely, reverse=True)


def test_a_pack_with_no_whole_row_shows_none(tmp_path):
    """Windows of one question lie in several packs."""
    context = " ".join(texts()[:30])
    rows = [
        {"question": f"who {n}?", "context": context, "answers": {"text": [context[n : n + 5]], "answer_start": [n]}}
        for n in range(12)
    ]
    run = byeori.train(
        "question-answering", str(Family("bert").save(tmp_path / "bert", "AutoModelForQuestionAnswering")), train=rows,
        validation_size=0, test_size=0, output=str(tmp_path / "run"), max_steps=2, batch_size=4, max_length=64, pack_tokens=80,
        threads=1, precision="float32", baselines=False, previews=2, preview_every=1,
    )  # fmt: skip
    assert run.folder.lines(run.folder.samples) == [] and run.metrics["training"]["steps"] == 2
    assert write_report(run.path, "en") == [], "which is no damage"
    assert "none lay whole in one pack" in run.folder.report.read_text(encoding="utf-8")
    assert [*sources(run.folder, missing := [])] and not any("samples" in one for one in missing)
    run.folder.samples.write_text("\n", encoding="utf-8")
    assert write_report(run.path, "en") == ["samples.jsonl is empty."], "nothing that a training writes"
