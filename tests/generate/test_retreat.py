"""Memory that runs out while texts are written: each is what it is with enough, whatever was begun again and however often."""

from __future__ import annotations

import gc
import random
import weakref
from typing import Any

import pytest
import torch
from trained import PAD, prompts, trained

from byeori.generate import plain
from byeori.generate import write as door
from byeori.generate.continuous import Continuous
from byeori.generate.decoding import Decoding
from byeori.generate.pool import Pool
from byeori.generate.write import stream, texts
from byeori.models.shortage import OutOfMemory

ERRORS = (torch.OutOfMemoryError("CUDA out of memory."), RuntimeError("DefaultCPUAllocator: can't allocate memory"))
ASKED: dict[str, dict[str, Any]] = {
    "greedy": {}, "beams": {"num_beams": 3, "num_return_sequences": 2},
    "drawn": {"do_sample": True, "generation_seed": 5, "num_return_sequences": 2},
}  # fmt: skip


class Failing:
    """Finds no memory at some of the calls in which there is more than one strand."""

    def __init__(self, monkeypatch: Any, share: float):
        self.random, self.times, self.pools, self.tried = random.Random(3), 0, list[Any](), list[int]()
        join, step, encode = Pool.join, Pool.step, Continuous._encode

        def failing(pool: Pool) -> None:
            if pool.slots > 1 and self.random.random() < share:
                self.times += 1
                self.pools.append(weakref.ref(pool))
                raise self.random.choice(ERRORS)

        def joining(pool: Pool, *given: Any) -> None:
            join(pool, *given)
            failing(pool)

        def stepping(pool: Pool, ids: torch.Tensor) -> torch.Tensor:
            assert all(one() in (None, pool) for one in self.pools), "what failed is still there"
            found = step(pool, ids)
            failing(pool)
            return found

        def encoding(engine: Continuous, strands: Any) -> None:
            encode(engine, strands)
            if len(engine.trying) > 1 and self.random.random() < share:
                raise self.random.choice(ERRORS)

        monkeypatch.setattr(Pool, "join", joining)
        monkeypatch.setattr(Pool, "step", stepping)
        monkeypatch.setattr(Continuous, "_encode", encoding)


@pytest.mark.filterwarnings("ignore:There is no memory")
@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("name", ["t5", "gpt2"])
def test_nothing_changes(name, asked, monkeypatch):
    rows, model = prompts(name, 20, seed=91), trained(name)
    decoding = Decoding(max_new_tokens=20, **ASKED[asked])
    before = texts(model, rows, decoding, pad=PAD)
    counted: list[tuple[int, int]] = []
    gc.disable()
    try:
        with monkeypatch.context() as patch:
            failing = Failing(patch, 0.2)
            after = texts(model, rows, decoding, pad=PAD, progress=lambda *said: counted.append(said))
    finally:
        gc.enable()
    assert failing.times > 1
    assert [[one.ids for one in several] for several in after] == [[one.ids for one in several] for several in before]
    total = len(rows) * (2 if asked == "drawn" else 1)
    assert counted == [(done + 1, total) for done in range(total)]


def test_by_generate(monkeypatch):
    rows, model = prompts("t5", 20, seed=91), trained("t5")
    before = texts(model, rows, Decoding(max_new_tokens=12), pad=PAD)
    rectangle, sizes = plain._rectangle, list[int]()

    def full(model, inputs, *more):
        sizes.append(len(inputs["input_ids"]))
        if sizes[-1] > 3:
            raise ERRORS[1]
        return rectangle(model, inputs, *more)

    monkeypatch.setattr(plain, "_rectangle", full)
    monkeypatch.setattr(door, "lean_of", lambda _: "a reason")
    door._said.pop(model, None)  # it is said once a model
    with pytest.warns(UserWarning, match="There is no memory on cpu for so many texts at once"):
        after = texts(model, rows, Decoding(max_new_tokens=12), pad=PAD)
    assert max(sizes) > 3 and [[one.ids for one in several] for several in after] == [
        [one.ids for one in each] for each in before
    ]
    monkeypatch.setattr(plain, "_rectangle", lambda *_: (_ for _ in ()).throw(ERRORS[0]))
    with pytest.raises(OutOfMemory, match=rf"its {len(rows[0])} tokens alone find no memory on cpu .*--num-beams"):
        texts(model, rows[:1], Decoding(max_new_tokens=12), pad=PAD)


@pytest.mark.filterwarnings("ignore:There is no memory")
def test_one_alone_is_named(monkeypatch):
    """The longest prompt never fits; the others come first, or not at all."""
    rows, model = prompts("t5", 8, seed=91), trained("t5")
    texts(model, rows[:1], Decoding(max_new_tokens=2), pad=PAD)
    longest = max(range(8), key=lambda place: len(rows[place]))
    encode = Continuous._encode

    def full(engine: Continuous, strands: Any) -> None:
        if any(one.request == longest for one in strands) and len(rows) > 1:
            raise ERRORS[0]
        encode(engine, strands)

    monkeypatch.setattr(Continuous, "_encode", full)
    with pytest.raises(OutOfMemory, match=rf"^row {longest + 1}: its {len(rows[longest])} tokens alone"):
        texts(model, rows, Decoding(max_new_tokens=4), pad=PAD)
    monkeypatch.setattr(Pool, "step", lambda *_: (_ for _ in ()).throw(ERRORS[1]))
    with pytest.raises(OutOfMemory, match=r"^row 1: its \d+ tokens alone"):
        list(stream(model, rows[longest - 1], Decoding(max_new_tokens=4), pad=PAD))
