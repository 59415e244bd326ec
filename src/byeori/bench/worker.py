"""One contestant's round in this process: a job's file in, a result's file out.

python -m byeori.bench.worker JOB.json RESULT.json
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from byeori.errors import ByeoriError
from byeori.run import read_json, write_json


def work(job: dict[str, Any]) -> dict[str, Any]:
    """What the contestant did. `job["what"]`: train, predict, generate, tokenize."""
    if job["what"] == "train":
        from byeori.bench.training import train as measured
    elif job["what"] == "predict":
        from byeori.bench.predicting import predict as measured
    elif job["what"] == "generate":
        from byeori.bench.generating import generate as measured
    else:
        from byeori.bench.tokenizing import tokenize as measured
    return measured(job)


def main(arguments: list[str]) -> int:
    """The exit code. A failure's last line says what it was."""
    job, result = map(Path, arguments)
    try:
        write_json(result, work(read_json(job)))
    except ByeoriError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
