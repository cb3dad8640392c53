"""The hub calls a TDSP (H4, H7): signed, over the wire, once in the home however often on the wire, and waits for one
that is down."""

from types import SimpleNamespace

import pytest
from han_market import CENTERPOINT, CODES, ONCOR, esiid, mac, meter_of

from adapters.sep import DisplayMessage, LoadControlEvent, decode
from smt_ws.han.cancel_message import Cancellation, cancel_message
from smt_ws.han.removal import deprovision_device
from smt_ws.han.tables import han_message_status, han_request
from smt_ws.han.tdsp_calls import _receipts
from smt_ws.store import outbox_targets


def test_an_add_reaches_the_tdsp_with_its_installation_code_and_a_second_call_changes_nothing(calling):
    market, peer = calling.market, calling.peer
    asked = market.ask(device_type="IHD")
    assert calling.deliver() == 1
    number, action, home, serial, eui64 = peer.rows("SELECT number, action, esiid, serial, eui64 FROM request")[0]
    assert (number, action, home, serial, eui64) == (str(asked.request_id), "ADD", esiid(1), meter_of(1), mac(1))
    assert peer.rows("SELECT json_extract(facts, '$.install_code') FROM request") == [(CODES[1],)]
    with market.store.read() as connection:
        taken = connection.execute(han_request.select()).one().handed_over_at
    assert taken is not None
    calling.due_again()
    assert calling.deliver() == 1
    assert len(peer.rows("SELECT * FROM request")) == 1


def test_a_lost_answer_is_a_repeat_to_the_tdsp(calling):
    market, peer = calling.market, calling.peer
    market.ask()
    calling.deliver()
    with market.store.write() as connection:
        connection.execute(han_request.update().values(handed_over_at=None))
    calling.due_again()
    assert calling.deliver() == 1
    assert len(peer.rows("SELECT * FROM request")) == 1
    assert len(peer.rows("SELECT * FROM moment WHERE kind = 'acknowledge'")) <= 1


def test_a_removal_names_its_add(calling):
    market, peer = calling.market, calling.peer
    asked = market.device_added()
    with market.store.write() as connection:
        removal = deprovision_device(connection, market.rep, market.request(), terms=market.terms, clock=market.clock)
    assert removal.request_id != asked.request_id
    assert calling.deliver() == 1
    assert peer.rows("SELECT number, action, eui64 FROM request") == [(str(removal.request_id), "REMOVE", mac(1))]


def test_many_messages_go_in_few_calls_and_every_meter_gets_its_frame(calling):
    market, peer = calling.market, calling.peer
    market.devices_put(range(1, 21))
    one = market.text([1], text="Señora, conserve")
    many = market.text(range(1, 21), text="Peak day")
    event = market.event([2, 3], durationMinutes=30)
    assert calling.deliver(limit=1) == 3
    rows = peer.rows("SELECT number, esiid, cluster, frame FROM delivery ORDER BY number, esiid")
    assert len(rows) == 23
    by_number = {}
    for number, home, cluster, frame in rows:
        by_number.setdefault(int(number), []).append((home, decode(cluster, frame).message))
    assert by_number[one.request_id] == [
        (esiid(1), DisplayMessage(one.request_id, "Señora, conserve", duration_minutes=60))
    ]
    assert [home for home, _ in by_number[many.request_id]] == [esiid(number) for number in range(1, 21)]
    assert {message for _, message in by_number[event.request_id]} == {LoadControlEvent(event.request_id, 30, 2)}
    assert market.count(han_message_status) == 23
    calling.due_again()
    calling.deliver()
    assert len(peer.rows("SELECT * FROM delivery")) == 23
    assert market.count(han_message_status) == 23


def _cancel(calling, message):
    market = calling.market
    with market.store.write() as connection:
        return cancel_message(
            connection, market.rep, message, Cancellation("t", "svc"), category="CLE", terms=market.terms,
            clock=market.clock,
        ).cancellation_id  # fmt: skip


def test_a_message_that_is_cancelled_before_it_left_never_leaves(calling):
    calling.market.devices_put(range(1, 2))
    event = calling.market.event([1])
    _cancel(calling, event.request_id)
    calling.deliver()
    assert calling.peer.rows("SELECT * FROM delivery") == []


def test_a_cancellation_waits_until_the_tdsp_has_taken_its_message(calling):
    market, peer = calling.market, calling.peer
    market.devices_put(range(1, 2))
    event = market.event([1])
    calling.endpoint("https://127.0.0.1:1/soap/TDSPHan")
    calling.deliver()
    cancellation = _cancel(calling, event.request_id)
    calling.endpoint(peer.url)
    calling.due_again()
    assert calling.deliver("tdsp.cancel_message") == 0
    assert any("EARLIER_CALL" in error for error in calling.errors())
    calling.due_again()
    assert calling.deliver("tdsp.deliver_message") == 1
    calling.due_again()
    assert calling.deliver("tdsp.cancel_message") == 1
    assert peer.rows("SELECT number, cancellation FROM delivery ORDER BY 2") == [
        (str(event.request_id), ""),
        (str(event.request_id), str(cancellation)),
    ]


def test_a_meter_that_the_tdsp_has_exchanged_fails_and_the_others_do_not(calling):
    market, peer = calling.market, calling.peer
    market.devices_put(range(1, 4))
    peer.rows("UPDATE meter SET serial = 'NEW' WHERE esiid = ?", esiid(2))
    peer.rows("DELETE FROM meter WHERE esiid = ?", esiid(3))
    sent = market.text([1, 2, 3])
    assert calling.deliver() == 1
    assert [row[0] for row in peer.rows("SELECT esiid FROM delivery")] == [esiid(1)]
    with market.store.read() as connection:
        told = connection.execute(
            han_message_status.select().where(han_message_status.c.message_number == sent.request_id)
        ).all()
    assert sorted(row.code for row in told if row.premise_id == market.premises[1]) == ["RQA"]
    for number, reason in ((2, "METER_EXCHANGED"), (3, "UNKNOWN_METER")):
        failed = [row for row in told if row.premise_id == market.premises[number] and row.code == "FLR"]
        assert len(failed) == 1
        assert reason in failed[0].description


def test_a_tdsp_that_is_down_or_has_no_endpoint_is_waited_for(calling):
    market, peer = calling.market, calling.peer
    market.devices_put(range(1, 2))
    market.text([1])
    calling.endpoint("https://127.0.0.1:1/soap/TDSPHan")
    assert calling.deliver() == 0
    assert "ConnectionError" in calling.errors()[0]
    with market.store.write() as connection:
        connection.exec_driver_sql("DELETE FROM tdsp_endpoint")
    calling.due_again()
    assert calling.deliver() == 0
    assert "no endpoint" in calling.errors()[0]
    (target,) = outbox_targets.targets(market.store)
    assert (target.target, target.failures > 0) == (f"tdsp:{ONCOR}", True)
    calling.endpoint(peer.url)
    calling.due_again()
    assert calling.deliver() == 1
    assert len(peer.rows("SELECT * FROM delivery")) == 1


def test_an_answer_that_is_not_signed_by_the_company_is_not_believed(calling):
    market = calling.market
    with market.store.write() as connection:
        connection.exec_driver_sql("DELETE FROM company_certificate")
    calling.certificate("stranger-signing", for_tls=False, for_signing=True)
    market.devices_put(range(1, 2))
    market.text([1])
    assert calling.deliver() == 0
    assert "UntrustedAnswer" in calling.errors()[0]
    assert market.count(han_message_status) == 0


def test_a_tdsp_refuses_calls_of_another_hub_and_for_another_tdsp(calling):
    market, peer = calling.market, calling.peer
    market.devices_put(range(1, 2))
    market.text([1])
    settings = market.hub.settings
    certs = peer.folder / "certs"
    stranger = {"signing_certificate": certs / "stranger-signing.crt", "signing_key": certs / "stranger-signing.key"}
    object.__setattr__(
        market.hub, "settings", settings.model_copy(update={"tls": settings.tls.model_copy(update=stranger)})
    )
    assert calling.deliver() == 0
    assert "Refused: fault: NOT_OUR_HUB" in calling.errors()[0]
    object.__setattr__(market.hub, "settings", settings)
    with market.store.write() as connection:
        company = market.tdsp.company_id
        connection.exec_driver_sql(
            f"INSERT INTO company_duns (duns, company_id, created_at) SELECT '{CENTERPOINT}', {company}, created_at"
            f" FROM company WHERE id = {company}"
        )
    calling.endpoint(peer.url, CENTERPOINT)
    market.ask(21, 21)
    calling.deliver("tdsp.add_device")
    assert any("Refused: fault: NOT_OUR_NUMBER" in error for error in calling.errors())
    assert peer.rows("SELECT * FROM delivery") == peer.rows("SELECT * FROM request") == []


@pytest.mark.parametrize("change", ["reorder", "drop"])
def test_receipts_that_are_for_something_else_count_for_nothing(change):
    receipts = [SimpleNamespace(requestId=str(number)) for number in (1, 2, 3)]
    assert _receipts(receipts, ["1", "2", "3"]) == receipts
    wrong = receipts[::-1] if change == "reorder" else receipts[:2]
    with pytest.raises(ConnectionError, match="receipts"):
        _receipts(wrong, ["1", "2", "3"])
