"""Broken files of rows with separators: cut, torn, quoted by halves, and what only looks broken."""

from __future__ import annotations

from broken.case import PAIRS, ROWS, TEXTS, Case, Reads, Stops, bad_row, changed, file, without
from broken.good import CSV, LINES, TSV, delimited, with_line
from byeori.errors import SettingError

QUOTED = "text,label\n" + "".join(f'"{text}, {text}",{label}\n' for text, label in PAIRS)
COMMAS = {**ROWS, "text": [f"{text}, {text}" for text in TEXTS]}
MANY_LINES = "text,label\n" + "".join(f'"{text}\n{text}",{label}\n' for text, label in PAIRS)
LINED = {**ROWS, "text": [f"{text}\n{text}" for text in TEXTS]}
WIDE = 50_000


def cut(text: str, end: str, less: int = 0) -> bytes:
    """A text up to and with `end`, less some bytes."""
    raw = text[: text.rindex(end) + len(end)].encode()
    return raw[: len(raw) - less]


def csv(name: str, content: str | bytes, want: Reads | Stops, suffix: str = ".csv", **more) -> Case:
    return Case(name, file(f"a{suffix}", content), want, **more)


FEW = "1 field where the header has 2"
MANY = "3 fields where the header has 2"
SKIP = "--skip-bad-rows"

TRUNCATED = [
    csv("cut-behind-a-text", cut(CSV, "돈이 아깝다"), bad_row(6, FEW, "돈이 아깝다", SKIP)),
    csv("cut-in-a-text", cut(CSV, "돈이"), bad_row(6, FEW, SKIP)),
    csv("cut-in-a-character", cut(CSV, "돈이 아깝다", 1), bad_row(6, "bytes that are not", SKIP)),
    csv("cut-behind-the-separator", cut(CSV, "아깝다,"), Stops('"label" is empty', row=6)),
    csv("cut-in-a-label", cut(CSV, "아깝다,ba"), Reads(changed(6, "ba", "label"))),
    csv("cut-before-the-last-line-end", cut(CSV, ",bad"), Reads(ROWS)),
    csv("cut-in-quotes", cut(QUOTED, "돈이 아깝다, 돈"), bad_row(6, "돈이 아깝다", SKIP, table=COMMAS)),
    csv("cut-in-the-header", "text,la", Stops("no row under it")),
    csv("cut-in-the-middle-tsv", cut(TSV, "Not for"), bad_row(4, FEW, SKIP, table=without(5, 6)), ".tsv"),
]

SEPARATORS = [
    csv("tabs-in-a-csv", TSV, Reads(ROWS, ["separated by tab"])),
    csv("semicolons-in-a-csv", delimited(";"), Reads(ROWS, ["separated by semicolon"])),
    csv("pipes-in-a-tsv", delimited("|"), Reads(ROWS, ["separated by pipe"]), ".tsv"),
    csv("commas-in-a-psv", CSV, Reads(ROWS, ["separated by comma"]), ".psv"),
    csv("tabs-in-a-txt", TSV, Reads(ROWS), ".txt"),
    csv("carets-in-a-csv", delimited("^"), Stops(["no column was recognised", "text^label", "--separator"])),
    csv("carets-named", delimited("^"), Reads(ROWS), settings={"separator": "^"}),
    csv("wrong-separator-named", CSV, Stops(["text,label", "--separator"]), settings={"separator": "tab"}),
    csv(
        "separator-of-two-characters",
        delimited("||"),
        Stops("one character is wanted", error=SettingError, file="--separator"),
        settings={"separator": "||"},
    ),
    csv("separator-line-of-excel", "sep=;\n" + delimited(";"), Reads(ROWS)),
    csv("tab-within-a-csv", with_line(3, "The\tbest\tfilm,good"), Reads(changed(3, "The\tbest\tfilm"))),
]

RAGGED = [
    csv("too-few", with_line(4, "Not for me"), bad_row(4, FEW, SKIP)),
    csv("too-many", with_line(4, "Not for me,bad,x"), bad_row(4, MANY, SKIP)),
    csv("comma-in-a-text", with_line(3, "The best, film,good"), Reads(changed(3, "The best, film"), ["row 3"])),
    csv("few-and-many", "\n".join([*LINES[:2], "a", LINES[3], "b,bad,c", *LINES[5:]]), bad_row(2, FEW, MANY, more=[4])),
    csv(
        "every-row-longer", "text,label\n" + "".join(f"{t},{la},x\n" for t, la in PAIRS), Stops([MANY, "6 of 6"], row=1)
    ),
    csv("separator-behind-every-row", "text,label\n" + "".join(f"{t},{la},\n" for t, la in PAIRS), Reads(ROWS)),
    csv("header-longer", "text,label,\n" + "".join(f"{t},{la}\n" for t, la in PAIRS), Reads(ROWS)),
    csv("conflict-marks", with_line(4, "<<<<<<< HEAD"), bad_row(4, FEW, "<<<<<<< HEAD")),
    csv("comment-over-the-header", "# made by a script\n" + CSV, Stops("2 fields where the header has 1", row=1)),
    csv("blank-lines-between", CSV.replace("\n", "\n\n\n"), Reads(ROWS, ["empty lines"])),
    csv("line-of-spaces", CSV + "   \n", bad_row(7, FEW, table={"text": [*TEXTS, ""], "label": [*ROWS["label"], ""]})),
    csv(
        "header-again-in-the-middle",
        CSV + CSV,
        Stops(
            ["the header stands here again", SKIP],
            row=7,
            bad=[7],
            rest={role: [*values, *values] for role, values in ROWS.items()},
        ),
    ),
]

QUOTES = [
    csv("doubled-quotes", with_line(3, '"The ""best"" film",good'), Reads(changed(3, 'The "best" film'))),
    csv("stray-quote-tsv", with_line(3, 'The "best film\tgood', TSV), Reads(changed(3, 'The "best film')), ".tsv"),
    csv(
        "stray-quote-at-the-start-tsv",
        with_line(3, '"The best film\tgood', TSV),
        Reads(changed(3, '"The best film')),
        ".tsv",
    ),
    csv(
        "two-stray-quotes-tsv",
        with_line(5, '"또"\tgood', with_line(2, '"지루\tbad', TSV)),
        Reads(changed(5, '"또"', table=changed(2, '"지루'))),
        ".tsv",
    ),
    csv("inch-marks", with_line(3, '5" film,good'), Reads(changed(3, '5" film'))),
    csv("unclosed-in-a-quoted-file", with_line(4, '"Not for me, never,bad', QUOTED), bad_row(4, SKIP, table=COMMAS)),
    csv("closed-too-early", with_line(4, '"Not" for me, never,bad', QUOTED), bad_row(4, SKIP, table=COMMAS)),
    csv("unclosed-in-the-last-row", with_line(6, '"돈이, 아깝다,bad', QUOTED), bad_row(6, SKIP, table=COMMAS)),
    csv(
        "unclosed-where-values-have-lines",
        MANY_LINES.replace('다",bad\n"The', '다,bad\n"The'),
        Stops([SKIP], row=2, bad=[2], rest=without(2, table=LINED)),
    ),
    csv(
        "cut-where-values-have-lines",
        cut(MANY_LINES, "돈이 아깝다\n돈"),
        Stops([SKIP], row=6, bad=[6], rest=without(6, table=LINED)),
    ),
    csv(
        "lines-with-as-many-separators",
        "text,label\n" + "".join(f'"{t},\n{t}",{la}\n' for t, la in PAIRS),
        Reads({**ROWS, "text": [f"{t},\n{t}" for t in TEXTS]}),
    ),
    csv("backslashed-quotes", with_line(3, '"The \\"best\\" film, ever",good', QUOTED), bad_row(3, SKIP, table=COMMAS)),
    csv(
        "single-quotes",
        delimited(",", [(f"'{t}'", la) for t, la in PAIRS]),
        Reads({**ROWS, "text": [f"'{t}'" for t in TEXTS]}),
    ),
    csv("nothing-but-a-quote", with_line(4, '",bad', TSV.replace("\t", ",")), Reads(changed(4, '"'))),
    csv("empty-quotes", with_line(4, '"",bad', QUOTED), Stops('"text" is empty', row=4)),
    csv("quotes-behind-a-space", with_line(3, ' "The best film",good'), Reads(changed(3, ' "The best film"'))),
    csv("line-end-in-quotes", with_line(3, '"The\nbest, film",good'), Reads(changed(3, "The\nbest, film"))),
]

HEADERS = [
    csv("header-only", "text,label\n", Stops("no row under it")),
    csv(
        "doubled-names",
        "text,text,label\n" + "".join(f"{t},{t[::-1]},{la}\n" for t, la in PAIRS),
        Stops(["text (column 1)", "text (column 2)", "--text"]),
    ),
    csv(
        "doubled-labels",
        "text,label,label\n" + "".join(f"{t},x,{la}\n" for t, la in PAIRS),
        Stops(["label (column 2)", "--label"]),
    ),
    csv(
        "unnamed-index", ",text,label\n" + "".join(f"{at},{t},{la}\n" for at, (t, la) in enumerate(PAIRS)), Reads(ROWS)
    ),
    csv("no-names-at-all", ",,\n" + "".join(f"{t},{la},\n" for t, la in PAIRS), Reads(ROWS)),
    csv("names-in-capitals", CSV.replace("text,label", " TEXT , Label"), Reads(ROWS)),
    csv("invisible-marks-in-names", CSV.replace("text,label", "\u200btext,label\u200b"), Reads(ROWS)),
    csv("hard-space-in-names", CSV.replace("text,label", "text\xa0,\xa0label"), Reads(ROWS)),
    csv("no-header", delimited(header=None), Reads(ROWS, ["there is no header"])),
    csv("no-header-said-to-have-one", delimited(header=None), Reads(without(1)), settings={"header": True}),
    csv("numbers-for-names", CSV.replace("text,label", "0,1"), Reads(ROWS)),
    csv(
        "numbers-for-names-and-an-index",
        ",0,1\n" + "".join(f"{at},{t},{la}\n" for at, (t, la) in enumerate(PAIRS)),
        Reads(ROWS),
    ),
    csv("all-values-empty", "text,label\n,\n,\n", Stops(["is empty"], row=1)),
    csv(
        "one-column",
        "text\n" + "".join(f"{t}\n" for t in TEXTS),
        Stops(["no column was recognised as the label", "--label"]),
    ),
    csv(
        "very-many-columns",
        ",".join(f"c{i}" for i in range(WIDE))
        + ",text,label\n"
        + "".join("0," * WIDE + f"{t},{la}\n" for t, la in PAIRS[:2]),
        Reads(without(3, 4, 5, 6)),
    ),
]

ENDS = [
    csv("crlf", CSV.replace("\n", "\r\n"), Reads(ROWS)),
    csv("cr-only", CSV.replace("\n", "\r"), Reads(ROWS)),
    csv("mixed-ends", CSV.replace("\n", "\r\n", 3), Reads(ROWS)),
    csv("cr-within-a-text", with_line(3, "The\rbest film,good"), Reads(changed(3, "The\rbest film"))),
    csv("crlf-quoted", QUOTED.replace("\n", "\r\n"), Reads(COMMAS)),
    csv("unicode-ends", with_line(3, "The\u2028best\x85film\x0b,good"), Reads(changed(3, "The\u2028best\x85film\x0b"))),
    csv("form-feed", with_line(3, "The\x0cbest\x1cfilm,good"), Reads(changed(3, "The\x0cbest\x1cfilm"))),
    csv("nul-in-a-text", with_line(3, "The\0best film,good"), Reads(changed(3, "The\0best film"))),
    csv("nul-block-at-the-end", CSV + "\0" * 4096, Stops(["NUL", "cut off"])),
    csv("nul-block-in-the-middle", CSV.encode() + bytes(4096) + CSV.encode(), Stops("NUL")),
    csv("long-text", with_line(3, "가" * 2_000_000 + ",good"), Reads(changed(3, "가" * 2_000_000))),
    csv("long-quoted-text", with_line(3, '"' + "가,\n" * 500_000 + '",good'), Reads(changed(3, "가,\n" * 500_000))),
]

EMPTY = [
    *(
        csv(f"empty-{suffix[1:]}", b"", Stops("is empty"), suffix)
        for suffix in (".csv", ".tsv", ".txt", ".json", ".jsonl")
    ),
    *(
        csv(f"blank-{suffix[1:]}", " \n\t\n \r\n", Stops("is empty"), suffix)
        for suffix in (".csv", ".tsv", ".txt", ".json", ".jsonl")
    ),
    csv("only-line-ends", "\n" * 5000, Stops("the file is empty")),
    csv("only-a-mark", b"\xef\xbb\xbf", Stops("the file is empty")),
    csv("one-character", "a", Stops(["a"])),
    csv("one-separator", ",", Stops("no row under it")),
    csv("one-quote", '"', Stops("no row under it")),
    csv("only-separators", ",\n,\n,\n", Stops("the header stands here again")),
    csv("only-quotes", '""""\n""\n', Stops("recognised as the label")),
]

CASES = [*TRUNCATED, *SEPARATORS, *RAGGED, *QUOTES, *HEADERS, *ENDS, *EMPTY]
