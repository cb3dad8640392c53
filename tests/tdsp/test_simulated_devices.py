"""Devices at the simulated TDSP (K2): everything it says follows from its state."""

import pytest
from tdsp_by_hand import CODE, ESIID, OTHER_ESIID, SERIAL, TdspByHand, eui

from adapters.sep.install_code import crc16_x25, is_whole


@pytest.fixture
def tdsp(tmp_path):
    return TdspByHand(tmp_path / "tdsp.db")


def test_a_device_goes_from_the_request_to_the_network(tdsp):
    assert tdsp.add(1) is True
    assert tdsp.told() == []
    tdsp.pass_time(4)
    D = eui(1)
    assert tdsp.told() == [(1, D, "ACKNOWLEDGED"), (1, D, "PENDING"), (1, D, "METER_READY"), (1, D, "ADDED")]
    assert [device.state for device in tdsp.world.state.devices(ESIID)] == ["JOINED"]
    tdsp.pass_time(3600)
    assert tdsp.told() == []


def test_a_request_is_taken_once_and_a_repeat_says_so(tdsp):
    assert (tdsp.add(1), tdsp.add(1)) == (True, False)
    tdsp.pass_time(10)
    assert tdsp.add(1) is False
    tdsp.pass_time(10)
    assert len(tdsp.told()) == 4


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"esiid": "10443720000009999"}, "UNKNOWN_METER"),
        ({"serial": "104999999LG"}, "METER_EXCHANGED"),
        ({"code": CODE[:-1] + "0"}, "INSTALL_CODE"),
        ({"code": CODE[:-4]}, "INSTALL_CODE"),
    ],
)
def test_a_request_that_cannot_be_is_rejected_with_its_reason(tdsp, asked, reason):
    tdsp.add(1, **asked)
    tdsp.pass_time(5)
    assert tdsp.told() == [(1, eui(1), "REJECTED", reason)]


def test_a_meter_without_firmware_rejects(tdsp):
    tdsp.played(meter=[{"esiid": ESIID, "han_capable": False}])
    tdsp.add(1)
    tdsp.pass_time(5)
    assert tdsp.told() == [(1, eui(1), "REJECTED", "FIRMWARE_NOT_CAPABLE")]


def test_a_meter_has_five_slots_and_a_removal_frees_one(tdsp):
    for number in range(1, 7):
        tdsp.add(number, device=number)
    tdsp.pass_time(5)
    assert (6, eui(6), "REJECTED", "SLOTS_FULL") in tdsp.told()
    tdsp.remove(7, device=3)
    tdsp.pass_time(5)
    assert tdsp.told() == [(7, eui(3), "ACKNOWLEDGED"), (7, eui(3), "PENDING"), (7, eui(3), "REMOVED")]
    tdsp.add(8, device=6)
    tdsp.pass_time(5)
    assert tdsp.told()[-1] == (8, eui(6), "ADDED")


def test_the_slots_are_those_of_a_meter(tdsp):
    for number in range(1, 6):
        tdsp.add(number, device=number)
    tdsp.add(6, device=6, esiid=OTHER_ESIID, serial="104000002LG")
    tdsp.pass_time(5)
    assert tdsp.told()[-1] == (6, eui(6), "ADDED")


@pytest.mark.parametrize(
    "device", [{"behaviour": "never_joins"}, {"install_code": "83FED3407A93972397FD"}], ids=["never on", "another code"]
)
def test_a_device_that_does_not_join_fails_when_the_window_closes(tdsp, device):
    tdsp.played(device=[{"eui64": eui(1), **device}])
    tdsp.add(1)
    tdsp.pass_time(3500)
    assert tdsp.told()[-1] == (1, eui(1), "METER_READY")
    tdsp.pass_time(200)
    assert tdsp.told() == [(1, eui(1), "FAILED", "JOIN_WINDOW_CLOSED")]
    assert tdsp.world.state.devices(ESIID) == []


def test_a_pending_add_that_is_removed_ends_there(tdsp):
    tdsp.add(1)
    tdsp.pass_time(2)
    assert tdsp.told()[-1] == (1, eui(1), "PENDING")
    tdsp.remove(2)
    tdsp.pass_time(10)
    assert [said[0] for said in tdsp.told()] == [2, 2, 2]
    assert tdsp.world.state.devices(ESIID) == []
    tdsp.add(3)
    tdsp.pass_time(5)
    assert tdsp.told()[-1] == (3, eui(1), "ADDED")


def test_a_device_that_is_stuck_cannot_be_removed(tdsp):
    tdsp.played(device=[{"eui64": eui(1), "behaviour": "stuck"}])
    tdsp.join((1, "IHD"))
    tdsp.remove(1)
    tdsp.pass_time(5)
    assert tdsp.told()[-1] == (1, eui(1), "FAILED", "DEVICE_UNREACHABLE")
    assert len(tdsp.world.state.devices(ESIID)) == 1


def test_an_exchange_takes_the_devices_with_it_and_is_told_once(tdsp):
    tdsp.join((1, "IHD"), (2, "PCT"))
    tdsp.add(1, device=3)
    tdsp.pass_time(2)
    tdsp.exchange("104999999LG")
    tdsp.exchange("104999999LG")
    tdsp.pass_time(20)
    (exchange,) = (post for post in tdsp.posts() if post.operation == "PostMeterExchange")
    assert exchange.fields["esiid"] == ESIID
    assert (exchange.fields["oldMeterSerialNumber"], exchange.fields["newMeterSerialNumber"]) == (SERIAL, "104999999LG")
    assert tdsp.world.state.devices(ESIID) == []
    tdsp.add(2, device=3)
    tdsp.pass_time(5)
    assert tdsp.told()[-1] == (2, eui(3), "REJECTED", "METER_EXCHANGED")


def test_what_was_taken_is_there_after_a_kill(tdsp):
    tdsp.add(1)
    tdsp.pass_time(1)
    tdsp.open()
    assert tdsp.add(1) is False
    tdsp.pass_time(10)
    assert [said[2] for said in tdsp.told()] == ["ACKNOWLEDGED", "PENDING", "METER_READY", "ADDED"]


def test_posts_are_repeated_and_held_back_by_the_seed_and_nothing_is_lost(tdsp):
    tdsp.played(seed=3, chances={"repeat": 0.5, "hold_back": 0.5})
    for number in range(1, 6):
        tdsp.add(number, device=number)
    tdsp.pass_time(30)
    posts = tdsp.posts()
    by_content = {tuple(post.fields.items()) for post in posts}
    assert len(by_content) == 20 < len(posts)
    stamps = [post.fields["statusTimestamp"] for post in sorted(posts, key=lambda post: post.id)]
    assert stamps == sorted(stamps)  # they happened in order; which is told when is in the file's due column


def test_held_back_posts_come_after_later_ones(tdsp):
    tdsp.played(seed=4, chances={"hold_back": 0.4})
    for number in range(1, 6):
        tdsp.add(number, device=number)
    seen = []
    for _ in range(30):
        tdsp.pass_time(1)
        seen += [post.fields["statusTimestamp"] for post in tdsp.posts()]
    assert len(seen) == 20
    assert seen != sorted(seen)


@pytest.mark.parametrize(
    ("code", "crc"),
    [
        ("83FED3407A932B70", 0x702B), ("83FED3407A93972397FC", 0xFC97), ("83FED3407A939738C552", 0x52C5),
        ("11223344556677884AF7", 0xF74A), ("7A939723A5C639B269161802819B", 0x9B81),
        ("83FED3407A939723A5C639FF4C12", 0x124C),
        ("83FED3407A939723A5C639B26916D505C3B5", 0xB5C3), ("83FED3407A939723A5C639B269161802AEBB", 0xBBAE),
    ],
)  # fmt: skip
def test_published_installation_codes(code, crc):
    octets = bytes.fromhex(code)
    assert crc16_x25(octets[:-2]) == crc
    assert is_whole(code)
    for place in range(len(code)):
        assert not is_whole(code[:place] + ("0" if code[place] != "0" else "1") + code[place + 1 :])


def test_what_is_no_installation_code():
    assert crc16_x25(b"123456789") == 0x906E
    for code in ("1122334455667788FFFF", "FFFED3407A939723", "", "83FED3407A93972397F", "zz", "00" * 7 + "0000"):
        assert not is_whole(code)
