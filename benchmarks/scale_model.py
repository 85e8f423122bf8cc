"""A model of the bounds of a build of any size: requests, batches, money, bytes and CPU.

usage: python -m benchmarks.scale_model

`Costs` holds the cost of one document. Its local part is printed by `benchmarks.full_scale` in its
last line; its paid part consists of the published dataset's shares, tokens and prices, as declared
in specs/qwen3.5-9b.yaml. Everything except fixed sizes is linear in documents. docs/scale.md shows
the table that this prints.
"""

from __future__ import annotations

from dataclasses import dataclass

SIZES = (36_997, 1_000_000, 100_000_000)


@dataclass(frozen=True)
class Costs:
    """Costs of one document, unless noted otherwise.

    `built`: share of written slots that become rows; `asked`: share of those with requests, in the
    published dataset. `cpu_ms`: local stages with replies in the log; `serial_ms`: the part of one
    process alone (ingest, commits, statistics, locks). Bytes are on disk, compressed.
    `body_bytes`, `tokens`, `price`: of a call of the generator, the answerer and the judge, at 4.2
    bytes a token; US dollars per million tokens, batched. `ids_us`, `id_bytes`: planning and memory
    for the index of ids.
    """

    slots: int = 16
    written: int = 6
    built: float = 0.909
    asked: float = 0.850605
    rollouts: int = 5
    cpu_ms: float = 41.2
    serial_ms: float = 1.7
    store_bytes: int = 33_000
    log_bytes: int = 24_200
    parquet_bytes: int = 8_400
    body_bytes: tuple[int, int, int] = (29_400, 5_460, 1_680)
    tokens: tuple[tuple[int, int], ...] = ((7000, 10_500), (1300, 80), (400, 5))
    price: tuple[float, float] = (0.5, 2.5)
    batch_requests: int = 100_000
    batch_bytes: int = 250_000_000
    queue_requests: int = 200_000
    turnaround_hours: float = 1.0
    plan_us_per_step: float = 250.0
    ids_us: float = 3.0
    id_bytes: int = 600
    shard_docs: int = 512
    rounds: int = 3


@dataclass(frozen=True)
class Bounds:
    """Resources of a build of `documents` documents."""

    documents: int
    rows: int
    requests: int
    batches: int
    usd: float
    queue_days: float
    cpu_hours: float
    serial_hours: float
    store_gb: float
    log_gb: float
    parquet_gb: float
    steps: int
    plan_seconds: float
    ids_gb: float


def bounds(documents: int, costs: Costs) -> Bounds:
    """Compute the bounds of a build."""
    probes = documents * costs.written * costs.asked
    calls = (documents, probes * costs.rollouts, probes * costs.rollouts)
    batches = sum(
        max(-(-int(n) // costs.batch_requests), -(-int(n * body) // costs.batch_bytes))
        for n, body in zip(calls, costs.body_bytes, strict=True)
    )
    usd = sum(
        n * (read * costs.price[0] + written * costs.price[1]) / 1e6
        for n, (read, written) in zip(calls, costs.tokens, strict=True)
    )
    requests = int(sum(calls))
    # Seven stages on shards and one on rounds, with ingest and release.
    shards = costs.rounds * -(-documents // (costs.rounds * costs.shard_docs))
    steps = 7 * shards + costs.rounds + 2
    rows = documents * (costs.slots - costs.written * (1 - costs.built))
    return Bounds(
        documents,
        int(rows),
        requests,
        batches,
        usd,
        requests / costs.queue_requests * costs.turnaround_hours / 24,
        documents * costs.cpu_ms / 3.6e6,
        documents * costs.serial_ms / 3.6e6,
        documents * costs.store_bytes / 1e9,
        documents * costs.log_bytes / 1e9,
        documents * costs.parquet_bytes / 1e9,
        steps,
        (steps * costs.plan_us_per_step + documents * costs.ids_us) / 1e6,
        documents * costs.id_bytes / 1e9,
    )


def rows(costs: Costs) -> list[tuple[str, ...]]:
    """Return the table: one row per bound, one column per size."""
    found = [bounds(size, costs) for size in SIZES]

    def row(name: str, form: str, field: str) -> tuple[str, ...]:
        return (name, *(format(getattr(each, field), form) for each in found))

    return [
        row("documents", ",", "documents"),
        row("rows", ",", "rows"),
        row("requests", ",", "requests"),
        row("batches", ",", "batches"),
        row("US dollars", ",.0f", "usd"),
        row("days in the provider's queue, at an hour a batch", ",.1f", "queue_days"),
        row("CPU hours of the local stages", ",.1f", "cpu_hours"),
        row("of these in one process", ",.2f", "serial_hours"),
        row("GB of the store", ",.1f", "store_gb"),
        row("GB of the response log", ",.1f", "log_gb"),
        row("GB of published files", ",.2f", "parquet_gb"),
        row("steps", ",", "steps"),
        row("seconds to plan them", ",.1f", "plan_seconds"),
        row("GB of memory for the index of ids", ",.2f", "ids_gb"),
    ]


def markdown(costs: Costs) -> str:
    """Format the table as docs/scale.md shows it."""
    head, *rest = rows(costs)
    lines = ["| " + " | ".join(head) + " |", "|---" + "|---:" * len(SIZES) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(each) + " |" for each in rest)])


def main() -> None:
    """Print the table."""
    print(markdown(Costs()))


if __name__ == "__main__":
    main()
