"""Quotes and records, counted in one pass, in blocks and while bytes go by: all the same."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from byeori.data import quoting
from byeori.data.census import census, usual
from byeori.data.quoting import Watch, enclosing, layout

DATA = st.lists(
    st.sampled_from([b'"', b",", b"\n", b"\r\n", b"a", "가".encode(), b'""', b'"a, b"', b"x,1\n"]), max_size=60
)


def slow_records(data: bytes, quoted: bool) -> list[tuple[int, int, int]]:
    """(start, end, fields) of each record that is not empty, byte by byte."""
    found, start, inside, fields = [], 0, False, 1
    for at, byte in enumerate(data + b"\n"):
        if byte == 34 and quoted:
            inside = not inside
        elif byte == 44 and not inside:
            fields += 1
        elif byte == 10 and (not inside or at == len(data)):
            end = at - 1 if at > start and data[at - 1 : at] == b"\r" else at
            if end > start:
                found.append((start, end, fields))
            start, fields = at + 1, 1
    return found


@settings(max_examples=60, deadline=None)
@given(parts=DATA, quoted=st.booleans(), ends=st.booleans())
def test_records_byte_by_byte(parts, quoted, ends):
    data = b"".join(parts) + b"\n" * ends
    found = layout(data, b",", quoting=quoted)
    if quoted and b'"' not in data or not data:
        return
    rows = list(zip(found.starts.tolist(), found.ends.tolist(), found.fields.tolist(), strict=True))
    assert rows == slow_records(data, quoted)


@settings(max_examples=60, deadline=None)
@given(parts=DATA, cuts=st.lists(st.integers(1, 9), min_size=1))
def test_bytes_that_go_by(parts, cuts):
    """Fed in pieces of any size, cut inside of characters, doubled quotes and line ends."""
    data, at, turn = b"".join(parts), 0, 0
    watch = Watch(b",")
    while at < len(data):
        watch.feed(data[at : at + cuts[turn % len(cuts)]])
        at, turn = at + cuts[turn % len(cuts)], turn + 1
    watch.close()
    quotes = np.flatnonzero(np.frombuffer(data, np.uint8) == 34)
    assert watch.well_formed == quoting.well_formed(data, quotes, b",")[0]
    assert (watch.quotes, watch.newlines) == (len(quotes), data.count(b"\n"))
    assert watch.lone == (data.count(b"\r") != data.count(b"\r\n"))


@settings(max_examples=60, deadline=None)
@given(parts=DATA, size=st.integers(4, 40))
def test_a_census_decides_as_a_look_at_the_whole(parts, size, tmp_path_factory):
    data = b'text,label\n"a, b",1\n' + b"".join(parts)
    path = tmp_path_factory.mktemp("census") / "a.csv"
    path.write_bytes(data)
    found, whole = census(path, 0, b",", size), layout(data, b",")
    if found is None:
        assert not quoting.well_formed(data, np.flatnonzero(np.frombuffer(data, np.uint8) == 34), b",")[0]
        return
    assert (found.quoted, found.reason, found.blank) == (whole.quoted, whole.reason, whole.blank)
    assert found.fields.records == len(whole.starts) and found.fields.by_fields == quoting.tally(whole.fields)
    assert usual(found.fields) == int(np.bincount(whole.fields).argmax())
    cuts = set(np.append(whole.starts, len(data)).tolist())
    assert all(at in cuts or not data[:at].rsplit(b"\n", 1)[-1] for at in found.cuts)


def test_what_encloses_shows_in_the_first_rows():
    assert enclosing(b'text,label\n"a, b",1\nc,0\nd', b",").quoted
    assert enclosing(b'text,label\n"a",1\n"c",0\n', b",") is None  # so it might be text
    assert enclosing(b'text,label\n"a, b",1\nthe 5" disk,0\nb" c,0\n', b",") is None
