"""The long drill: trainings killed at 20 random moments each, and ended before 100 of their renames and syncs, beside one that never was.

make drill        # or: python -m benchmarks.drill --kills 20 --points 100 --seeds 3
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).parents[1] / "tests"
FAMILIES = {
    "text-classification": ("bert", "AutoModel"),
    "text-generation": ("llama", "AutoModelForCausalLM"),
    "summarization": ("t5", "AutoModelForSeq2SeqLM"),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--points", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--steps", type=int, default=60, help="updates of a training that is killed")
    given = parser.parse_args()
    sys.path[:0] = [str(TESTS)]
    from families import Family, texts

    failed = 0
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")]),
        "OMP_NUM_THREADS": "1",
    }
    for task, (family, auto) in FAMILIES.items():
        with tempfile.TemporaryDirectory() as folder:
            model = Path(folder) / "model"
            Family(family).save(model, auto=auto, dropout=0.1)
            said = (texts() * 9)[:60]
            rows = [{"text": f"{one} {n}", "label": "ab"[n % 2]} for n, one in enumerate(said)]
            if task == "summarization":
                rows = [{"source": row["text"], "target": row["text"][:20]} for row in rows]
            elif task == "text-generation":
                rows = [{"text": row["text"]} for row in rows]
            data = Path(folder) / "rows.json"
            data.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
            for seed in range(given.seeds):
                ways = (["--kills", given.kills, "--steps", given.steps], ["--points", given.points])
                for number, way in enumerate(ways):
                    place = Path(folder) / f"runs-{seed}-{number}"
                    command = [
                        TESTS / "killed.py",
                        place,
                        "--task",
                        task,
                        "--model",
                        model,
                        "--train",
                        data,
                        "--seed",
                        seed,
                        *way,
                    ]
                    done = subprocess.run(
                        [sys.executable, *map(str, command)], env=environment, capture_output=True, text=True
                    )
                    failed += done.returncode != 0
                    print(task, f"seed {seed}", (done.stdout.splitlines() or [done.stderr[-500:]])[-1], flush=True)
    print("all as one that never was" if not failed else f"{failed} differ")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
