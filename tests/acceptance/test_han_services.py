"""HANProvisioning and HANMessaging by a REP's and a TDSP's programs over the wire (H1, H4-H9).

Thin on purpose: every rule is tested beside its use case. Here zeep reads the served WSDLs, signs, calls the running
hub over mutual TLS and verifies its answers.
"""

from __future__ import annotations

import csv
import io
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import zeep
from lxml import etree

from smt_ws.clock import SystemClock
from smt_ws.han.message_log import COLUMNS

PECAN, BLUEBONNET, TDSP = "111111111", "222222222", "4444444440000"
NOBODY = "10443729999999999"
DEVICE, CODE = "00:0D:6F:00:0A:BC:DE:F0", "83FE-D340-7A93-9723-97FC"
PLAIN = "000D6F000ABCDEF0"


@pytest.fixture(scope="module")
def home(hub: Any) -> dict[str, str]:
    """An ESI ID that Pecan serves, where no device is or was, and its meter."""
    rep = hub.requester()
    rows = [line.split(",") for line in hub.market.rep_of_record.read_text().splitlines()]
    switched = set(hub.market.special.switched)
    served = [row[0] for row in rows if row[1] == PECAN and row[0] not in switched]
    known = rep.client("HANProvisioning").service.GetDevices(**rep.header("known"), esiid=served)
    taken = {device.esiid for device in known.device}
    meters = rep.client("MeterInformation").service.GetMeterInformation(**rep.header("meters"), esiid=served)
    one = next(meter for meter in meters.meter if meter.esiid not in taken)
    return {"esiid": one.esiid, "meterSerialNumber": one.meterSerialNumber}


def now(hub: Any) -> datetime:
    return SystemClock(timedelta(seconds=hub.settings.clock_shift_seconds)).now()


def test_a_device_and_messages_to_it_over_the_wire(hub: Any, home: dict[str, str], tmp_path: Path) -> None:
    rep, tdsp = hub.requester(), hub.requester(TDSP)
    devices, messages = rep.client("HANProvisioning").service, rep.client("HANMessaging").service
    posts = tdsp.client("TDSPCallback").service
    wanted = home | {"deviceMACAddr": DEVICE, "deviceType": "PCT"}
    with pytest.raises(zeep.exceptions.Fault, match="INSTALL_CODE_CRC") as refused:
        devices.ProvisionDevice(**rep.header("add"), **wanted, installCode="1122334455667788FFFF")
    assert "1122334455667788" not in str(refused.value.message)
    with pytest.raises(zeep.exceptions.Fault, match="SCHEMA_VIOLATION") as refused:
        devices.ProvisionDevice(**rep.header("add"), **wanted, installCode="1122334455667788" * 4)
    told = etree.tostring(refused.value.detail).decode()
    assert "installCode" in told
    assert "1122334455667788" not in told
    with pytest.raises(zeep.exceptions.Fault, match="NO_DEVICE: "):
        messages.SendTextMessage(**rep.header("text"), messageText="Peak day", esiid=[home["esiid"]])
    asked = devices.ProvisionDevice(**rep.header("add"), **wanted, installCode=CODE)
    assert asked.status == "ADD_ACKNOWLEDGED"
    again = devices.ProvisionDevice(**rep.header("add"), **wanted, installCode=CODE)
    assert (again.repeated, again.requestId) == (True, asked.requestId)
    with pytest.raises(zeep.exceptions.Fault, match="DEVICE_THERE_ALREADY"):
        devices.ProvisionDevice(**rep.header("add again"), **wanted, installCode=CODE)
    other = hub.requester(BLUEBONNET)
    with pytest.raises(zeep.exceptions.Fault, match="NO_DEVICE_AGREEMENT"):
        other.client("HANProvisioning").service.DeprovisionDevice(
            **other.header("theirs"), **home, deviceMACAddr=DEVICE
        )

    told = posts.PostProvisioningStatus(
        **tdsp.header("posts"),
        post=[
            {"requestId": asked.requestId, "esiid": home["esiid"], "statusCode": code, "statusTimestamp": now(hub)}
            for code in ("METER_READY", "ADDED", "EXPLODED")
        ],
    )
    assert [one.code for one in told.answer] == ["ACCEPTED", "ACCEPTED", "UNKNOWN_STATUS"]
    found = devices.GetDevices(**rep.header("get"), esiid=[home["esiid"], NOBODY], deviceMACAddr=DEVICE)
    (device,) = found.device
    assert (device.deviceMACAddr, device.status, device.statusText) == (PLAIN, "DEVICE_ADDED", "Device Added")
    assert [entry.event for entry in device.history] == ["ADD_ASKED", "METER_READY", "ADDED"]
    assert [(one.esiid, one.code) for one in found.refused] == [(NOBODY, "ESIID_UNKNOWN")]
    assert CODE.replace("-", "") not in str(found)

    text = messages.SendTextMessage(
        **rep.header("text"), messageText="Ahorre energía", durationMinutes=30, esiid=[home["esiid"], NOBODY]
    )
    assert (text.esiidsAsked, text.esiidsReached, text.refused[0].code) == (2, 1, "ESIID_UNKNOWN")
    assert (text.endTime - now(hub)) < timedelta(minutes=31)
    event = {"criticalityLevel": 2, "coolingOffset": Decimal("2.0"), "esiid": [home["esiid"]]}
    with pytest.raises(zeep.exceptions.Fault, match="DURATION_OUT_OF_RANGE"):
        messages.SendLoadControlEvent(**rep.header("event"), durationMinutes=1441, **event)
    later = now(hub).replace(microsecond=0) + timedelta(hours=2)
    sent = messages.SendLoadControlEvent(**rep.header("event"), durationMinutes=1440, startTime=later, **event)
    assert sent.startTime == later
    price = messages.SendPrice(
        **rep.header("price"), providerId=111111111, price=Decimal("0.1875"), rateLabel="PEAK", esiid=[home["esiid"]]
    )
    ended = messages.CancelAllLoadControlEvents(**rep.header("all"), esiid=[home["esiid"]])
    assert [one.requestId for one in ended.cancelled] == [sent.requestId]
    with pytest.raises(zeep.exceptions.Fault, match="MESSAGE_NOT_CANCELLABLE"):
        messages.CancelTextMessage(**rep.header("no"), requestId=price.requestId)
    with pytest.raises(zeep.exceptions.Fault, match="MESSAGE_UNKNOWN"):
        other.client("HANMessaging").service.CancelTextMessage(**other.header("no"), requestId=text.requestId)

    told = posts.PostMessageStatus(
        **tdsp.header("posts"),
        post=[
            {"requestId": text.requestId, "esiid": home["esiid"], "statusCode": "CON", "statusTimestamp": now(hub)},
            {"requestId": text.requestId, "esiid": home["esiid"], "statusCode": "OPT", "statusTimestamp": now(hub)},
        ],
    )
    assert [one.code for one in told.answer] == ["ACCEPTED", "STATUS_NOT_FOR_CATEGORY"]
    status = messages.GetMessageStatus(**rep.header("status"), requestId=text.requestId)
    assert [(one.status, one.esiids) for one in status.count] == [("DELIVERED", 1)]
    assert status.premise[0].deliveredTime is not None
    today = f"{now(hub).astimezone(UTC):%m/%d/%Y}"
    yesterday = f"{now(hub).astimezone(UTC) - timedelta(days=1):%m/%d/%Y}"
    days = {"fromDate": yesterday, "toDate": today}
    shown = messages.GetMessageLog(**rep.header("log"), **days, requestId=text.requestId)
    assert {row.RequestID for row in shown.row} == {text.requestId}
    assert "CON" in {row.StatusCode for row in shown.row}
    file = messages.GetMessageLog(**rep.header("log"), **days, requestId=text.requestId, deliveryMode="FTP")
    path = hub.settings.ftps.root / PECAN / "adhoc" / file.fileName
    end = time.monotonic() + 180
    while not path.exists() and time.monotonic() < end:
        time.sleep(0.2)
    (fetched,) = rep.fetch([file.fileName], tmp_path)
    rows = list(csv.reader(io.StringIO(rep.open(fetched, tmp_path).read_text())))
    assert tuple(rows[0]) == COLUMNS
    confirmed = next(row for row in rows if row[9] == "CON")
    assert (confirmed[0], confirmed[2], confirmed[5]) == (TDSP, text.requestId, home["esiid"])
