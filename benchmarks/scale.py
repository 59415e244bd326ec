"""How long the slowest rank of an update computes beside the mean, for real lengths and 2 to 512 ranks. A simulation: no rank runs.

Every way of sharing sees the same rows: an epoch drawn, with one seed, from the token lengths of a set, of which 50 updates are
looked at. What a rank computes is counted in tokens. "In order": equally many rows a rank, as a DistributedSampler gives them.
"Trainer": rows padded to the longest of their rank, in random order, or grouped by length as transformers' LengthGroupedSampler and
accelerate deal them, a batch a rank. "Balanced": byeori.batches.ranks.share. A cell is the slowest rank over the mean,
median and (95th percentile) over updates; "idle" is the share of all rank-seconds that ranks wait for the slowest at each update.

    python -m benchmarks.scale
    python -m benchmarks.scale --rebalance      # transformers' BatchRebalanceSampler beside it
    python -m benchmarks.scale --seconds        # whether tokens say how long a share takes: processor seconds of MiniLM's gradients
    python -m benchmarks.scale --measure        # what order and sharing take at ten billion rows, and the tokenizing of documents
"""

from __future__ import annotations

import argparse
import json
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks.common import DATA, nsmc
from byeori.batches.order import MEGA_BATCHES, Order, permute
from byeori.batches.ranks import share
from byeori.text.store import Encoded, TokenStore

RANKS = (2, 8, 64, 512)
A_RANK = 32  # rows
FIXED = (256, 4_096)  # rows an update, whatever the ranks
UPDATES = 50
EVEN = 4_608  # tokens: 6 × the hidden size of BERT-base
BILLIONS = 10**10


# lengths ------------------------------------------------------------------------------------------------------------
def _encoded(vocabulary: str, texts: list, max_length: int, stride: int = 0) -> np.ndarray:
    """Tokens of each text or pair, special ones included, windows of a long pair's second text one by one."""
    from tokenizers import BertWordPieceTokenizer

    tokenizer = BertWordPieceTokenizer(str(DATA / "tokenizer_vocabs" / vocabulary), lowercase=False)
    tokenizer.enable_truncation(max_length, stride=stride, strategy="only_second" if stride else "longest_first")
    found = tokenizer.encode_batch(texts)
    return np.array([len(one) for whole in found for one in (whole, *(whole.overflowing if stride else ()))], np.int64)


def reviews() -> np.ndarray:
    return _encoded("koelectra_vocab.txt", nsmc(29_999)[0], 512)


def pairs() -> np.ndarray:
    lines = [
        line.split("\t")
        for name in ("xnli.dev.ko.tsv", "xnli.test.ko.tsv")
        for line in (DATA / "kornli" / name).read_text(encoding="utf-8").splitlines()[1:]
    ]
    return _encoded("koelectra_vocab.txt", [(one[0], one[1]) for one in lines], 512)


def windows() -> np.ndarray:
    articles = json.loads((DATA / "squad2" / "dev-v2.0.json").read_text(encoding="utf-8"))["data"]
    asked = [(q["question"], p["context"]) for a in articles for p in a["paragraphs"] for q in p["qas"]]
    return _encoded("bert-base-cased-vocab.txt", asked, 384, stride=128)


def paragraphs() -> np.ndarray:
    text = (DATA / "wikitext2" / "valid.txt").read_text(encoding="utf-8")
    return _encoded("bert-base-cased-vocab.txt", [line for line in text.split("\n") if line.strip()], 512)


def lognormal(mean: float, sigma: float, most: int) -> np.ndarray:
    drawn = np.random.default_rng(0).lognormal(mean, sigma, 100_000)
    return np.clip(np.rint(drawn), 1, most).astype(np.int64)


SETS: dict[str, Callable[[], np.ndarray]] = {
    "NSMC": reviews,
    "KorNLI pairs": pairs,
    "SQuAD 2 windows of 384": windows,
    "WikiText-2 paragraphs": paragraphs,
    "lognormal (3.5, 0.8), cut at 512": lambda: lognormal(3.5, 0.8, 512),
    "lognormal (6.4, 1.0), cut at 8,192": lambda: lognormal(6.4, 1.0, 8_192),
}


# sharing ------------------------------------------------------------------------------------------------------------
@dataclass
class Shared:
    """`computed` tokens of each rank, (updates, ranks); `real`, those that are no padding."""

    computed: np.ndarray
    real: np.ndarray

    @property
    def imbalance(self) -> np.ndarray:
        """(updates,): the slowest rank over the mean."""
        return self.computed.max(1) / self.computed.mean(1)

    @property
    def idle(self) -> float:
        """Of all rank-seconds, those that are waited."""
        return float(1 - self.computed.mean(1).sum() / self.computed.max(1).sum())

    @property
    def beside_ideal(self) -> float:
        """Seconds beside those of ranks that all compute equally much, and no padding."""
        return float(self.computed.max(1).sum() / self.real.mean(1).sum())


def epoch(lengths: np.ndarray, batch: int, updates: int, seed: int = 0) -> np.ndarray:
    """Lengths of an epoch's rows, drawn from a set: so many that as many batches are sorted together as in a large set."""
    return np.random.default_rng(seed).choice(lengths, 4 * max(MEGA_BATCHES, updates) * batch)


def ours(rows: np.ndarray, batch: int, updates: int, mode: str) -> Iterator[np.ndarray]:
    """Lengths of each update as byeori.batches.order has it."""
    order = Order(len(rows), batch, seed=0, mode=mode, lengths=lambda some: rows[some])
    return (rows[order.batch(0, step)] for step in range(updates))


def in_order(updates: Iterator[np.ndarray], ranks: int, padded: bool = False) -> Shared:
    """The first of every `ranks` rows to rank 0, and so on."""
    computed, real = [], []
    for update in updates:
        parts = [update[rank::ranks] for rank in range(ranks)]
        real.append([int(part.sum()) for part in parts])
        computed.append([len(part) * int(part.max(initial=0)) for part in parts] if padded else real[-1])
    return Shared(np.array(computed), np.array(real))


def balanced(
    updates: Iterator[np.ndarray], ranks: int, costs: Callable[[np.ndarray], np.ndarray] = lambda x: x
) -> Shared:
    """Shared by `costs` of the lengths, counted in tokens."""
    real = [[int(update[part].sum()) for part in share(costs(update), ranks)] for update in updates]
    return Shared(np.array(real), np.array(real))


def grouped_by_trainer(rows: np.ndarray, batch: int) -> np.ndarray:
    """Rows in random order → as LengthGroupedSampler has them: mega-batches of 50 × batch, each sorted, the longest first."""
    size = max(1, min(MEGA_BATCHES, len(rows) // (4 * batch))) * batch
    return np.concatenate([-np.sort(-rows[first : first + size], kind="stable") for first in range(0, len(rows), size)])


def trainer(rows: np.ndarray, batch: int, ranks: int, updates: int, grouped: bool) -> Shared:
    """Each rank's batch, of batch / ranks rows, padded to its longest; a batch a rank in turn, as accelerate deals them."""
    a_rank = batch // ranks
    mixed = rows[permute(np.arange(len(rows)), len(rows), 0, 0)]
    taken = (grouped_by_trainer(mixed, a_rank) if grouped else mixed)[: updates * batch].reshape(updates, ranks, a_rank)
    return Shared(taken.max(2) * a_rank, taken.sum(2))


def ways(lengths: np.ndarray, batch: int, ranks: int, updates: int) -> dict[str, Shared]:
    rows = epoch(lengths, batch, updates)
    found = {}
    if batch % ranks == 0:  # a Trainer gives every rank as many rows
        found["Trainer, random"] = trainer(rows, batch, ranks, updates, grouped=False)
        found["Trainer, grouped"] = trainer(rows, batch, ranks, updates, grouped=True)
    for mode in ("random", "grouped"):
        found[f"{mode}, in order"] = in_order(ours(rows, batch, updates, mode), ranks)
        found[f"{mode}, balanced"] = balanced(ours(rows, batch, updates, mode), ranks)
    return found


WAYS = (
    "Trainer, random", "Trainer, grouped", "random, in order", "grouped, in order", "random, balanced", "grouped, balanced",
)  # fmt: skip


# tables -------------------------------------------------------------------------------------------------------------
def line(names: list[str], cells: list[str]) -> str:
    return "| " + " | ".join([*names, *cells]) + " |"


def imbalance(one: Shared | None) -> str:
    if one is None:
        return "–"
    return f"{np.median(one.imbalance):.2f} ({np.quantile(one.imbalance, 0.95):.2f})"


def tables(sets: dict[str, np.ndarray], updates: int) -> None:
    heads = ["set", "rows an update", "ranks", *WAYS]
    print(line(heads, []) + "\n|" + "---|" * len(heads))
    last: dict[str, dict[str, Shared]] = {}
    for name, lengths in sets.items():
        for batch, ranks in dict.fromkeys(
            [*((A_RANK * r, r) for r in RANKS), *((b, r) for b in FIXED for r in RANKS[1:])]
        ):
            found = ways(lengths, batch, ranks, updates)
            cells = [imbalance(found.get(way)) for way in WAYS]
            print(line([name, f"{batch:,}", str(ranks)], cells), flush=True)
            if batch == A_RANK * RANKS[-1]:
                last[name] = found
    print(f"\n{RANKS[-1]} ranks, {A_RANK} rows each: idle; seconds beside the ideal (equal ranks, no padding)\n")
    print(line(["set", *WAYS], []) + "\n|" + "---|" * (len(WAYS) + 1))
    for name, found in last.items():
        print(line([name], [f"{found[way].idle:.1%}; {found[way].beside_ideal:.2f}×" for way in WAYS]))
    print(f"\nAttention counted ({EVEN:,} tokens: as much as all else), slowest rank over the mean\n")
    heads = ["set", "ranks", "shared by tokens", "shared by tokens and attention"]
    print(line(heads, []) + "\n|" + "---|" * len(heads))
    for name, lengths in sets.items():
        for ranks in RANKS[1:3]:
            rows = epoch(lengths, A_RANK * ranks, updates)
            cells = []
            for costs in (lambda tokens: tokens, attention):
                found = [
                    [int(attention(update[part]).sum()) for part in share(costs(update), ranks)]
                    for update in ours(rows, A_RANK * ranks, updates, "random")
                ]
                cells.append(imbalance(Shared(np.array(found), np.array(found))))
            print(line([name, str(ranks)], cells), flush=True)


def attention(tokens: np.ndarray) -> np.ndarray:
    return tokens * EVEN + tokens * tokens


def rebalance(sets: dict[str, np.ndarray], updates: int = 3) -> None:
    """What transformers does about it: groups of unequal size, cut from the sorted rows until their rectangles cost alike."""
    from transformers.trainer_pt_utils import BatchRebalanceSampler

    heads = ["set", "rows an update", "ranks", "padded, beside the ideal", "s an update", "shared here", "s an update"]
    print(line(heads, []) + "\n|" + "---|" * len(heads))
    for name, lengths in sets.items():
        for ranks in RANKS[1:]:
            batch, computed, real, taken, here = A_RANK * ranks, [], [], [], []
            for update in ours(epoch(lengths, batch, updates), batch, updates, "random"):
                sampler = BatchRebalanceSampler(update.tolist(), batch, ranks, 1)
                sampler.QUADRATIC_COST_COEF = 0.0  # so that it balances the tokens that are counted here
                began = time.process_time()
                parts = sampler._assign(list(range(batch)), update.tolist())
                taken.append(time.process_time() - began)
                began = time.process_time()
                shared = share(update, ranks)
                here.append(
                    (
                        time.process_time() - began,
                        max(int(update[part].sum()) for part in shared) * ranks / update.sum(),
                    )
                )
                computed.append([len(rows) * int(update[rows].max()) for (rows,) in parts])
                real.append([int(update[rows].sum()) for (rows,) in parts])
            found = Shared(np.array(computed), np.array(real))
            quick, beside = np.median(here, axis=0)
            cells = [f"{found.beside_ideal:.2f}×", f"{np.median(taken):.3f}", f"{beside:.2f}×", f"{quick:.4f}"]
            print(line([name, f"{batch:,}", str(ranks)], cells), flush=True)


def timed(updates: int = 6, ranks: int = 8) -> None:
    """Forward and backward of each share of an update, one after the other in this process; tokens beside seconds."""
    import byeori
    from byeori.batches.loader import Batch, Packing
    from byeori.demo import model_folder

    task = byeori.tasks.find("text-classification")(labels=["a", "b"])
    model, tokenizer = byeori.load(str(model_folder()), task)
    texts = nsmc(A_RANK * ranks * updates)[0]
    store = byeori.encode(
        byeori.read([{"text": one, "label": "ab"[i % 2]} for i, one in enumerate(texts)]), task, tokenizer
    )
    order = Order(len(store), A_RANK * ranks, 0, "random")
    model.train()
    print(
        "| rows shared | slowest over mean, tokens | slowest over mean, processor seconds | seconds of all ranks |\n|---|---|---|---|"
    )
    for name in ("in order", "balanced"):
        tokens, taken = [], []
        for step in range(updates):
            rows = order.batch(0, step)
            lengths = store.lengths(rows)
            parts = share(lengths, ranks) if name == "balanced" else np.arange(len(rows)).reshape(-1, ranks).T
            tokens.append([int(lengths[part].sum()) for part in parts])
            taken.append([])
            for part in parts:
                began = time.process_time()
                for pack in Batch(store, rows[part], Packing()):
                    task.losses(task.outputs(model, pack), pack).sum().backward()
                model.zero_grad()
                taken[-1].append(time.process_time() - began)
        said, felt = (Shared(np.array(one), np.array(one)) for one in (tokens, taken))
        print(line([name], [imbalance(said), imbalance(felt), f"{np.sum(taken):.1f}"]), flush=True)


# measurements -------------------------------------------------------------------------------------------------------
def seconds(work: Callable[[], object], times: int = 5) -> float:
    """The processor's, the median of a few."""
    taken = []
    for _ in range(times):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return float(np.median(taken))


def measure() -> None:
    """Processor seconds on this machine of what every rank does for itself, at ten billion rows; lengths are made, not read."""
    batch = A_RANK * RANKS[-1]
    made = lambda rows: (np.asarray(rows, np.int64) * 7_919) % 509 + 4  # noqa: E731
    order = Order(BILLIONS, batch, 0, "random")
    print(f"an update of {batch:,} of {BILLIONS:,} rows, random order: {seconds(lambda: order.batch(1, 7)):.4f} s")
    whole = seconds(lambda: Order(BILLIONS, batch, 0, "grouped", made).batch(1, 7), 3)
    print(f"the {MEGA_BATCHES} updates of a mega-batch, grouped: {whole:.3f} s, {whole / MEGA_BATCHES:.4f} s an update")
    update = np.clip(np.rint(np.random.default_rng(0).lognormal(3.5, 0.8, batch)), 1, 512).astype(np.int64)
    print(f"sharing it among {RANKS[-1]} ranks: {seconds(lambda: share(update, RANKS[-1])):.4f} s")
    tracemalloc.start()
    Order(BILLIONS, batch, 0, "grouped", made).batch(1, 7)
    print(f"memory of a mega-batch, at most: {tracemalloc.get_traced_memory()[1] / 1e6:.0f} MB")
    tracemalloc.stop()
    ids = np.arange(1 << 25, dtype=np.int32)
    digest = seconds(lambda: TokenStore.of(Encoded(ids, np.array([len(ids)]), {}), {}).digest, 3)
    print(f"the store's digest, that a checkpoint holds: {ids.nbytes / digest / 1e9:.2f} GB a second")
    from tokenizers import BertWordPieceTokenizer
    from transformers import PreTrainedTokenizerFast

    from byeori.text.blocks import encode_documents

    words = str(DATA / "tokenizer_vocabs" / "bert-base-cased-vocab.txt")
    backend = BertWordPieceTokenizer(words, lowercase=False)._tokenizer
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, cls_token="[CLS]", sep_token="[SEP]")
    text = (DATA / "wikitext2" / "valid.txt").read_text(encoding="utf-8")
    documents = [one for one in text.split("\n") if one.strip()]
    size = sum(len(one.encode()) for one in documents)
    taken = seconds(lambda: encode_documents(tokenizer, documents, 512), 3)
    tokens = len(encode_documents(tokenizer, documents, 512).input_ids)
    print(
        f"documents to blocks: {size / taken / 1e6:.2f} MB and {tokens / taken:,.0f} tokens a second; {size / tokens:.2f} bytes a token"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", default="", help="those whose name holds one of these (a,b)")
    parser.add_argument("--updates", type=int, default=UPDATES)
    parser.add_argument("--measure", action="store_true")
    parser.add_argument("--rebalance", action="store_true")
    parser.add_argument("--seconds", action="store_true")
    given = parser.parse_args()
    if given.measure or given.seconds:
        return measure() if given.measure else timed()
    wanted = [name for name in SETS if any(part in name for part in given.sets.split(","))]
    sets = {name: SETS[name]() for name in wanted}
    for name, lengths in sets.items():
        quarters = np.quantile(lengths, [0.5, 0.95]).round().astype(int)
        print(
            f"{name}: {len(lengths):,} rows, {lengths.mean():.0f} tokens, half {quarters[0]}, 95% {quarters[1]}, most {lengths.max():,}"
        )
    print()
    return rebalance(sets) if given.rebalance else tables(sets, given.updates)


if __name__ == "__main__":
    main()
