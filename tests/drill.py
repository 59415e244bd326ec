"""Whether tests that start processes, or fail over and over, try all they know, for which `make drill` sets DRILL=1; else a few of each.

@pytest.mark.parametrize("case", CASES if LONG else CASES[:2])
"""

import os

LONG = bool(os.environ.get("DRILL"))
