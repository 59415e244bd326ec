"""The long drill: trainings killed at 20 random moments each, ended before 100 of their renames and syncs, and met by faults of all kinds
from 50 seeds, beside ones that never were.

make drill        # or: python -m benchmarks.drill --kills 20 --points 100 --faults 50
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TESTS = Path(__file__).parents[1] / "tests"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--points", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--steps", type=int, default=60, help="updates of a training that is killed")
    parser.add_argument("--faults", type=int, default=50, help="seeds of faults at random")
    given = parser.parse_args()
    sys.path[:0] = [str(TESTS)]
    from killed import TASKS, material

    began, failed = time.monotonic(), 0
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")]),
        "OMP_NUM_THREADS": "1",
    }

    def run(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, TESTS / script, *arguments]
        return subprocess.run([*map(str, command)], env=environment, capture_output=True, text=True)

    with tempfile.TemporaryDirectory() as folder:
        done = run("faults.py", Path(folder) / "runs", "--seeds", given.faults)
        failed += done.returncode != 0
        print(done.stdout.strip() or done.stderr[-500:], flush=True)
    for task in TASKS:
        with tempfile.TemporaryDirectory() as folder:
            values = material(Path(folder), task)
            for seed in range(given.seeds):
                ways = (["--kills", given.kills, "--steps", given.steps], ["--points", given.points])
                for number, way in enumerate(ways):
                    named = ["--task", task, "--model", values["model"], "--train", values["train"], "--seed", seed]
                    done = run("killed.py", Path(folder) / f"runs-{seed}-{number}", *named, *way)
                    failed += done.returncode != 0
                    print(task, f"seed {seed}", (done.stdout.splitlines() or [done.stderr[-500:]])[-1], flush=True)
    files = [
        TESTS / "train" / f"test_{name}.py" for name in ("ranks", "ranks_failing", "launched", "disks", "shortage")
    ]
    whole = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *map(str, files)],
        env={**environment, "DRILL": "1"},
        capture_output=True,
        text=True,
    )
    failed += whole.returncode != 0
    print(whole.stdout[-2_000:], flush=True)
    said = "all as one that never was" if not failed else f"{failed} differ"
    print(f"{said} ({(time.monotonic() - began) / 60:.0f} minutes)")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
