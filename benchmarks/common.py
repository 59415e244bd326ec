"""What the benchmarks share: real short texts, workers in fresh processes, medians with their spread.

Each measurement runs in a process of its own; rounds alternate the contestants, so that a slow minute of the machine hits all.
The data lies outside the repository: set BYEORI_DATA, or keep it in ../shared/data.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("BYEORI_DATA", ROOT.parent / "shared" / "data"))


def nsmc(rows: int) -> tuple[list[str], list[str]]:
    """Korean film reviews, 2 classes; 44 MiniLM tokens a row on average."""
    from byeori.data.read import read

    table = read(str(DATA / "nsmc" / "nsmc_30k.txt")).shuffle(seed=0).select(range(rows))
    return table["text"][:], table["label"][:]


def questions(rows: int) -> tuple[list[str], list[str]]:
    """SQuAD 2.0 questions → the article they are about, 16 classes; 14 tokens a row on average."""
    articles = json.loads((DATA / "squad2" / "dev-v2.0.json").read_text(encoding="utf-8"))["data"]
    pairs = [(q["question"].strip(), a["title"]) for a in articles for p in a["paragraphs"] for q in p["qas"]]
    chosen = np.random.default_rng(0).permutation(len(pairs))[:rows]
    return [pairs[i][0] for i in chosen], [pairs[i][1] for i in chosen]


def sentences(rows: int) -> tuple[list[str], list[str]]:
    """Sentences of SQuAD 2.0's paragraphs → the article they stand in, 16 classes; mixed lengths, 30 tokens on average."""
    articles = json.loads((DATA / "squad2" / "dev-v2.0.json").read_text(encoding="utf-8"))["data"]
    cut = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")
    pairs = [(text, a["title"]) for a in articles for p in a["paragraphs"] for text in cut.split(p["context"].strip())]
    chosen = np.random.default_rng(0).permutation(len(pairs))[:rows]
    return [pairs[i][0] for i in chosen], [pairs[i][1] for i in chosen]


SETS = {"nsmc": nsmc, "questions": questions, "sentences": sentences}


def korean_bert(folder: str, width: int, layers: int, heads: int) -> str:
    """A BERT of this size with fresh weights and KoELECTRA's word pieces, as a folder; 128 tokens at most."""
    import torch
    import transformers

    words = (DATA / "tokenizer_vocabs" / "koelectra_vocab.txt").read_text(encoding="utf-8").splitlines()
    tokenizer = transformers.BertTokenizer(
        vocab={word: number for number, word in enumerate(words)}, do_lower_case=False, model_max_length=128
    )
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(words), hidden_size=width, num_hidden_layers=layers, num_attention_heads=heads,
        intermediate_size=4 * width, max_position_embeddings=128, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    transformers.BertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def measure(module: str, work: dict) -> dict:
    """Run `python -m module --worker WORK` in a fresh process; its last line of output is the result."""
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "true"}
    command = [sys.executable, "-m", module, "--worker", json.dumps(work)]
    done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=ROOT)
    if done.returncode:
        raise RuntimeError(f"{work}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def alternate(module: str, contestants: dict[str, dict], rounds: int) -> dict[str, list[dict]]:
    found: dict[str, list[dict]] = {name: [] for name in contestants}
    for turn in range(rounds):
        for name, work in contestants.items():
            one = measure(module, {**work, "seed": turn})
            found[name].append(one)
            print(f"round {turn + 1}: {name}: {one}", file=sys.stderr, flush=True)
    return found


def ratios(ours: list[dict], theirs: list[dict], key: str = "rate") -> str:
    """Ours over theirs, round by round: median (least–most)."""
    values = [a[key] / b[key] for a, b in zip(ours, theirs, strict=True)]
    return f"{statistics.median(values):.2f}× ({min(values):.2f}–{max(values):.2f})"


def median(results: list[dict], key: str) -> float:
    return statistics.median(r[key] for r in results)


def arguments(description: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--worker", help="run one contestant (used by the benchmark itself)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--set", choices=list(SETS), default="nsmc")
    parser.add_argument("--rows", type=int, default=3_000)
    parser.add_argument(
        "--precision", default="auto", choices=("auto", "float32", "bfloat16"),
        help="arithmetic of Byeori and of the tuned contestants; the tutorials' is float32",
    )  # fmt: skip
    parser.add_argument("--only", default="", help="contestants whose name holds one of these (a,b)")
    return parser
