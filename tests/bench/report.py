"""The tables that `make bench` prints."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from streams.embedded.broker import JARS
from tests.bench.bronze import Written
from tests.bench.contest import Run
from tests.bench.latency import Latency
from tests.bench.memory import Use
from tests.bench.recovery import Recovery
from tests.bench.retention import Retention
from tests.bench.views import FEW, Costs


def conditions() -> str:
    """What the numbers depend on."""
    kafka = next((re.sub(r"^kafka_[\d.]+-|\.jar$", "", jar.name) for jar in JARS.glob("kafka_2*.jar")), "?")
    model = re.search(
        r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE
    )
    return (
        f"{os.cpu_count()} cores ({model[1] if model else platform.machine()}), L2 {_l2()} each,"
        f" Kafka {kafka}, Python {platform.python_version()}"
    )


def _l2() -> str:
    """The size of the second level of the first core's cache, as the kernel writes it."""
    for cache in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*"):
        if (cache / "level").read_text(encoding="ascii").strip() == "2":
            return (cache / "size").read_text(encoding="ascii").strip().replace("K", " KiB")
    return "of unknown size"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, padded so that it can be read as text; the first column is left-aligned."""
    widths = [max(len(row[at]) for row in (header, *rows)) for at in range(len(header))]
    rule = ["-" * width if at == 0 else "-" * (width - 1) + ":" for at, width in enumerate(widths)]

    def line(cells: Sequence[str]) -> str:
        first, *rest = zip(cells, widths, strict=True)
        padded = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in rest)]
        return f"| {' | '.join(padded)} |"

    return "\n".join(line(row) for row in (header, rule, *rows))


def contest_table(results: Mapping[str, Run], labels: Mapping[str, str], against: Sequence[str]) -> str:
    """A contest's one table. Ratios are of CPU per event, to those of `against` that are right.

    Of a contestant whose result is wrong nothing is shown; why it is wrong stands below the table.
    """
    others = [name for name in against if name in results and not results[name].void]
    header = ["", "events", "events/s", "CPU µs/event", "peak RSS MiB", *(f"÷ {name}" for name in others)]
    rows = [
        [labels[name], *["void"] * (len(header) - 1)] if run.void else
        [
            labels[name], f"{run.events:,.0f}", f"{run.events_per_s:,.0f}",
            f"{run.cpu_us_per_event:.2f}", f"{run.peak_rss_mib:.0f}",
            *(f"{run.cpu_us_per_event / results[other].cpu_us_per_event:.2f}" for other in others),
        ]
        for name, run in results.items()
    ]  # fmt: skip
    voids = [f"void: {labels[name]}: {run.void}" for name, run in results.items() if run.void]
    return "\n".join([table(header, rows), *voids])


def costs_table(costs: Costs) -> str:
    """Views together beside four of them, and each alone beside the cheapest."""
    of_four = costs.together[FEW].cpu_us_per_event
    cheapest = min(run.cpu_us_per_event for run in costs.alone.values())
    together = [
        [name, f"{run.events:,.0f}", f"{run.events_per_s:,.0f}", f"{run.cpu_us_per_event:.2f}",
         f"{run.peak_rss_mib:.0f}", f"{run.cpu_us_per_event / of_four:.2f}"]
        for name, run in costs.together.items()
    ]  # fmt: skip
    alone = [
        [name, f"{run.cpu_us_per_event:.2f}", f"{run.cpu_us_per_event - cheapest:+.2f}"]
        for name, run in sorted(costs.alone.items(), key=lambda item: -item[1].cpu_us_per_event)
    ]
    header = ["views, every event", "events", "events/s", "CPU µs/event", "peak RSS MiB", "÷ four"]
    return "\n\n".join(
        [
            table(header, together),
            table(["a view alone", "CPU µs/event", "more than the cheapest"], alone),
        ]
    )


def retention_table(found: Retention) -> str:
    """What full retention takes."""
    cells = [
        f"{found.groups:,} groups a pane, 2,880 minutes, 792 hours", f"{found.feed_mib:,.0f}",
        f"{found.worker_mib:,.0f}", f"{found.worker_owns_s:.1f}", f"{found.api_mib:,.0f}",
        f"{found.api_ready_s:.1f}", f"{found.p99_ms:.1f} ({found.slowest})",
    ]  # fmt: skip
    header = [
        "full retention", "feed MiB", "worker MiB", "owns after s", "api MiB", "ready after s",
        "24 h, p99 ms",
    ]  # fmt: skip
    return table(header, [cells])


def memory_table(uses: dict[str, Use]) -> str:
    """Bytes per item of each kind."""
    rows = [
        [what, f"{use.items:,}", f"{use.traced:.0f}", f"{use.resident:.0f}"] for what, use in uses.items()
    ]
    return table(["memory", "items", "bytes/item", "bytes/item, resident"], rows)


def recovery_table(found: Recovery) -> str:
    """How long a worker takes to own its partitions."""
    cells = [
        f"{found.open_payouts:,} open payouts", f"{found.feed_records:,}", f"{found.feed_mib:.0f}",
        f"{found.recovered_s:.1f}", f"{found.start_to_owned_s:.1f}", f"{found.peak_rss_mib:.0f}",
    ]  # fmt: skip
    header = ["recovery", "feed records", "feed MiB", "recovered s", "from process start s", "peak RSS MiB"]
    return table(header, [cells])


def latency_table(found: Latency, events_per_s: int) -> str:
    """Kafka timestamp to the first answer that includes the record."""
    cells = [
        f"{events_per_s:,} events/s", f"{found.records:,}", f"{found.p50_ms:.0f}", f"{found.p99_ms:.0f}",
        f"{found.max_ms:.0f}", f"{found.worker_cores:.2f}", f"{found.api_cores:.2f}",
    ]  # fmt: skip
    header = ["latency", "records", "p50 ms", "p99 ms", "max ms", "cores of the worker", "cores of the api"]
    return table(header, [cells])


def backlog_table(found: Written, events: int) -> str:
    """What Bronze takes to write what has piled up."""
    elapsed_s, cpu_s = found.last.at_s - found.first.at_s, found.last.cpu_s - found.first.cpu_s
    cells = [
        f"{events:,} events", f"{events / elapsed_s:,.0f}", f"{cpu_s / events * 1e6:.2f}",
        f"{found.peak_rss_mib:.0f}", f"{found.objects:,}", f"{found.small:,}", f"{found.stored_mib:,.0f}",
    ]  # fmt: skip
    header = [
        "Bronze backlog", "events/s", "CPU µs/event", "peak RSS MiB", "objects", "under 1 MiB", "stored MiB",
    ]  # fmt: skip
    return table(header, [cells])
