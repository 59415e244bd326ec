"""Token stores of a training come from the cache where they are in it, and are what they would have been."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from byeori.settings import Train
from byeori.tasks import TextClassification
from byeori.text import cache
from byeori.train.prepare import prepare


def test_a_second_training_takes_the_token_ids_of_the_first(still_bert, demo_rows, notes, tmp_path, monkeypatch):
    monkeypatch.setenv("BYEORI_CACHE", str(tmp_path))
    monkeypatch.setattr(cache, "LEAST", 0)
    monkeypatch.setattr(cache, "_FREE", 0)

    def stores(**changed):
        settings = Train(model=still_bert, train=demo_rows, max_length=16, baselines=False, **changed)
        notes.notes.clear()
        found = prepare(settings, TextClassification(), notes)
        taken = [one.partition(":")[0] for one in notes.notes if "earlier run" in one]
        return found.stores, taken, [one for one in notes.notes if "were cut" in one]

    def entries() -> list[Path]:
        return sorted((tmp_path / "stores").glob("*"))

    fresh, taken, cut = stores(cache=False)
    assert not taken and cut and not entries()
    assert not stores()[1] and len(entries()) == 3
    again, taken, told = stores()
    assert taken == ["train", "validation", "test"] and told == cut
    for name, store in fresh.items():
        assert again[name].digest == store.digest and again[name].truncated == store.truncated
        assert [again[name].row(row) for row in range(len(store))] == [store.row(row) for row in range(len(store))]
    _, taken, _ = stores(seed=1)  # other rows in each part
    assert not taken and len(entries()) == 6
    other, taken, _ = stores(cache=False)
    assert not taken and np.array_equal(other["train"].input_ids, fresh["train"].input_ids) and len(entries()) == 6
