"""What a person wrote in a card outlives the next one; a card that they changed elsewhere is left alone."""

from __future__ import annotations

import re

import pytest
from huggingface_hub import ModelCard

import byeori
from byeori.cli import main
from byeori.errors import ModelError, SettingError
from byeori.report.write import write_card, write_report

HARMS = "A wrong *positive* hides a complaint.\n\n- callers wait longer\n\n```\n## not a heading\n```"


@pytest.fixture
def place(single):
    write_report(single)
    return single / "model" / "README.md"


def edit(place, *changes: tuple[str, str]) -> None:
    text = place.read_text(encoding="utf-8")
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    place.write_text(text, encoding="utf-8")


def blank(place, name: str) -> str:
    met = re.search(
        rf"<!-- yours: {name} -->\n(.*?)\n<!-- /yours: {name} -->", place.read_text(encoding="utf-8"), re.DOTALL
    )
    assert met is not None
    return met[1]


def test_made_twice_it_is_the_same(single, place):
    before = place.read_bytes()
    write_card(single)
    write_report(single)
    assert place.read_bytes() == before


def test_what_a_person_wrote_is_kept(single, place):
    assert blank(place, "harms").startswith("_To be written: who may be harmed")
    edit(place, (blank(place, "harms"), HARMS), (blank(place, "contact"), ""))
    write_card(single)
    assert blank(place, "harms") == HARMS and blank(place, "contact") == ""
    write_card(single, "ko")  # the blanks that are still blank are in Korean, and the card stays so
    assert blank(place, "harms") == HARMS and blank(place, "uses").startswith("_작성해 주세요: ")
    write_report(single)
    assert "## 평가\n" in place.read_text(encoding="utf-8") and blank(place, "harms") == HARMS
    write_card(single, "en")
    assert blank(place, "harms") == HARMS and blank(place, "uses").startswith("_To be written: ")


def test_a_persons_metadata_are_kept(single, place):
    edit(
        place,
        ("license: cc-by-sa-4.0\n", "license: mit\nthumbnail: face.png\n"),
        ("pipeline_tag: text-classification\n", ""),
    )
    metrics = single / "metrics.json"
    metrics.write_text(metrics.read_text(encoding="utf-8").replace("0.875", "0.874"), encoding="utf-8")
    for _ in range(2):
        write_card(single)
        data = ModelCard.load(place).data
        assert (data.license, data.to_dict()["thumbnail"], data.pipeline_tag) == ("mit", "face.png", None)
        assert data.eval_results[0].metric_value == 0.874 and data.base_model == "klue/roberta-base"


@pytest.mark.parametrize(
    "change",
    [
        ("## Evaluation", "## How good it is"),
        ("<!-- yours: harms -->\n", ""),
        ("<!-- Made by Byeori", "<!-- Made by me"),
        ('{"lang"', '{"language"'),
        ("tags:\n- byeori", "tags: [byeori"),
    ],
)
def test_a_card_changed_elsewhere_stays(single, place, change):
    edit(place, change, (blank(place, "uses"), "For our help desk."))
    before = place.read_bytes()
    with pytest.raises(SettingError, match="so it stays as it is.*--overwrite"):
        write_card(single)
    (said,) = write_report(single)
    assert "stays as it is" in said and place.read_bytes() == before
    write_card(single, overwrite=True)
    assert "## Evaluation\n" in place.read_text(encoding="utf-8")
    if "Byeori" not in change[0] and "lang" not in change[0] and "tags" not in change[0]:
        assert blank(place, "uses") == "For our help desk."


def test_line_ends_and_spaces_of_an_editor_are_no_change(single, place):
    text = place.read_text(encoding="utf-8").replace(blank(place, "harms"), HARMS)
    place.write_bytes(text.replace("\n", "\r\n").replace("made by\r\n", "made by  \r\n").encode())
    write_card(single)
    assert blank(place, "harms") == HARMS and b"\r" not in place.read_bytes()


def test_metadata_that_the_hub_does_not_take(single, place):
    edit(place, ("- name: 영화평\n  results:", "- results:"))
    before = place.read_bytes()
    with pytest.raises(ModelError, match="metadata at its top"):
        write_card(single)
    (said,) = write_report(single)
    assert "metadata" in said and place.read_bytes() == before


def test_the_command(single, place, capsys):
    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stop:
            main(["card", str(single), *arguments])
        return (stop.value.code, *capsys.readouterr())

    before = place.read_bytes()
    code, out, _ = run("--lang", "ko", "--print")
    assert code == 0 and "## 용도와 한계\n" in out and place.read_bytes() == before
    code, out, _ = run("--lang", "ko")
    assert code == 0 and out.endswith("README.md\n") and "## 용도와 한계\n" in place.read_text(encoding="utf-8")
    edit(place, ("## 평가", "## 점수"))
    code, _, err = run()
    assert code == 2 and "--overwrite" in err
    assert run("--overwrite")[0] == 0 and "## 평가" in place.read_text(encoding="utf-8")
    assert run("--lang", "fr")[0] == 2
    assert byeori.card(single, "en") == place.read_text(encoding="utf-8")
    place.unlink()
    for file in (single / "model").iterdir():
        file.unlink()
    (single / "model").rmdir()
    code, _, err = run()
    assert code == 4 and "no model in this run yet" in err


def test_no_run(tmp_path):
    with pytest.raises(ModelError, match="no run folder"):
        write_card(tmp_path)
