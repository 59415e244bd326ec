"""Tokenizers of each algorithm learnt from real texts, measured on texts held out, beside vocabularies that people use.

Seconds are of the wall; what byeori's second look at the texts costs beside the library alone is told in processor time,
which other programs on the machine disturb less.

python -m benchmarks.vocabularies --sets nsmc,kaist,wikitext --size 8000
"""

from __future__ import annotations

import json
import time

from benchmarks.common import DATA, arguments, measure, nsmc
from byeori.bench.clock import peak_mb

ALGORITHMS = ("wordpiece", "bpe", "unigram", "word", "character")
BESIDE = {"nsmc": "koelectra_vocab.txt", "kaist": "koelectra_vocab.txt", "wikitext": "bert-base-cased-vocab.txt"}


def texts(name: str) -> tuple[list[str], list[str]]:
    """(texts to learn from, texts held out)."""
    if name == "nsmc":
        found, _ = nsmc(29_999)
        return found[:27_000], found[27_000:]
    if name == "kaist":
        found = _lines("ko_text/ud_kaist_sentences.txt")
        cut = len(found) * 9 // 10
        return found[:cut], found[cut:]
    return _lines("wikitext2/valid.txt"), _lines("wikitext2/test_first1500lines.txt")


def _lines(name: str) -> list[str]:
    return [line for line in (DATA / name).read_text(encoding="utf-8").split("\n") if line.strip()]


def work(job: dict) -> dict:
    """One algorithm on one set: byeori's training, its report, and how long the library alone takes."""
    import byeori

    learnt, held_out = texts(job["set"])
    made = byeori.train_tokenizer(
        learnt, algorithm=job["algorithm"], vocab_size=job["size"], validation=held_out,
        beside=str(DATA / "tokenizer_vocabs" / BESIDE[job["set"]]),
    )  # fmt: skip
    ours, theirs = made.report["tokenizers"]
    cost = made.report["training"]
    return {
        **ours, "beside": theirs, "seconds": cost["survey_seconds"] + cost["learn_seconds"], "bytes": cost["bytes"],
        "processor": again(learnt, job) / alone(learnt, made), "memory_mb": peak_mb(), "some": made.tokenizer.tokenize(held_out[0])[:24],
    }  # fmt: skip


def again(learnt: list[str], job: dict) -> float:
    """Processor seconds of byeori's training, nothing saved, next to nothing reported."""
    import byeori

    began = time.process_time()
    byeori.train_tokenizer(learnt, algorithm=job["algorithm"], vocab_size=job["size"], validation=["a"])
    return time.process_time() - began


def alone(learnt: list[str], made: object) -> float:
    """Processor seconds of the tokenizers library with the same blocks, one pass."""
    from tokenizers import Tokenizer, pre_tokenizers, trainers

    plan, backend = made.plan, made.tokenizer.backend_tokenizer  # type: ignore[attr-defined]
    common = {"vocab_size": backend.get_vocab_size(), "special_tokens": plan.tokens, "show_progress": False}
    kinds = {
        "wordpiece": lambda: trainers.WordPieceTrainer(min_frequency=2, **common),
        "bpe": lambda: trainers.BpeTrainer(
            min_frequency=2, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), **common
        ),
        "unigram": lambda: trainers.UnigramTrainer(unk_token="<unk>", **common),
    }
    trainer = kinds.get(plan.algorithm, lambda: trainers.WordLevelTrainer(**common))()
    learner = Tokenizer(type(backend.model)())
    if backend.normalizer is not None:
        learner.normalizer = backend.normalizer
    learner.pre_tokenizer = backend.pre_tokenizer
    began = time.process_time()
    learner.train_from_iterator(learnt, trainer)
    return time.process_time() - began


def row(name: str, one: dict, cost: dict | None = None) -> str:
    unknown = f"{one['unknown_tokens']:.2%} | {one['characters_known']:.2%}"
    figures = f"{one['vocabulary']:,} | {one['tokens_per_word']:.2f} | {one['tokens_per_character']:.3f} | {one['whole_words']:.1%}"
    learning = " | | |"
    if cost:
        learning = f" {cost['seconds']:.1f} | {cost['bytes'] / 1e6 / cost['seconds']:.2f} | {cost['processor']:.2f}× |"
    return f"| {name} | {figures} | {unknown} | {one['mb_per_second']:.1f} |{learning}"


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--sets", default="nsmc,kaist,wikitext")
    parser.add_argument("--size", type=int, default=8_000)
    args = parser.parse_args()
    if args.worker:
        print(json.dumps(work(json.loads(args.worker))))
        return
    for name in args.sets.split(","):
        print(f"\n{name}, {args.size:,} tokens\n")
        print("| tokenizer | vocabulary | tokens a word | tokens a character | words whole | unknown tokens | characters known | MB/s | "
              "s to learn | MB/s | of the library's processor time |")  # fmt: skip
        print("|" + "---|" * 11)
        found = {}
        for algorithm in (one for one in ALGORITHMS if not args.only or one in args.only.split(",")):
            job = {"set": name, "algorithm": algorithm, "size": args.size}
            found[algorithm] = measure("benchmarks.vocabularies", job)
            print(row(algorithm, found[algorithm], found[algorithm]), flush=True)
        print(row(BESIDE[name], next(iter(found.values()))["beside"]))
        for algorithm, one in found.items():
            print(f"{algorithm}: {' · '.join(one['some'])}")


if __name__ == "__main__":
    main()
