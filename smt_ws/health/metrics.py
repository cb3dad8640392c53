"""``/metrics`` in the text format of Prometheus: figures of the store, and what this machine's processes counted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from smt_ws.health.figures import Figures
from smt_ws.health.readiness import Examined, State

__all__ = ["CONTENT_TYPE", "render"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def render(seen: Examined, counted: Path) -> bytes:
    """Write what was *seen*, and what was *counted* in that folder, as text; what could not be seen is left out."""
    registry = CollectorRegistry()
    registry.register(_Gauges(seen))
    if counted.is_dir():
        MultiProcessCollector(registry, path=str(counted))  # type: ignore[no-untyped-call]
    return generate_latest(registry)


class _Gauges(Collector):
    def __init__(self, seen: Examined) -> None:
        self._seen = seen

    def collect(self) -> Iterator[Metric]:
        """Yield the gauges of one look."""
        seen, ranks = self._seen, list(State)
        yield GaugeMetricFamily("smt_ws_ready", "1 while requests should be sent here", int(seen.readiness.ready))
        worst: dict[str, float] = {}
        for check in seen.readiness.checks:
            worst[check.name] = max(worst.get(check.name, 0), ranks.index(check.state))
        yield _family("smt_ws_check", "How each check of /readyz stands: 0 ok, 1 warn, 2 fail", "check", worst)
        free = {str(disk.folder): float(disk.free) for disk in seen.disks}
        yield _family("smt_ws_disk_free_bytes", "Free space where the hub writes", "folder", free)
        ends = GaugeMetricFamily(
            "smt_ws_certificate_end_seconds",
            "When a certificate of the hub ends (Unix time)",
            labels=["setting", "subject"],
        )
        for one in seen.endings:
            ends.add_metric([one.setting, one.subject], one.ends_at.timestamp())
        yield ends
        if seen.figures is not None:
            yield from _of_the_store(seen.figures)


def _of_the_store(figures: Figures) -> Iterator[Metric]:
    yield _family("smt_ws_orders", "Orders by status", "status", figures.orders)
    yield _family("smt_ws_parts", "Parts of orders that are not finished, or failed", "state", figures.parts)
    yield _family("smt_ws_outbox_waiting", "Effects that wait, by kind", "kind", figures.outbox_waiting)
    yield _family("smt_ws_outbox_dead", "Effects that were given up, by kind", "kind", figures.dead_letters)
    for name, text, value in (
        (
            "smt_ws_oldest_pending_order_seconds",
            "Since when the oldest order waits to be begun",
            figures.oldest_pending,
        ),
        ("smt_ws_oldest_due_effect_seconds", "Since when the oldest effect is due", figures.oldest_due),
        ("smt_ws_scheduler_silent_seconds", "Since the scheduler's last sign of life", figures.clock_silent),
        ("smt_ws_audit_sealed_lines", "Lines of the audit log that are sealed", figures.audit_sealed),
        ("smt_ws_audit_unsealed_lines", "Lines that wait to be sealed", figures.audit_unsealed),
    ):
        if value is not None:
            yield GaugeMetricFamily(name, text, value)


def _family(name: str, text: str, label: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family
