"""Real processes that compute together, as torchrun starts them; from one that has imported everything, so that a test has not to wait for
each to do so.

done = ranks(2, "script.py", folder)            # or: python tests/together.py 2 script.py FOLDER
done = ranks(2, "-m", "byeori", "train", …)
"""

from __future__ import annotations

import os
import runpy
import signal
import socket
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import Any

WAIT = 420.0  # seconds that a process of a test may take on a busy machine
GRACE = 1.0  # seconds that the others have to say what they met
HERE = Path(__file__).parent


def ranks(number: int, script: Path | str, *arguments: Any, fails: bool = False) -> subprocess.CompletedProcess:
    path = os.pathsep.join([str(HERE.parent / "src"), str(HERE), os.environ.get("PYTHONPATH", "")])
    found = subprocess.run(
        [sys.executable, *map(str, (__file__, number, script, *arguments))], env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, timeout=WAIT,
    )  # fmt: skip
    assert bool(found.returncode) == fails, found.stdout + found.stderr
    return found


def _rank(rank: int, number: int, port: int, script: str, arguments: list[str]) -> None:
    """A child: never returns."""
    code = 1
    try:
        os.environ.update({
            "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(number), "LOCAL_WORLD_SIZE": str(number),
            "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
        })  # fmt: skip
        if script == "-m":
            sys.argv = arguments
            runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
        else:
            sys.argv = [script, *arguments]
            runpy.run_path(script, run_name="__main__")
        code = 0
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def main() -> int:
    """As torchrun does it: where one fails the others are ended."""
    import byeori.predict.pipeline
    import byeori.report.write
    import byeori.train.fit
    import byeori.train.parallel  # noqa: F401
    from quick import quick

    quick()
    number, script, *arguments = sys.argv[1:]
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    children = set()
    for rank in range(int(number)):
        child = os.fork()
        if not child:
            _rank(rank, int(number), port, script, arguments)
        children.add(child)
    failed = 0
    while children:
        child, status = os.wait()
        children.discard(child)
        if status and not failed:
            failed = 1
            time.sleep(GRACE)
            for other in children:
                os.kill(other, signal.SIGTERM)  # a zombie, where it has ended by now
    return failed


if __name__ == "__main__":
    sys.exit(main())
