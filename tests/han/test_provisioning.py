"""Devices over both stores: slots, permissions, removals, out-of-order statuses (H1-H3, H8-H10, A19, A21)."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from han_market import CENTERPOINT, CODES, ONCOR, HanMarket, esiid, mac, meter_of
from sqlalchemy import select

from smt_ws.errors import HubError
from smt_ws.han import errors, handover, provision, removal, secrets, statuses
from smt_ws.han.devices import devices_of
from smt_ws.han.secrets import InstallCodeKeys, new_key
from smt_ws.han.statuses import MeterExchangePost
from smt_ws.han.tables import han_device, han_device_history, han_message_target, han_request
from smt_ws.parties.device_access import Control, set_control
from smt_ws.parties.tables import company, meter
from smt_ws.store.tables import outbox


def removed(market: HanMarket, device: int = 1, who=None, number: int = 1):
    with market.store.write() as connection:
        return removal.deprovision_device(
            connection, who or market.rep, market.request(number, device), terms=market.terms, clock=market.clock
        )


def cancelled(market: HanMarket, device: int = 1):
    with market.store.write() as connection:
        return provision.cancel_pending(
            connection, market.rep, market.request(1, device), terms=market.terms, clock=market.clock
        )


def told(market: HanMarket, who=None, number: int = 1):
    with market.store.write() as connection:
        return devices_of(connection, who or market.rep, [esiid(number)], terms=market.terms, clock=market.clock)


def test_from_add_acknowledged_to_device_added_with_every_step_in_the_history_h3_h9(market: HanMarket) -> None:
    asked = market.ask()
    assert (asked.state.value, market.state()) == ("Add Acknowledged", "Add Acknowledged")
    (row,) = market.outbox("tdsp.add_device")
    assert (row.payload, row.target) == ({"request_id": asked.request_id}, f"tdsp:{ONCOR}")
    with market.store.write() as connection:
        call = handover.provision_request(connection, asked.request_id, keys=market.keys, now=market.clock.now())
    assert call is not None
    assert (call.esiid, call.meter_number, call.eui64, call.install_code) == (esiid(1), "M1", mac(1), CODES[1])
    market.hand_over()
    for minute, (status, state) in enumerate(
        [("ACKNOWLEDGED", "Add Acknowledged"), ("PENDING", "Add Pending"), ("METER_READY", "Meter Ready"),
         ("ADDED", "Device Added")]
    ):  # fmt: skip
        assert market.post(asked, status, after=minute) == "ACCEPTED"
        assert market.state() == state
        assert market.post(asked, status, after=minute) == "REPEATED"
    (device,) = told(market).devices
    assert [entry.event.name for entry in device.history] == [
        "ADD_ASKED", "ADD_TAKEN", "ADD_PENDING", "METER_READY", "ADDED"
    ]  # fmt: skip
    assert [entry.actor for entry in device.history] == ["YOU", *["TDSP"] * 4]
    assert all(entry.applied and entry.at == market.clock.now() for entry in device.history)


def test_every_move_is_told_to_agreements_and_to_the_companys_callback_a8_r10(market: HanMarket) -> None:
    with market.store.write() as connection:
        connection.execute(
            company.update().where(company.c.id == market.rep.company_id).values(callback_url="https://rep.example/")
        )
    asked = market.ask()
    market.post(asked, "PENDING")
    market.post(asked, "FAILED", reason="UNKNOWN_METER", after=1)
    market.post(asked, "METER_READY", after=2)
    told = [row.payload for row in market.outbox("agreement.device_moved")]
    assert [one["state"] for one in told] == ["Add Pending", "Add Failed"]
    assert told[0] == {"company_id": market.rep.company_id, "esiid": esiid(1), "eui64": mac(1), "state": "Add Pending"}
    called = [row.payload for row in market.outbox("callback")]
    assert [one["operation"] for one in called] == ["DeviceStatusChanged"] * 2
    assert [one["fields"]["status"] for one in called] == ["ADD_PENDING", "ADD_FAILED"]
    assert called[0]["fields"]["correlationId"] == str(asked.request_id)
    assert all(len(one["key"]) <= 64 for one in called)


def test_late_and_skipped_statuses_never_move_a_device_back_h3(market: HanMarket) -> None:
    asked = market.ask()
    assert market.post(asked, "ADDED", after=5) == "ACCEPTED"
    for status in ("METER_READY", "PENDING", "FAILED", "REJECTED"):
        assert market.post(asked, status, after=1) == "KEPT"
    assert market.state() == "Device Added"
    (device,) = told(market).devices
    assert [entry.applied for entry in device.history] == [True, True, False, False, False, False]


def test_success_beats_failure_where_a_slot_is_free_h3(market: HanMarket) -> None:
    asked = market.ask()
    assert market.post(asked, "FAILED") == "ACCEPTED"
    assert market.state() == "Add Failed"
    assert market.post(asked, "ADDED", after=1) == "ACCEPTED"
    assert market.state() == "Device Added"
    late = market.ask(device=2)
    assert market.post(late, "FAILED") == "ACCEPTED"
    for device in range(3, 7):
        market.ask(device=device)
    assert market.post(late, "ADDED", after=1) == "KEPT"
    assert market.state(device=2) == "Add Failed"


def test_the_sixth_device_is_refused_until_a_slot_is_free_h2(market: HanMarket) -> None:
    asked = [market.ask(device=device) for device in range(1, 6)]
    with pytest.raises(errors.NoSlotFreeError):
        market.ask(device=6)
    assert market.count(han_request) == 5
    assert market.post(asked[2], "REJECTED", reason="FIRMWARE_NOT_CAPABLE") == "ACCEPTED"
    assert market.ask(device=6).state.name == "ADD_ACKNOWLEDGED"
    rejected = next(one for one in told(market).devices if one.eui64 == mac(3))
    assert rejected.history[-1].reason_code == "FIRMWARE_NOT_CAPABLE"
    assert "firmware" in (rejected.history[-1].reason or "")


def test_two_sixth_devices_at_once_one_gets_the_slot_h2(market: HanMarket) -> None:
    for device in range(1, 5):
        market.ask(device=device)
    outcomes: list[str] = []
    begin = threading.Barrier(2)

    def ask(device: int) -> None:
        begin.wait()
        try:
            market.ask(device=device)
            outcomes.append("added")
        except HubError as error:
            outcomes.append(error.code)

    threads = [threading.Thread(target=ask, args=(device,)) for device in (5, 6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["NO_SLOT_FREE", "added"]


def test_one_device_at_two_premises_at_once_gets_one_slot_h1(market: HanMarket) -> None:
    outcomes: list[str] = []
    begin = threading.Barrier(2)

    def ask(number: int) -> None:
        begin.wait()
        try:
            market.ask(number, 1)
            outcomes.append("added")
        except HubError as error:
            outcomes.append(error.code)

    threads = [threading.Thread(target=ask, args=(number,)) for number in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["DEVICE_ELSEWHERE", "added"]


def test_a_device_holds_one_slot_anywhere_h1(market: HanMarket) -> None:
    market.device_added()
    with pytest.raises(errors.DeviceElsewhereError):
        market.ask(2, 1)
    with pytest.raises(errors.DeviceThereAlreadyError):
        market.ask()
    gone = removed(market)
    market.hand_over()
    assert market.post(gone, "REMOVED") == "ACCEPTED"
    assert market.ask(2, 1).state.name == "ADD_ACKNOWLEDGED"
    assert market.state(1, 1) == "Device Removed"


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"eui64": "00:0D:6F:00:00:01"}, "EUI64_MALFORMED"),
        ({"eui64": "0" * 16}, "EUI64_MALFORMED"),
        ({"install_code": "1122334455667788FFFF"}, "INSTALL_CODE_CRC"),
        ({"install_code": "1122334455667788"}, "INSTALL_CODE_CRC"),
        ({"install_code": "112233445566778899AABB"}, "INSTALL_CODE_LENGTH"),
        ({"install_code": "11223344556677884AG7"}, "INSTALL_CODE_DIGITS"),
        ({"meter_number": "M2"}, "METER_MISMATCH"),
        ({"esiid": "10443729999999999"}, "ESIID_UNKNOWN"),
        ({"esiid": "1044372"}, "ESIID_MALFORMED"),
    ],
)
def test_bad_input_has_a_fault_of_its_own_and_leaves_nothing(market: HanMarket, wrong, code) -> None:
    with pytest.raises(HubError) as refused:
        market.ask(**wrong)
    assert refused.value.code == code
    assert "1122334455667788" not in f"{refused.value}{refused.value.presented}{refused.value.expected}"
    assert (market.count(han_request), market.count(han_device), market.count(outbox)) == (0, 0, 0)


def test_installation_codes_are_sealed_and_can_be_sealed_anew_h1(market: HanMarket) -> None:
    asked = market.ask()
    with market.store.read() as connection:
        sealed = connection.execute(select(han_device.c.install_code)).scalar_one()
    assert bytes.fromhex(CODES[1]) not in sealed
    assert CODES[1] not in repr(market.request()) + repr(asked)
    key_file = market.hub.settings.han.install_code_keys
    key_file.write_text(f"{new_key()}\n{key_file.read_text()}")
    newer = InstallCodeKeys(key_file)
    assert secrets.rotate(market.store, newer) == 1
    key_file.write_text(key_file.read_text().splitlines()[0] + "\n")
    with market.store.read() as connection:
        again = connection.execute(select(han_device.c.install_code)).scalar_one()
    assert InstallCodeKeys(key_file).unseal(again, mac(1)).hex().upper() == CODES[1]
    for wrong in (lambda: InstallCodeKeys(key_file).unseal(sealed, mac(1)), lambda: newer.unseal(again, mac(2))):
        with pytest.raises(errors.InstallCodeSealedError):
            wrong()


def test_a_pending_add_is_taken_back_and_the_remove_waits_for_the_add(market: HanMarket) -> None:
    asked = market.ask()
    back = cancelled(market)
    assert market.state() == "Remove Acknowledged"
    with market.store.write() as connection, pytest.raises(errors.EarlierCallOpenError):
        handover.provision_request(connection, back.request_id, keys=market.keys, now=market.clock.now())
    market.hand_over()
    # what is told of the add meanwhile is what the device would go back to
    assert market.post(asked, "ADDED") == "ACCEPTED"
    assert market.state() == "Remove Acknowledged"
    assert market.post(back, "REJECTED") == "ACCEPTED"
    assert market.state() == "Device Added"
    with pytest.raises(errors.NoPendingAddError):
        cancelled(market)


def test_a_removal_from_before_a_new_add_is_not_carried_out(market: HanMarket) -> None:
    market.device_added()
    old = removed(market)
    exchange = MeterExchangePost(esiid(1), "M1", "M1000", market.clock.now(), True)
    with market.store.write() as connection:
        statuses.post_meter_exchanges(connection, tdsp_duns_numbers=(ONCOR,), posts=[exchange], clock=market.clock)
    market.ask()
    with market.store.write() as connection:
        assert handover.provision_request(connection, old.request_id, keys=market.keys, now=market.clock.now()) is None
    market.hand_over()
    assert market.post(old, "REMOVED", after=1) == "KEPT"
    assert market.state() == "Add Acknowledged"


def test_a_refusal_in_the_call_itself_is_add_rejected_with_its_reason_h10(market: HanMarket) -> None:
    asked = market.ask()
    with market.store.write() as connection:
        handover.provision_request(connection, asked.request_id, keys=market.keys, now=market.clock.now())
        handover.provision_handed_over(
            connection, asked.request_id, refused=("UNKNOWN_METER", "no such meter"), clock=market.clock
        )
        assert (
            handover.provision_request(connection, asked.request_id, keys=market.keys, now=market.clock.now()) is None
        )
    (device,) = told(market).devices
    assert (device.state.value, device.history[-1].reason_code) == ("Add Rejected", "UNKNOWN_METER")


def test_a_failed_removal_may_be_asked_again_h3(market: HanMarket) -> None:
    market.device_added()
    first = removed(market)
    with pytest.raises(errors.DeviceNotRemovableError):
        removed(market)
    market.hand_over()
    assert market.post(first, "PENDING") == "ACCEPTED"
    assert market.post(first, "FAILED", after=1) == "ACCEPTED"
    assert market.state() == "Remove Failed"
    second = removed(market)
    market.hand_over()
    assert market.post(first, "REMOVED", after=2) == "KEPT"
    assert market.post(second, "REMOVED", after=3) == "ACCEPTED"
    assert market.state() == "Device Removed"
    with pytest.raises(errors.DeviceNotRemovableError):
        removed(market)


def test_statuses_are_taken_from_the_right_tdsp_for_the_right_device_only_h7(market: HanMarket) -> None:
    asked = market.ask()
    assert market.post(asked, "ADDED", duns=CENTERPOINT) == "NOT_YOUR_METER"
    assert market.post(asked, "ADDED", number=2) == "UNKNOWN_REQUEST"
    assert market.post(asked.request_id + 99, "ADDED") == "UNKNOWN_REQUEST"
    assert market.post(2**63, "ADDED") == "UNKNOWN_REQUEST"
    assert market.post(asked, "ADDED", device=2) == "UNKNOWN_DEVICE"
    assert market.post(asked, "REMOVED") == "UNKNOWN_STATUS"
    assert market.post(asked, "EXPLODED") == "UNKNOWN_STATUS"
    assert market.post(asked, "ADDED", after=11) == "TIME_IN_FUTURE"
    post = statuses.ProvisioningPost(asked.request_id, esiid(1), "M9", None, "ADDED", None, None, market.clock.now())
    no_reason = statuses.ProvisioningPost(
        asked.request_id, esiid(1), None, None, "FAILED", None, None, market.clock.now()
    )
    with market.store.write() as connection:
        answers = statuses.post_provisioning_statuses(
            connection, tdsp_duns_numbers=(ONCOR,), posts=[post, no_reason], clock=market.clock
        )
    assert [answer.code for answer in answers] == ["METER_MISMATCH", "REASON_MISSING"]
    assert (market.state(), market.count(han_device_history)) == ("Add Acknowledged", 1)


def test_a_meter_exchange_ends_what_stood_on_the_old_meter_h10(market: HanMarket) -> None:
    market.device_added(device=1)
    market.ask(device=2)
    exchange = MeterExchangePost(esiid(1), "M1", "M1000", market.clock.now(), True)
    elsewhere = MeterExchangePost(esiid(21), "M21", "M1001", market.clock.now(), True)
    nowhere = MeterExchangePost("10443729999999999", "M21", "M1001", market.clock.now(), True)
    with market.store.write() as connection:
        answers = statuses.post_meter_exchanges(
            connection, tdsp_duns_numbers=(ONCOR,), posts=[exchange, exchange, elsewhere, nowhere], clock=market.clock
        )
    assert [one.code for one in answers] == ["ACCEPTED", "REPEATED", "NOT_YOUR_METER", "UNKNOWN_ESIID"]
    assert (market.state(device=1), market.state(device=2)) == ("Device Removed", "Add Failed")
    assert {device.history[-1].reason_code for device in told(market).devices} == {"METER_EXCHANGED"}
    with pytest.raises(errors.MeterMismatchError):
        market.ask(device=1, meter_number="M1000")  # until the TDSP's load says that it hangs there


def test_a_device_is_added_again_on_the_new_meter_with_its_history_h9_h10(market: HanMarket) -> None:
    first = market.device_added()
    today = market.clock.now().date()
    exchange = MeterExchangePost(esiid(1), "M1", "M1000", market.clock.now(), True)
    with market.store.write() as connection:
        statuses.post_meter_exchanges(connection, tdsp_duns_numbers=(ONCOR,), posts=[exchange], clock=market.clock)
        key = market.premises[1]
        connection.execute(meter.update().where(meter.c.premise_id == key).values(removed_on=today))
        hung = {"installed_on": today, "provisioned_on": today, "load_number": 0}
        connection.execute(meter.insert().values(premise_id=key, meter_number="M1000", **hung))
    with pytest.raises(errors.NoDeviceError):
        market.text()
    with pytest.raises(errors.MeterMismatchError):
        market.ask()
    again = market.ask(meter_number="M1000")
    assert (again.state.value, again.request_id > first.request_id) == ("Add Acknowledged", True)
    with market.store.write() as connection:
        call = handover.provision_request(connection, again.request_id, keys=market.keys, now=market.clock.now())
    assert call is not None
    assert (call.meter_number, call.install_code) == ("M1000", CODES[1])
    market.hand_over()
    # a late word of the first add, from before the exchange, moves nothing
    assert market.post(first, "FAILED", after=1) == "KEPT"
    post = statuses.ProvisioningPost(
        again.request_id, esiid(1), "M1000", mac(1), "ADDED", None, None, market.clock.now()
    )
    with market.store.write() as connection:
        (answer,) = statuses.post_provisioning_statuses(
            connection, tdsp_duns_numbers=(ONCOR,), posts=[post], clock=market.clock
        )
    assert (answer.code, market.state()) == ("ACCEPTED", "Device Added")
    (device,) = told(market).devices
    assert device.meter_number == "M1000"
    assert [(entry.event.name, entry.applied) for entry in device.history] == [
        ("ADD_ASKED", True), ("ADDED", True), ("METER_EXCHANGED", True), ("ADD_ASKED", True), ("ADD_FAILED", False),
        ("ADDED", True),
    ]  # fmt: skip
    sent = market.text()
    with market.store.read() as connection:
        target = connection.execute(select(han_message_target.c.message_number, han_message_target.c.meter_number))
        assert tuple(target.one()) == (sent.request_id, "M1000")


def test_a_premise_without_a_meter_takes_no_device_and_no_message_h1(market: HanMarket) -> None:
    market.devices_put(range(1, 2))
    with market.store.write() as connection:
        connection.execute(meter.update().values(removed_on=market.clock.now().date()))
    with pytest.raises(errors.NoMeterError):
        market.ask(2, 2)
    with pytest.raises(errors.NoMeterError):
        market.text()
    assert (market.count(han_request), market.count(han_message_target)) == (0, 0)


def test_who_may_add_and_see_devices_h8_a19(strict_market: HanMarket) -> None:
    market = strict_market
    with pytest.raises(errors.NoDeviceAgreementError):
        market.ask()
    market.grant(market.csp, "device", range(1, 4))
    market.grant(market.csp, "device_services", range(5, 6))
    market.grant(market.csp, "device", range(6, 7), ended_at=market.clock.now() - timedelta(seconds=1))
    assert market.ask(1, 1, market.csp).state.name == "ADD_ACKNOWLEDGED"
    for number in (4, 5, 6):
        with pytest.raises(errors.NoDeviceAgreementError):
            market.ask(number, 7, market.csp)
    assert market.ask(7, 2, market.tdsp).state.name == "ADD_ACKNOWLEDGED"
    with pytest.raises(errors.NotYourPremiseError):
        market.ask(21, 3, market.tdsp)
    with market.store.write() as connection:
        set_control(
            connection, market.premises[2], Control(by_third_party=False), actor="account:1", clock=market.clock
        )
    with pytest.raises(errors.CustomerKeepsControlError):
        market.ask(2, 4, market.csp)
    assert [one.code for one in told(market, number=1).not_reached] == ["NO_DEVICE_AGREEMENT"]
    assert len(told(market, market.csp).devices) == 1
    assert told(market, market.csp, 5).not_reached == []


def test_a_removal_under_an_agreement_needs_the_customer_a21(strict_market: HanMarket) -> None:
    market = strict_market
    market.grant(market.csp, "device", range(1, 2))
    asked = market.ask(1, 1, market.csp)
    market.hand_over()
    market.post(asked, "ADDED")
    first = removed(market, who=market.csp)
    assert (first.awaits_customer, market.state()) == (True, "Device Added")
    (row,) = market.outbox("agreement.removal_asked")
    assert (row.payload["request_id"], row.payload["eui64"]) == (first.request_id, mac(1))
    assert not market.outbox("tdsp.remove_device")
    with pytest.raises(errors.RemovalAwaitsCustomerError):
        removed(market, who=market.csp)
    decided = removal.RemovalDecided(market.hub)
    decided({"request_id": str(first.request_id), "accepted": False})
    decided({"request_id": str(first.request_id), "accepted": True})
    assert market.state() == "Device Added"
    unasked = removed(market, who=market.csp)
    decided({"request_id": str(unasked.request_id), "accepted": False, "why": "no agreement says whom to ask"})
    second = removed(market, who=market.csp)
    decided({"request_id": str(second.request_id), "accepted": True})
    assert market.state() == "Remove Acknowledged"
    (row,) = market.outbox("tdsp.remove_device")
    assert row.payload == {"request_id": second.request_id}
    (device,) = told(market, market.csp).devices
    assert [entry.event.name for entry in device.history][2:] == [
        *["REMOVAL_INVITED", "REMOVAL_DECLINED"] * 2, "REMOVAL_INVITED", "REMOVE_ASKED"
    ]  # fmt: skip
    reasons = [entry.reason for entry in device.history if entry.event.name == "REMOVAL_DECLINED"]
    assert reasons == ["the customer did not agree", "no agreement says whom to ask"], "the customer is not blamed"


def test_thousands_of_statuses_in_one_call_are_one_piece_of_work_h7(market: HanMarket) -> None:
    asked = [market.ask(number, number) for number in range(1, 21)]
    posts = [
        statuses.ProvisioningPost(
            one.request_id, esiid(number), meter_of(number), None, status, None, None,
            market.clock.now() + timedelta(seconds=second),
        )
        for second in range(10)
        for number, one in enumerate(asked, 1)
        for status in ("ACKNOWLEDGED", "PENDING", "METER_READY", "ADDED")
    ]  # fmt: skip
    with market.store.write() as connection:
        answers = statuses.post_provisioning_statuses(
            connection, tdsp_duns_numbers=(ONCOR,), posts=posts, clock=market.clock
        )
    assert len(answers) == 800
    assert {answer.code for answer in answers[:80]} == {"ACCEPTED"}
    assert {answer.code for answer in answers[80:]} == {"KEPT"}
    assert market.count(han_device_history) == 820
