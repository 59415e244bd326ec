"""Real processes that compute together, as torchrun starts them.

done = torchrun(2, "script.py", folder)
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

WAIT = 420.0  # seconds that a process of a test may take on a busy machine
HERE = Path(__file__).parent


def torchrun(ranks: int, *arguments: Any, fails: bool = False, timeout: float = WAIT) -> subprocess.CompletedProcess:
    path = os.pathsep.join([str(HERE.parent / "src"), str(HERE), os.environ.get("PYTHONPATH", "")])
    found = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks), *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=timeout,
    )  # fmt: skip
    assert bool(found.returncode) == fails, found.stdout + found.stderr
    return found
