"""Several processes count, one adds up; nothing that a caller writes becomes a label."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from adapters.soap.exchange import ExchangeRecord
from smt_ws.health.exchanges import outcome_of, sweep
from smt_ws.health.metrics import render
from smt_ws.health.readiness import Examined, Readiness

COUNTS = """
import sys
from pathlib import Path
from adapters.soap.exchange import ExchangeRecord
from smt_ws.health.exchanges import counting

count = counting(Path(sys.argv[1]), frozenset({"/soap/Connectivity"}))
common = {"method": "POST", "bytes_in": 100, "bytes_out": 10, "seconds": 0.02}
for _ in range(int(sys.argv[2])):
    count(ExchangeRecord("/soap/Connectivity", status=200, operation="Ping", stages={"verify": 0.5}, **common))
count(ExchangeRecord("/soap/Connectivity", status=503, fault="HUB_BUSY", waited=3.0, **common))
count(ExchangeRecord("/etc/passwd?esiid=1044372", status=404, **common))
"""


def samples(folder: Path) -> dict[str, float]:
    text = render(Examined(Readiness(()), None, [], []), folder).decode()
    return {
        f"{sample.name}{sorted(sample.labels.values())}": sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_the_counts_of_all_processes_are_added_up_and_outlive_them(tmp_path: Path) -> None:
    for times in ("2", "3"):
        subprocess.run([sys.executable, "-c", COUNTS, tmp_path, times], check=True, timeout=180)
    seen = samples(tmp_path)
    assert seen["smt_ws_soap_requests_total['Connectivity', 'Ping', 'answered']"] == 5
    assert seen["smt_ws_soap_requests_total['Connectivity', 'busy', 'none']"] == 2
    assert seen["smt_ws_soap_requests_total['none', 'none', 'refused']"] == 2
    assert seen["smt_ws_soap_faults_total['HUB_BUSY']"] == 2
    assert seen["smt_ws_soap_stage_seconds_total['verify']"] == 2.5
    assert seen["smt_ws_soap_queue_seconds_bucket['2.5']"] == 7
    assert seen["smt_ws_soap_queue_seconds_bucket['5.0']"] == 9
    assert seen["smt_ws_soap_received_bytes_total[]"] == 900
    assert not any("1044372" in name or "passwd" in name for name in seen)
    # both processes are gone: a restart begins anew
    assert list(tmp_path.glob("*.db"))
    sweep(tmp_path)
    assert not list(tmp_path.glob("*.db"))


def test_how_an_exchange_ended() -> None:
    def ended(status: int, fault: str | None = None) -> str:
        return outcome_of(ExchangeRecord("/", "POST", status, 0, 0, 0.0, fault=fault))

    assert ended(200) == "answered"
    assert ended(500, "SCHEMA_VIOLATION") == "refused"
    assert ended(415) == "refused"
    assert ended(500, "INTERNAL_ERROR") == "failed"
    assert ended(503, "HUB_BUSY") == ended(503, "DISK_LOW") == "busy"
