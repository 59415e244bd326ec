"""Freed memory stays while a model runs, and goes back afterwards: counted in pages that the kernel had to give anew."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import threading

import pytest
import torch

from byeori.models import heap
from byeori.models.products import by_onednn

PAGES = 80 << 8  # of 4 KiB, of the tensor that is counted
COUNTED = """
import json, resource, threading, torch
from byeori.models import heap

torch.set_num_threads(1)

def new_pages():
    # Where a larger one was freed just before: glibc before 2.38 takes no block for an aligned one of the same size.
    torch.ones(24 << 20)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(20 << 20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1])

found = {"before": new_pages()}
with heap.kept():
    found["inside"] = new_pages()
    with heap.kept():
        pass
    found["an inner one is over"] = new_pages()
found["after"] = new_pages()
with heap.returned(), heap.kept():
    found["returned"] = new_pages()
heap.LONG = 0.0
with heap.kept():
    torch.ones(100 << 20)
    most = resident()
found["given back"] = most - resident()
print(json.dumps(found))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of glibc alone")
def test_freed_pages_are_the_next_tensors_and_go_back():
    clean = {name: value for name, value in os.environ.items() if name not in heap.OWN}
    done = subprocess.run([sys.executable, "-c", COUNTED], capture_output=True, text=True, check=True, env=clean)
    found = json.loads(done.stdout)
    assert found["before"] > 0.9 * PAGES
    assert found["inside"] < 0.05 * PAGES > found["an inner one is over"], found
    assert found["returned"] > 0.9 * PAGES, "as the outer one says"
    assert found["given back"] > 0.9 * (400 << 8), found
    left_alone = {**clean, "GLIBC_TUNABLES": "glibc.malloc.tcache_count=7"}
    done = subprocess.run([sys.executable, "-c", COUNTED], capture_output=True, text=True, check=True, env=left_alone)
    assert json.loads(done.stdout)["inside"] > 0.9 * PAGES


class Library:
    """Counts what it is told."""

    def __init__(self):
        self.options = {}
        self.trimmed = 0

    def mallopt(self, option, value):
        self.options[option] = value

    def malloc_trim(self, pad):
        self.trimmed += 1


@pytest.fixture
def library(monkeypatch):
    found = Library()
    monkeypatch.setattr(heap, "_library", lambda: found)
    return found


def test_it_goes_on_while_another_thread_is_inside(library):
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
    assert library.options == {heap.MMAP_MAX: 0, heap.TRIM_THRESHOLD: -1}
    over.set()
    thread.join()
    assert library.options == heap.USUAL and not library.trimmed, "short work gives nothing back"


def test_a_failure_ends_it_too(library, monkeypatch):
    monkeypatch.setattr(heap, "LONG", 0.0)
    with pytest.raises(KeyError), heap.kept():
        raise KeyError
    assert heap._inside == 0 and library.options == heap.USUAL and library.trimmed == 1


@pytest.mark.parametrize("name", heap.OWN)
def test_what_its_user_has_set_stays(monkeypatch, name):
    monkeypatch.setenv(name, "1")
    heap._library.cache_clear()
    with heap.kept():
        assert heap._library() is None and heap._inside == 0
    heap._library.cache_clear()


def test_trainings_and_predictions_are_inside(tiny, tmp_path, library):
    import byeori

    seen = []

    class Look(byeori.Hook):
        def step_end(self, run, pack, outputs):
            seen.append(heap._inside)

    rows = [{"text": f"row {n}", "label": "ab"[n % 2]} for n in range(8)]
    common = {"max_steps": 2, "baselines": False, "validation_size": 0, "test_size": 0, "previews": 0}
    model = str(tiny("bert", auto="AutoModel"))
    run = byeori.train("text-classification", model, train=rows, output=str(tmp_path / "run"), hooks=[Look()], **common)
    assert seen == [1, 1] and heap._inside == 0 and library.options == heap.USUAL
    library.options.clear()
    run.predict(["row 1"])
    assert library.options == heap.USUAL


SIZES = """
import json, os, random, sys, torch
if sys.argv[1] == "bound":
    import byeori.models
torch.set_num_threads(1)
weight = torch.randn(96, 32)

def held():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("RssAnon")) / 1024

def products(sizes):
    for rows in sizes:
        torch.ops.mkldnn._linear_pointwise(torch.ones(rows, 32), weight, None, "none", [], "")

products(range(1000, 1100))
before = held()
products(range(1100, 1700))
print(json.dumps([held() - before, {name: os.environ.get(name) for name in NAMES}]))
"""


@pytest.mark.skipif(platform.system() != "Linux", reason="RssAnon is Linux's")
@pytest.mark.skipif(not by_onednn(torch.bfloat16) and not by_onednn(torch.float32), reason="no products by oneDNN")
def test_compiled_kernels_are_few_unless_their_user_says_how_many():
    names = [*heap.KERNELS, "DNNL_PRIMITIVE_CACHE_CAPACITY"]
    clean = {name: value for name, value in os.environ.items() if name not in names}

    def told(way: str, **more: str):
        code = SIZES.replace("NAMES", repr(names))
        command = [sys.executable, "-c", code, way]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env={**clean, **more})
        return json.loads(done.stdout)

    bound, set_to = told("bound")
    free, _ = told("free")
    assert bound < 0.4 * free and free > 20, (bound, free)  # MB, of 600 sizes that came once
    assert set_to == {**dict.fromkeys(heap.KERNELS, heap.FEW), "DNNL_PRIMITIVE_CACHE_CAPACITY": None}
    _, set_to = told("bound", LRU_CACHE_CAPACITY="7", DNNL_PRIMITIVE_CACHE_CAPACITY="9")
    assert set_to == {
        "LRU_CACHE_CAPACITY": "7",
        "ONEDNN_PRIMITIVE_CACHE_CAPACITY": None,
        "DNNL_PRIMITIVE_CACHE_CAPACITY": "9",
    }
