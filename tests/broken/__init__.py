"""The battery of broken files: a table of cases, each made from small good files.

from broken import CASES
"""

from broken import delimited, encodings, objects, packed, places, tables, tasks
from broken.case import Case

TABLES = {
    "delimited": delimited.CASES,
    "encoding": encodings.CASES,
    "json": objects.CASES,
    "packed": packed.CASES,
    "table": tables.CASES,
    "place": places.CASES,
    "task": tasks.CASES,
}
CASES: dict[str, Case] = {f"{kind}-{case.name}": case for kind, cases in TABLES.items() for case in cases}
