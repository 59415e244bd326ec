"""Broken JSON and JSON lines, and values in them that are no text or no label."""

from __future__ import annotations

import json

from broken.case import LABELS, PAIRS, ROWS, TEXTS, Case, Reads, Stops, bad_row, changed, file
from broken.good import OBJECTS, dumped, jsonl

SKIP = "--skip-bad-rows"
DEEP = "[" * 10_000 + "]" * 10_000
PRETTY = json.dumps(OBJECTS, ensure_ascii=False, indent=2)


def of(name: str, content: str | bytes, want: Reads | Stops, suffix: str = ".json", **more) -> Case:
    return Case(name, file(f"a{suffix}", content), want, **more)


def lines(name: str, content: str | bytes, want: Reads | Stops, **more) -> Case:
    return of(name, content, want, ".jsonl", **more)


def row(number: int, **values) -> list[dict]:
    """The good rows, one with other values."""
    return [{**one, **values} if at == number else one for at, one in enumerate(OBJECTS, 1)]


def line(number: int, text: str) -> str:
    kept = jsonl().splitlines()
    kept[number - 1] = text
    return "\n".join(kept) + "\n"


SYNTAX = [
    *(of(f"cut-{at}", PRETTY[: len(PRETTY) * at // 8], Stops(["not JSON", "cut off"])) for at in (1, 3, 5, 7)),
    of("cut-before-the-end", PRETTY[:-1], Stops(["not JSON", "cut off"])),
    of("nested-deeply", DEEP, Stops("nested too deeply")),
    of("nested-deeply-in-a-field", f'{{"text": {DEEP}}}', Stops("nested too deeply")),
    of("trailing-comma", dumped()[:-1] + ",]", Stops(["not JSON", "comma"], line=1)),
    of("single-quotes", str(OBJECTS), Stops(["not JSON", "double quotes"], line=1)),
    of("comments", "// made by hand\n" + dumped(), Stops(["not JSON", "comment"], line=1)),
    of("bare-keys", dumped().replace('"text"', "text"), Stops("not JSON", line=1)),
    of("javascript", "var data = " + dumped() + ";", Stops("not JSON", line=1)),
    of("mark", b"\xef\xbb\xbf" + dumped().encode(), Reads(ROWS)),
    of("utf-16", dumped().encode("utf-16"), Reads(ROWS)),
    of("cr-only", PRETTY.replace("\n", "\r"), Reads(ROWS)),
    of("concatenated", "".join(map(dumped, OBJECTS)), Reads(ROWS)),
    of("concatenated-pretty", "\n".join(json.dumps(one, ensure_ascii=False, indent=1) for one in OBJECTS), Reads(ROWS)),
    of("lines-named-json", jsonl(), Reads(ROWS, ["one JSON object a line"])),
    of("lines-named-json-with-a-broken-one", line(3, '{"text": "The'), bad_row(3, "not JSON")),
    of("broken-bytes", dumped().encode().replace("지".encode(), b"\xec\xa7"), Stops("bytes that are not", line=1)),
]

SHAPES = [
    of("number", "5", Stops("a single int")),
    of("string", '"재미있다"', Stops("a single str")),
    of("null", "null", Stops("null")),
    of("true", "true", Stops("a single bool")),
    of("empty-list", "[]", Stops("no rows")),
    of("empty-object", "{}", Stops("no list of rows")),
    of("list-of-empty-objects", "[{}, {}]", Stops("recognised as the text")),
    of("no-rows-in-data", '{"data": []}', Stops("no rows")),
    of("null-in-data", '{"data": null, "version": 1}', Stops("recognised as the text")),
    of("columns", dumped({"text": TEXTS, "label": LABELS}), Reads(ROWS)),
    of("columns-of-unequal-length", dumped({"text": TEXTS, "label": LABELS[:-1]}), Stops("different lengths")),
    of("two-lists", dumped({"one": OBJECTS, "other": OBJECTS}), Stops("--field")),
    of("field", dumped({"one": OBJECTS, "other": []}), Reads(ROWS), settings={"field": "one"}),
    of(
        "field-that-is-not-there",
        dumped({"rows": OBJECTS}),
        Stops(['no field "row"', "rows"]),
        settings={"field": "row"},
    ),
    of("field-of-a-number", dumped({"rows": OBJECTS, "n": 6}), Stops("a single int"), settings={"field": "n"}),
    of("null-among-the-rows", dumped([*OBJECTS[:2], None, *OBJECTS[3:]]), Stops("NoneType", row=3)),
    of("list-among-the-rows", dumped([*OBJECTS[:2], ["The best film", "good"], *OBJECTS[3:]]), Stops("a list", row=3)),
    of("rows-of-unequal-length", dumped([list(one) for one in PAIRS[:3]] + [["x"]]), Stops("1 value", row=4)),
    of(
        "keys-that-lack",
        dumped([*OBJECTS[:2], {"text": "The best film"}, *OBJECTS[3:]]),
        Stops('"label" is empty', row=3),
    ),
    of(
        "keys-twice",
        dumped().replace('"text": "지루했다"', '"text": "x", "text": "지루했다"'),
        Stops('the key "text" stands twice', row=2),
    ),
    of("no-such-keys", dumped([{"a": at, "b": at / 7} for at in range(9)]), Stops(["no column was recognised", "--"])),
    of("empty-key", dumped([{"": t, "label": la} for t, la in PAIRS]), Reads(ROWS)),
]

LINES = [
    lines("lines-cut", jsonl()[:-6], bad_row(6, "not JSON", SKIP)),
    lines("lines-cut-in-a-character", jsonl().encode()[:-20], bad_row(6, "bytes that are not", SKIP)),
    lines("lines-of-two-kinds", line(3, '["The best film", "good"]'), bad_row(3, "a list", SKIP)),
    lines("lines-with-a-scalar", line(3, "5"), bad_row(3, "a int, where other rows are a dict", SKIP)),
    lines("lines-with-null", line(3, "null"), bad_row(3, "NoneType", SKIP)),
    lines("lines-nested-deeply", line(3, DEEP), bad_row(3, "nested too deeply", SKIP)),
    lines(
        "lines-with-a-trailing-comma",
        line(3, '{"text": "The best film", "label": "good",}'),
        bad_row(3, "not JSON", SKIP),
    ),
    lines("lines-all-with-commas", jsonl().replace("}\n", "},\n"), Stops("not JSON", row=1)),
    lines("lines-with-single-quotes", line(3, "{'text': 'The best film'}"), bad_row(3, "not JSON", SKIP)),
    lines("lines-with-two-objects", line(3, dumped(OBJECTS[2]) + dumped(OBJECTS[2])), bad_row(3, "Extra data", SKIP)),
    lines(
        "lines-with-keys-twice",
        line(3, '{"text": "x", "text": "y", "label": "good"}'),
        bad_row(3, 'the key "text" stands twice', SKIP),
    ),
    lines("lines-blank", jsonl().replace("\n", "\n\n \n"), Reads(ROWS)),
    lines("lines-crlf", jsonl().replace("\n", "\r\n"), Reads(ROWS)),
    lines("lines-cr-only", jsonl().replace("\n", "\r"), Reads(ROWS)),
    lines(
        "lines-with-unicode-ends",
        jsonl(row(3, text="The\u2028best\x85film")),
        Reads(changed(3, "The\u2028best\x85film")),
    ),
    lines("lines-with-a-mark-in-the-middle", jsonl(OBJECTS[:3]) + "\ufeff" + jsonl(OBJECTS[3:]), Reads(ROWS)),
    lines("lines-with-nul", jsonl(row(3, text="The\0best")), Reads(changed(3, "The\0best"))),
    lines("lines-that-are-one-list", dumped(), Reads(ROWS)),
    lines("lines-that-are-a-pretty-list", PRETTY, Reads(ROWS)),
    lines(
        "lines-with-half-a-character",
        jsonl().replace("The best", "The \\ud800 best"),
        bad_row(3, "half a character", "text"),
    ),
    lines(
        "lines-with-half-a-character-in-a-label",
        line(3, '{"text": "a", "label": "\\uDC00"}'),
        bad_row(3, "half a character"),
    ),
    lines(
        "lines-with-a-whole-character-of-two",
        jsonl().replace("The best", "The \\ud83d\\ude00"),
        Reads(changed(3, "The 😀 film")),
    ),
    of("half-a-character", dumped().replace("The best", "The \\ud800 best"), Stops("half a character", row=3)),
    lines(
        "lines-with-a-long-number",
        line(3, '{"text": "The best film", "label": ' + "9" * 5000 + "}"),
        bad_row(3, "digits"),
    ),
    lines("lines-of-lists", jsonl([list(one) for one in PAIRS]), Reads(ROWS)),
]

VALUES = [
    of("text-null", dumped(row(3, text=None)), Stops('"text" is empty', row=3)),
    of("text-number", dumped(row(3, text=5)), Stops("a number (5)", row=3)),
    of("text-list", dumped(row(3, text=["a"])), Stops("a list", row=3)),
    of("text-object", dumped(row(3, text={"a": 1})), Stops("an object", row=3)),
    of("text-blank", dumped(row(3, text=" \u3000\n")), Stops('"text" is empty', row=3)),
    of("texts-all-null", dumped([{"text": None, "label": la} for la in LABELS]), Stops("6 of 6 rows")),
    of("label-null", dumped(row(3, label=None)), Stops('"label" is empty', row=3)),
    of("label-nan", dumped(row(3, label=float("nan"))), Stops('"label" is empty', row=3)),
    of(
        "label-infinity",
        dumped([{"text": t, "label": n} for t, n in zip(TEXTS, [0.5, 1.5, float("inf"), 2, 3, 4], strict=True)]),
        Stops("inf", row=3),
        learn=True,
    ),
    of("label-object", dumped(row(3, label={"a": 1, "b": 2})), Stops(["an object", "label"], row=3)),
    of(
        "labels-lists-of-objects",
        dumped([{"text": t, "label": [{"x": 1, "y": la}]} for t, la in PAIRS]),
        Stops("label", row=1),
    ),
    of("labels-objects", dumped([{"text": t, "label": {"id": 1, "label": la}} for t, la in PAIRS]), Reads(ROWS)),
    of(
        "labels-mixed",
        dumped([{"text": t, "label": la} for t, la in zip(TEXTS, [1, "0", True, 1.0, "no", 0], strict=True)]),
        Reads({"text": TEXTS, "label": ["1", "0", "True", "1", "no", "0"]}, ["several types"]),
    ),
    of(
        "labels-booleans",
        dumped([{"text": t, "label": la == "good"} for t, la in PAIRS]),
        Reads({"text": TEXTS, "label": [la == "good" for la in LABELS]}),
        learn=True,
    ),
    of(
        "labels-huge",
        dumped([{"text": t, "label": 10**30 + (la == "good")} for t, la in PAIRS]),
        Reads({"text": TEXTS, "label": [str(10**30 + (la == "good")) for la in LABELS]}),
    ),
    of("label-huge", dumped(row(3, label=10**400)), Reads(changed(3, str(10**400), "label"))),
    of(
        "labels-dates",
        dumped([{"text": t, "label": f"2026-03-{at:02}"} for at, t in enumerate(TEXTS * 3, 1)]),
        Stops("label"),
        learn=True,
    ),
    of(
        "labels-one-class",
        dumped([{"text": t, "label": "good"} for t in TEXTS]),
        Stops("one class"),
        learn=True,
    ),
    of(
        "labels-all-distinct",
        dumped([{"text": t, "label": f"l{at}"} for at, t in enumerate(TEXTS * 3)]),
        Stops("looks like text", row=1),
        learn=True,
    ),
    of(
        "labels-distinct-numbers",
        dumped([{"text": t, "label": at * 7919} for at, t in enumerate(TEXTS * 3)]),
        Stops("--problem-type regression", row=1),
        learn=True,
    ),
    of(
        "labels-words-for-nothing",
        dumped(
            [{"text": t, "label": la} for t, la in zip(TEXTS, ["NA", "null", "NaN", "none", "NS", "inf"], strict=True)]
        ),
        Reads({"text": TEXTS, "label": ["NA", "null", "NaN", "none", "NS", "inf"]}),
    ),
    of(
        "scores-with-a-word",
        dumped(
            [
                {"text": t, "label": v}
                for t, v in zip(TEXTS * 2, [0.1, 0.2, "n/a", *(i / 7 for i in range(9))], strict=True)
            ]
        ),
        Stops("n/a"),
        learn=True,
        settings={"problem_type": "regression"},
    ),
    of(
        "other-columns-mixed",
        dumped(
            [{**one, "x": x} for one, x in zip(OBJECTS, [1, "a", [2], None, {"b": 10**40}, float("nan")], strict=True)]
        ),
        Reads(ROWS),
    ),
]

CASES = [*SYNTAX, *SHAPES, *LINES, *VALUES]
