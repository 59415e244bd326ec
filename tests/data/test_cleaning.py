"""Cleaning: each step against a reference, offsets that follow, counts, and rows of which nothing is left."""

from __future__ import annotations

import html
import sys
import unicodedata
from collections import Counter
from html.entities import html5
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import byeori
from byeori.data import clean_rows
from byeori.data.clean_function import load, reference, source
from byeori.data.clean_offsets import Alignment
from byeori.data.clean_rows import cleaned, form_for, normalized
from byeori.data.clean_steps import STEPS, applied, compared, normal
from byeori.data.cleaning import Cleaner, clean, words
from byeori.data.read import read_rows, read_splits
from byeori.errors import DataError, SettingError

ALL = {**STEPS, "nfc": normal("nfc"), "nfkc": normal("nfkc")}
SHARED = Path(__file__).parents[3] / "shared" / "data"
# What steps take apart: entities, marks and jamo, joiners and emoji, spaces of every kind, case that grows.
PIECES = [
    *"abZ가각ㅋㅠ제.,&;#",
    "&amp;", "&#44032;", "&lt", "&nosuch;", "&nbsp;", "\u1112\u1161\u11ab", "\u1161", "e\u0301", "\u0301\u0323",
    "\u212b", "\ufb01", "ｶﾞ", "ﾡￂ", "①",
    "\u200b", "\u200c", "\u200d", "\ufeff", "👨\u200d👩", "❤\ufe0f\u200d🔥", "می\u200cخواهم", "क्\u200dष",
    "\x00", "\x0b", "\x85", "\x1f", "\t", "\n", "\r\n", " ", "\u00a0", "\u3000", "İ", "ΣΑΣ", "ß", "\u2028",
]  # fmt: skip
ENTITIES = [f"x&{name}" for name in html5]
TEXT = st.lists(st.sampled_from(PIECES), max_size=14).map("".join)


def cleaner(**asked) -> Cleaner:
    return Cleaner.of(SimpleNamespace(**asked))


EVERYTHING = cleaner(clean=",".join(STEPS), normalize="nfkc")


@pytest.mark.parametrize(
    ("step", "text", "expected"),
    [
        ("html", "빵 &amp; 우유 &#39;&#x27;&quot;", "빵 & 우유 ''\""),
        ("html", "&amp;lt;", "&lt;"),  # once: that is what was written
        ("html", "AT&T ?a=1&copy=2 &nosuch; <br>", "AT&T ?a=1&copy=2 &nosuch; <br>"),
        ("control", "a\x00b\tc\nd\r\ne\x7f", "ab\tc\nd\r\ne"),
        ("control", "뉴스\x0b기사\x85끝", "뉴스 기사 끝"),
        ("zero-width", "\ufeff영화\u200b관\u00ad \u200e별점\u2060", "영화관 별점"),
        (
            "zero-width",
            "👨\u200d👩\u200d👧 ❤\ufe0f\u200d🔥 🧑🏽\u200d💻 🙂\u200d↔️",
            "👨\u200d👩\u200d👧 ❤\ufe0f\u200d🔥 🧑🏽\u200d💻 🙂\u200d↔️",
        ),
        (
            "zero-width",
            "می\u200cخواهم بَ\u200cه क्\u200dष മല\u0d4d\u200d",
            "می\u200cخواهم بَ\u200cه क्\u200dष മല\u0d4d\u200d",
        ),
        ("zero-width", "ab\u200dc 가\u200c나 😀\u200d x\u200d", "abc 가나 😀 x"),
        ("lower", "ABC ΑΣ İ 가", "abc ας i̇ 가"),
        ("inner-spaces", "a  b \t c\u00a0d \n\n e", "a b c d\ne"),
        ("spaces", " \u3000 a b \n", "a b"),
        ("nfc", "\u1112\u1161\u11ab\u1100\u1173\u11af e\u0301 ㅋㅋ", "한글 é ㅋㅋ"),
    ],
)
def test_step(step, text, expected):
    assert ALL[step].change(text) == expected
    assert bool(ALL[step].may(text)) >= (text != expected)


def test_entities_are_those_of_html5():
    for name, sign in html5.items():
        if name.endswith(";"):
            assert STEPS["html"].change(f"x&{name}y") == f"x{sign}y" == html.unescape(f"x&{name}y")


def test_control_characters_are_those_of_unicode():
    for sign in map(chr, range(0x3000)):
        rubbish = unicodedata.category(sign) == "Cc" and sign not in "\t\n\r"
        assert STEPS["control"].change(f"a{sign}b") == (
            f"a{' ' if sign.isspace() else ''}b" if rubbish else f"a{sign}b"
        )


@given(TEXT, st.sampled_from(list(ALL)))
@settings(max_examples=60, deadline=None)
def test_edits_make_what_the_step_makes(text, name):
    step = ALL[name]
    assert applied(text, step.edits(text)) == step.change(text)
    assert step.may(text) or step.change(text) == text
    if name in ("nfc", "nfkc"):
        assert step.change(text) == unicodedata.normalize(name.upper(), text)
    assert step.change(step.change(text)) == step.change(text) or name in ("html", "zero-width")


@given(
    st.lists(TEXT, min_size=1, max_size=6),
    st.sets(st.sampled_from(list(STEPS))),
    st.sampled_from(["none", "nfc", "nfkc"]),
)
@settings(max_examples=60, deadline=None)
def test_columns_are_cleaned_as_texts_are(texts, steps, form):
    """In Arrow, where only rows are looked at in which something may be found."""
    import pyarrow as pa

    wanted = cleaner(clean=sorted(steps), normalize=form)
    choices = [[text, "x"] for text in texts]
    made = clean_rows.clean_columns({"text": pa.chunked_array([texts]), "choices": pa.chunked_array([choices])}, wanted)
    counts = Counter()
    assert made.columns["text"].to_pylist() == wanted(texts, counts) and made.texts == (3 * len(texts) if wanted else 0)
    assert {name: number for name, number in made.counts.items() if number} == {
        n: 2 * one for n, one in counts.items() if one
    }
    assert [row[0] for row in made.columns["choices"].to_pylist()] == [wanted.parts([text])[0] for text in texts]


@given(TEXT, TEXT)
@settings(max_examples=60, deadline=None)
def test_offsets_of_an_own_function_are_those_of_the_edits(text, new):
    assert applied(text, compared(text, new)) == new
    moved = Alignment.of(text).edited(compared(text, new))
    assert len(moved.starts) == len(new) and (np.diff(moved.starts) >= 0).all() and (np.diff(moved.ends) >= 0).all()


@given(TEXT, TEXT, TEXT)
@settings(max_examples=60, deadline=None)
def test_offsets_follow_a_word(before, word, after):
    """A word between marks that no step touches: its span is found in the cleaned text, and found again from there."""
    text, start = f"{before}#{word}# {after}", len(before)  # marks behind it belong to the space
    end = start + len(word) + 2
    new, alignment = EVERYTHING.align(text)
    assert new == EVERYTHING([text])[0] and len(alignment.starts) == len(new)
    span = alignment.forward(start, end)
    assert span is not None
    assert new[slice(*span)].strip() == EVERYTHING([text[start:end]])[0]
    back = alignment.back(*span)
    assert back[0] <= start < end <= back[1] and EVERYTHING([text[slice(*back)]])[0] == new[slice(*span)].strip()


def test_places_of_every_character():
    text = " 빵 &amp; \u200bSeoul e\u0301 "
    new, alignment = cleaner(clean="html,zero-width,spaces", normalize="nfc").align(text)
    assert new == "빵 & Seoul é"
    assert [text[slice(*alignment.back(at, at + 1))] for at in range(len(new))] == [
        *"빵 ",
        "&amp;",
        *" Seoul ",
        "e\u0301",
    ]
    assert alignment.forward(3, 8) == (2, 3) and alignment.forward(9, 10) is None and alignment.forward(0, 1) is None


@pytest.mark.parametrize("name", list(ALL))
def test_no_text_that_a_step_changes_is_passed_over(name):
    """Every character alone, doubled, behind letters that it might join, and at either end."""
    import pyarrow as pa
    import pyarrow.compute as pc

    signs = [chr(point) for point in [*range(0xD800), *range(0xE000, 0x11000), *range(0x11000, 0x12000)]]
    texts = [
        *(f"a{sign}b" for sign in signs),
        *signs,
        *(f"각가e{sign}" for sign in signs),
        *(2 * sign for sign in signs[:0x3100]),
    ]
    looked_at = pc.match_substring_regex(pa.array([*texts, *ENTITIES]), clean_rows.MAY[name]).to_pylist()
    change = ALL[name].change
    assert not [
        text for text, seen in zip([*texts, *ENTITIES], looked_at, strict=True) if not seen and change(text) != text
    ]


# columns --------------------------------------------------------------------------------------------------------------
def test_answers_and_entities_move_with_their_text():
    context = "&quot;제주도&quot;는 <b>섬</b> &amp; 도  "
    rows = {"question": ["  어디?"], "context": [context],
            "answers": [{"text": ["제주도", "섬"], "answer_start": [6, context.index("섬")]}]}  # fmt: skip
    made = clean(rows, cleaner(clean="html,spaces"))
    (new,), (answers,) = made.columns["context"], made.columns["answers"]
    assert new == '"제주도"는 <b>섬</b> & 도' and made.columns["question"] == ["어디?"]
    assert answers["text"] == ["제주도", "섬"]
    assert [
        new[at : at + len(one)] for at, one in zip(answers["answer_start"], answers["text"], strict=True)
    ] == answers["text"]
    assert made.counts == {"html": 1, "spaces": 2} and made.texts == 2
    spans = {"text": ["&lt;서울&gt;에  "], "entities": [[{"start": 4, "end": 6, "label": "LOC"}]]}
    assert clean(spans, cleaner(clean="html")).columns["entities"] == [[{"start": 1, "end": 3, "label": "LOC"}]]


def test_decomposed_answers_are_composed():
    context, answer = (unicodedata.normalize("NFD", text) for text in ("나는 제주도에 산다.", "제주도"))
    rows = {"context": [context], "answers": [{"text": [answer], "answer_start": [context.index(answer)]}]}
    assert clean(rows, Cleaner(form="nfc")).columns["answers"] == [{"text": ["제주도"], "answer_start": [3]}]


def test_lists_keep_their_length():
    rows = {
        "tokens": [["\u200b", "&amp;", " a "]],
        "choices": [[" x", "  "]],
        "messages": [[{"role": "user", "content": "A &lt; B"}]],
    }
    made = clean(rows, cleaner(clean="html,zero-width,spaces")).columns
    assert made == {
        "tokens": [["\u200b", "&", "a"]],
        "choices": [["x", "  "]],
        "messages": [[{"role": "user", "content": "A < B"}]],
    }


def test_what_is_no_text_stays():
    rows = {"label": ["A&amp;B "], "tags": [["B-LOC"]], "id": ["&amp;"], "text": ["A", None], "title": [" T "]}
    assert clean(rows, EVERYTHING).columns == {"text": ["a", None]}


# own functions --------------------------------------------------------------------------------------------------------
@pytest.fixture
def own(tmp_path) -> Path:
    path = tmp_path / "clean.py"
    path.write_text(
        "import re\n\ndef strip_tags(text):\n    return re.sub('<[^>]*>', '', text)\n\ndef number(text):\n    return 3\n\n"
        "def shy(text):\n    if 'x' in text:\n        raise ValueError('no x')\n    return text\n",
        encoding="utf-8",
    )
    return path


def test_an_own_function_is_loaded_by_name_and_known_by_its_hash(own):
    import hashlib

    function = load(f"{own}:strip_tags")
    assert function("<b>빵</b>") == "빵" and load(f"{own}:strip_tags") is function and load(str.lower) is str.lower
    digest = hashlib.sha256(own.read_bytes()).hexdigest()
    assert source(function) == {"function": "strip_tags", "file": "clean.py", "sha256": digest}
    assert (
        reference(function) == f"{own}:strip_tags"
        and reference(str.lower) is None
        and reference(lambda text: text) is None
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("clean:f", "FILE.py:NAME is needed"),
        ("nowhere.py:f", "there is no file nowhere.py"),
        ("{}:strip_tag", 'Did you mean "strip_tags"?'),
    ],
)
def test_a_function_that_is_not_there(own, given, said):
    with pytest.raises(SettingError, match=said.replace("?", r"\?")):
        load(given.format(own))


def test_offsets_follow_an_own_function(own):
    context = "<p>서울은 <b>한국</b>의 수도</p>"
    rows = {"context": [context], "answers": [{"text": ["한국"], "answer_start": [context.index("한국")]}]}
    made = clean(rows, Cleaner(function=load(f"{own}:strip_tags"))).columns
    assert made == {"context": ["서울은 한국의 수도"], "answers": [{"text": ["한국"], "answer_start": [4]}]}


def test_a_text_that_an_own_function_refuses_is_named_with_its_row(own):
    rows = [{"text": "a", "label": "0"}, {"text": "x", "label": "1"}, {"text": "b", "label": "0"}]
    with pytest.raises(
        DataError, match=r"rows, row 2: clean.py:shy failed on 'x' \(ValueError: no x\).*--skip-bad-rows"
    ):
        read_rows(rows, SimpleNamespace(clean_function=f"{own}:shy"))
    found = read_rows(rows, SimpleNamespace(clean_function=f"{own}:shy", skip_bad_rows=True))
    assert found.table["text"][:] == ["a", "b"] and found.origin.row_of.tolist() == [1, 3]
    with pytest.raises(DataError, match=r"row 1: clean.py:number made '3' \(int\).* 3 of 3 rows"):
        read_rows(rows, SimpleNamespace(clean_function=f"{own}:number"))


# reading --------------------------------------------------------------------------------------------------------------
@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "talk.tsv"
    path.write_text("text\tlabel\n 빵 &amp; 우유\t0 \n&#8203;\t1\n그냥 글\t0\nABC\t1\n", encoding="utf-8")
    return path


def test_each_step_is_counted_and_labels_stay(file):
    found = read_rows(file, SimpleNamespace(clean=["spaces", "html", "zero-width", "lower"], drop_empty=True))
    assert found.table["text"][:] == ["빵 & 우유", "그냥 글", "abc"]
    assert found.origin.row_of.tolist() == [1, 3, 4]
    for line in (
        "talk.tsv: clean html: 2 of 4 texts changed.", "talk.tsv: clean zero-width: 1 of 4 texts changed.",
        "talk.tsv: clean lower: 1 of 4 texts changed.", "talk.tsv: clean spaces: 1 of 4 texts changed.",
        "talk.tsv: 1 row left out that cleaning left empty (--drop-empty).",
    ):  # fmt: skip
        assert line in found.notes
    assert found.cleaned == {"texts": 4, "html": 2, "zero-width": 1, "lower": 1, "spaces": 1, "emptied": 1}
    assert found.cleaner == Cleaner(("html", "zero-width", "lower", "spaces"))


def test_a_row_of_which_nothing_is_left_is_refused(file):
    asked = SimpleNamespace(clean="html,zero-width")
    with pytest.raises(
        DataError, match="talk.tsv, row 2: cleaning leaves nothing of the text. Drop such rows with --drop-empty"
    ):
        read_rows(file, asked)
    assert read_rows(file, asked, on_bad="keep").errors == {1: "cleaning leaves nothing of the text"}


def test_an_answer_that_cleaning_eats_is_refused():
    rows = [{"question": "?", "context": "a \u200b b", "answers": {"text": ["\u200b"], "answer_start": [2]}}]
    roles = {"roles": ("question", "context", "answers"), "forms": (("question", "context", "answers"),)}
    with pytest.raises(DataError, match='row 1: cleaning leaves nothing of the answer "\u200b" at 2'):
        read_rows(rows, SimpleNamespace(clean="zero-width"), **roles)


def test_blocks_give_the_same(file, monkeypatch):
    asked = SimpleNamespace(clean="html,spaces,lower", normalize="nfc")
    whole = read_rows(file, asked)
    monkeypatch.setattr(clean_rows, "BLOCK", 1)
    parts = read_rows(file, asked)
    assert parts.table[:] == whole.table[:] and parts.cleaned == whole.cleaned and parts.notes == whole.notes


def test_nothing_is_done_that_was_not_asked(file):
    plain = read_rows(file)
    assert plain.table["text"][0] == " 빵 &amp; 우유" and plain.cleaner is None and plain.cleaned == {}
    assert not any("clean" in note or "normalize" in note for note in plain.notes)


def test_read_in_python(file):
    found = byeori.read(str(file), clean=["html"], normalize="nfc", clean_function=str.upper)
    assert found["text"][:2] == [" 빵 & 우유", "\u200b"] and found["text"][3] == "ABC"
    decomposed = [{"text": unicodedata.normalize("NFD", "제주도"), "label": 0}, {"text": "x", "label": 1}]
    assert byeori.read(decomposed, normalize="auto")["text"][0] == "제주도"
    assert byeori.read(decomposed)["text"][0] != "제주도"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"clean": "htm"}, 'there is no step "htm". Did you mean "html"'),
        ({"clean": ["spaces", "qqq"]}, 'no step "qqq". There are "html", "control"'),
        ({"clean": "nfc"}, "It is a Unicode form: normalize=nfc"),
        ({"normalize": "nfd"}, '"nfkc" or "none" is wanted, not \'nfd\''),
    ],
)
def test_unknown_words(file, asked, said):
    with pytest.raises(SettingError, match=said):
        byeori.read(str(file), **asked)


def test_steps_have_one_order():
    assert (
        words("spaces, zero_width,HTML") == words(["html", "zero-width", "spaces"]) == ("html", "zero-width", "spaces")
    )
    assert words(None) == words("none") == ()


# the form that auto stands for ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("texts", "form", "why"),
    [
        (["hello", "안녕"], "nfc", "the texts hold Hangul"),
        (["hello", "ㅋㅋ"], "nfc", "the texts hold Hangul"),
        (["hello", "café"], None, ""),
        (["hello", "cafe\u0301"], "nfc", "1 text is decomposed, which NFC composes"),
        (
            ["12 \u212b", "cafe\u0301"],
            None,
            "2 texts are not NFC, and left so, for NFC would also replace single signs (U+212B)",
        ),
    ],
)
def test_form_for(texts, form, why):
    found, said = form_for(read_rows([{"text": text, "label": n} for n, text in enumerate(texts)]))
    assert found == form and said.startswith(why) and bool(said) == bool(why)


def test_a_set_takes_the_form_of_its_training_rows():
    decomposed = unicodedata.normalize("NFD", "제주도")
    rows = {
        "train": [{"text": decomposed, "label": 0}],
        "test": [{"text": "cafe\u0301", "label": 0}, {"text": "é", "label": 1}],
    }
    parts = normalized(read_splits(rows))
    assert parts["train"].table["text"][:] == ["제주도"] and parts["test"].table["text"][:] == ["café", "é"]
    assert parts["train"].notes[-1] == "normalize nfc (the texts hold Hangul): 1 of 1 texts changed."
    assert parts["test"].notes[-1] == "normalize nfc: 1 of 2 texts changed."
    assert all(one.cleaner == Cleaner(form="nfc") for one in parts.values())


def test_rows_at_hand_are_cleaned_whole_or_refused():
    rows = read_rows([{"text": " a ", "label": 0}, {"text": "b", "label": 1}])
    found = cleaned(rows, Cleaner(("spaces",)))
    assert found.table["text"][:] == ["a", "b"] and rows.table["text"][0] == " a " and rows.cleaner is None
    assert found.select([1]).cleaner == Cleaner(("spaces",))
    with pytest.raises(DataError, match="rows, row 2: of its text nothing is left once it is cleaned"):
        cleaned(rows, Cleaner(function=lambda text: text.strip("b")))


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data sets are not here")
@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("korean_hate_speech/train.tsv", {"texts": 7896, "lower": 133}),
        ("nsmc/nsmc_30k.txt", {"texts": 29999, "lower": 1133, "nfc": 1}),
        ("kornli/xnli.test.ko.tsv", {"texts": 10020, "lower": 1228, "spaces": 4}),
        ("pawsx_ko/dev_2k.tsv", {"texts": 4000, "control": 2, "lower": 2708, "inner-spaces": 25}),
    ],
)
def test_counts_of_real_data(name, counts):
    asked = SimpleNamespace(clean=list(STEPS), normalize="nfc", drop_empty=True)
    found = read_rows(SHARED / name, asked)
    before = read_rows(SHARED / name, SimpleNamespace(drop_empty=True))
    assert {step: number for step, number in found.cleaned.items() if number} == counts
    both = zip(before.table["text"][:], found.table["text"][:], strict=True)
    assert all(
        new == unicodedata.normalize("NFC", " ".join(old.lower().replace("\x08", "").split())) for old, new in both
    )


def test_a_file_named_as_a_library_takes_no_librarys_place(tmp_path):
    (tmp_path / "html.py").write_text("def strip(text):\n    return text.strip()\n", encoding="utf-8")
    assert load(f"{tmp_path / 'html.py'}:strip")(" a ") == "a"
    assert sys.modules["html"] is html
