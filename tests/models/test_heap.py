"""Freed memory stays while a model runs, and goes back afterwards: counted in pages that the kernel had to give anew."""

from __future__ import annotations

import platform
import resource
import subprocess
import sys
import threading

import pytest
import torch

from byeori.models import heap

PAGES = (80 << 20) // resource.getpagesize()  # of the tensors below
glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of glibc alone")


@pytest.fixture(autouse=True)
def as_found(monkeypatch):
    for name in heap.OWN:
        monkeypatch.delenv(name, raising=False)
    heap._library.cache_clear()
    yield
    heap._library.cache_clear()


def new_pages() -> int:
    """What the kernel gives for a tensor of 80 MiB that is made, written and freed, where one was freed just before."""
    torch.ones(20 << 20)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(20 << 20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@glibc
def test_a_freed_tensor_is_the_next_ones():
    assert new_pages() > 0.9 * PAGES
    with heap.kept():
        assert new_pages() < 0.01 * PAGES
        with heap.kept():
            pass
        assert new_pages() < 0.01 * PAGES, "the inner one ends nothing"
    assert new_pages() > 0.9 * PAGES


@glibc
def test_it_goes_on_while_another_thread_is_inside():
    inside, over = threading.Event(), threading.Event()

    def other():
        with heap.kept():
            inside.set()
            over.wait(10)

    thread = threading.Thread(target=other)
    thread.start()
    assert inside.wait(10)
    with heap.kept():
        pass
    assert new_pages() < 0.01 * PAGES
    over.set()
    thread.join()
    assert new_pages() > 0.9 * PAGES


@glibc
def test_pages_go_back_after_long_work(monkeypatch):
    def resident() -> int:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1])

    monkeypatch.setattr(heap, "LONG", 0.0)
    with heap.kept():
        torch.ones(100 << 20)
        most = resident()
    assert most - resident() > 0.9 * (400 << 20) / resource.getpagesize()


@pytest.mark.parametrize("name", ["MALLOC_TRIM_THRESHOLD_", "LD_PRELOAD", "GLIBC_TUNABLES"])
def test_what_its_user_has_set_stays(monkeypatch, name):
    monkeypatch.setenv(name, "1")
    assert heap._library() is None
    with heap.kept():
        assert new_pages() > 0.9 * PAGES


def test_a_failure_ends_it_too():
    with pytest.raises(KeyError), heap.kept():
        raise KeyError
    assert heap._inside == 0


def test_a_training_is_inside(tiny, tmp_path):
    """And nothing of it stays with the process."""
    code = (
        "import sys, byeori, byeori.models.heap as heap\n"
        "class Look(byeori.Hook):\n"
        "    def step_end(self, run, pack, outputs): seen.append(heap._inside)\n"
        "seen = []\n"
        "rows = [{'text': f'row {n}', 'label': 'ab'[n % 2]} for n in range(8)]\n"
        "byeori.train('text-classification', sys.argv[1], train=rows, output=sys.argv[2], max_steps=2, hooks=[Look()], baselines=False)\n"
        "print(min(seen), len(seen), heap._inside)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tiny("bert", auto="AutoModel")), str(tmp_path / "run")],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.stdout.split()[-3:] == ["1", "2", "0"], done.stderr
