"""Samples on a terminal and in a log: each task's shape, straight columns by display width, nothing wider than asked."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from rich.cells import cell_len

sys.path.insert(0, str(Path(__file__).parent))

from shown_samples import SAMPLES

from byeori.train.sample_blocks import SHAPES
from byeori.train.sample_lines import fit, lines, plain_lines

WIDTHS = (20, 40, 60, 80, 100, 160)


@pytest.mark.parametrize("task", list(SAMPLES))
@pytest.mark.parametrize("width", WIDTHS)
def test_no_line_is_wider_than_asked_and_none_acts_on_the_terminal(task, width):
    shown = plain_lines(SAMPLES[task], width)
    assert len(shown) >= len(SAMPLES[task]) and all(0 < cell_len(line) <= width for line in shown)
    assert not any(sign in "".join(shown) for sign in "\x1b\u202e\r\n\t")
    assert sum(line[0] in "=≠~" or " = " in line or " ≠ " in line or " ~ " in line for line in shown) >= 1


@pytest.mark.parametrize("task", ["text-classification", "multi-label", "regression"])
@pytest.mark.parametrize("width", [60, 100, 160])
def test_columns_stand_straight(task, width):
    """Each bar between columns at the same place of each line, though a Korean syllable takes two."""
    shown = plain_lines(SAMPLES[task], width)
    bars = [[cell_len(part) for part in line.split("|")[:-1]] for line in shown]
    assert len(bars) > 1 and bars[0] and all(one == bars[0] for one in bars)


def test_texts_of_answers_begin_under_each_other():
    shown = plain_lines(SAMPLES["question-answering"], 100)
    assert all(line[1:2] == " " and line[11:13] == "  " and line[13] != " " for line in shown) and len(shown) == 18


def test_every_task_says_its_kind_and_all_of_it_is_json():
    kinds = {task: {one.get("kind") for one in samples} for task, samples in SAMPLES.items()}
    assert {kind for some in kinds.values() for kind in some} == {*SHAPES, None}
    for task, samples in SAMPLES.items():
        assert json.loads(json.dumps(samples)) is not None
        assert all({"inputs", "prediction", "reference"} <= one.keys() for one in samples), task


SHOWN = {
    "text-classification": ["긍정          0.50 = 긍정          | 정말 재미있어요"],
    "multi-label": ["≠ 놀람, +joy, -슬픔 | 세종대왕은", "= –                 | 짧다"],
    "regression": ["  3.241 ~ 4.000  -0.759 | 한 남자가 걷는다."],
    "token-classification": [
        "[!한국:LC] 정부는 [서울:LC]에서", "[!한국 정부:OG]는 [서울:LC]에서", "= text       [London:LC] is far",
        "한국 정부는 [!서울:LC]에서 발표했다.", "= text       아무것도 없다",
    ],
    "part-of-speech": ["≠ tags  나는/NP 학교에/VV≠NNG 간다/VV", "= tags  나는/NP 학교에/NNG 간다/VV"],
    "question-answering": [
        "≠ question   Who swore fealty?", "[Rollo swore] fealty", "predicted  Rollo swore  0.83", "right      Rollo",
        "= question   언제", "[1443년]에", "{Rollo} swore", "predicted  (no answer)", "right      (no answer)",
    ],
    "multiple-choice": ["= text       비가", "predicted  우산을 쓴다  0.60", "right      우산을 쓴다", "predicted  He sleeps"],
    "fill-mask": ["≠ masked   이 영화는 [정말] 재미있[##고≠##다]", "guesses  ##고 0.40  ##다 0.22  → ##다", "= masked"],
    "span-corruption": ["The library [opens] at nine [고 말≠라고 말] 한다.", "= masked  The library [opens]"],
    "translation": ["= source     안녕하세요", "~ source     ⟨U+001B⟩[31m", "predicted  Hello Hello", "right      반갑습니다"],
    "text-generation": ["~ prompt     옛날 옛적에 a fox", "right      lived⏎⏎여우가"],
    "own": ["~ text       ⟨U+001B⟩[31mred⟨U+202E⟩evil⏎한글 ", "predicted  3", "right      4"],
}  # fmt: skip


@pytest.mark.parametrize("task", list(SHOWN))
def test_each_task_has_its_shape(task):
    shown = "\n".join(plain_lines(SAMPLES[task], 120))
    for part in SHOWN[task]:
        assert part in shown, f"{part!r} is not in\n{shown}"


def test_what_is_wrong_has_a_colour_and_what_is_right_another():
    def tones(task: str) -> dict[str, str]:
        return {text: tone for line in lines(SAMPLES[task], 100) for text, tone in line}

    assert tones("text-classification")["긍정"] in ("right", "") and tones("text-classification")["부정"] == "wrong"
    found = tones("multi-label")
    assert (found["놀람"], found["+joy"], found["-슬픔"]) == ("right", "wrong", "missed")
    found = tones("token-classification")
    assert (found["[!한국:LC]"], found["[!한국 정부:OG]"], found["[London:LC]"]) == ("wrong", "missed", "right")


@pytest.mark.parametrize("width", range(1, 40))
def test_what_is_looked_at_is_seen(width):
    pieces = [("앞에 긴 글이 있다 " * 30, ""), ("[여기]", "wrong"), (" and more behind" * 30, "")]
    shown = "".join(text for text, _ in fit(pieces, width, focus=1))
    assert cell_len(shown) <= width and ("[여기]" in shown) == (width >= 8)
