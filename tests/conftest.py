"""What the tests share: no network, one thread, tiny models of each family, the packaged MiniLM.

def test_it(tiny): folder = tiny("bert", num_labels=3)
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

# Before transformers, datasets and torch are imported by anything.
os.environ.update({"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"})
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
sys.path.insert(0, str(Path(__file__).parent))  # families.py


def pytest_runtest_setup() -> None:
    """Each test and the fixtures it makes draw the same numbers, whatever ran before them. Another SEED draws others."""
    import random

    import numpy as np
    import torch

    seed = int(os.environ.get("SEED", "0"))
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Sums in one order: numbers are compared, and other tests run beside these."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test reads or writes the cache of whoever runs them; commands they start inherit this."""
    os.environ["BYEORI_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session", autouse=True)
def quick_trainings() -> None:
    import byeori.report.write
    import byeori.train.loop  # noqa: F401
    from families import Family
    from quick import quick

    Family("bert").config(Family("bert").tokenizer())
    quick()


@pytest.fixture(scope="module", autouse=True)
def quick_collections() -> None:
    """Tests that served or exported leave a good deal imported."""
    from quick import froze

    froze(150_000)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """`tiny(family, **config)` → the folder of a tiny model and its tokenizer, made once. Tests must not write there."""
    from families import Family

    made: dict[str, Path] = {}

    def folder(name: str, **values) -> Path:
        key = f"{name} {sorted(values.items(), key=str)}"
        if key not in made:
            made[key] = Family(name).save(tmp_path_factory.mktemp(name), **values)
        return made[key]

    return folder


@pytest.fixture(scope="session")
def minilm() -> Path:
    """The packaged MiniLM: a real pretrained checkpoint, a body without a head."""
    from byeori.demo import model_folder

    return model_folder()


@pytest.fixture(scope="session")
def sample_texts() -> list[str]:
    """English and Korean texts from 1 to some 100 characters, and a few long ones, in no order of length."""
    from families import texts

    found = list(texts()[:40]) + ["가", "?", "ok", "네."]
    found += [" ".join(texts()[i : i + 4]) for i in range(0, 24, 6)]
    return [found[(7 * i) % len(found)] for i in range(len(found))]
