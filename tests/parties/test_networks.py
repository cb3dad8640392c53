"""P3: a company may say from which addresses it calls; then no other address is taken for it."""

from __future__ import annotations

import socket
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from sqlalchemy import select
from two_companies import GULF, PECAN, PECAN_2, REAL_NOW

from adapters.soap.server import peer_address
from smt_ws.cli.company import company as company_command
from smt_ws.parties import companies, errors, ftps_accounts, networks
from smt_ws.parties.identify import identify
from smt_ws.parties.rules import may_call_from
from smt_ws.store.tables import audit_log

LIST = ("192.0.2.0/28", "198.51.100.7/32", "2001:db8:77::/48")


@pytest.mark.parametrize(
    ("address", "may"),
    [
        ("192.0.2.0", True),
        ("192.0.2.15", True),
        ("192.0.2.16", False),
        ("198.51.100.7", True),
        ("198.51.100.8", False),
        ("2001:db8:77:1::5", True),
        ("2001:db8:78::5", False),
        ("::ffff:192.0.2.7", True),
        ("::ffff:203.0.113.9", False),
        (None, False),
        ("", False),
        ("192.0.2.7, 203.0.113.9", False),
    ],
)
def test_an_address_is_in_the_list_or_it_is_not(address, may):
    assert may_call_from(address, LIST) is may
    assert may_call_from(address, ()), "no list: from anywhere"


@pytest.fixture
def ask(two_companies, made, register):
    register(PECAN, "pecan-tls")
    # a service provider's certificate, registered by both
    register(PECAN, "provider")
    register(GULF, "provider", service_provider=True)

    def ask(address, *, stem="pecan-tls", duns=PECAN, requester_type="REP"):
        with two_companies.read() as connection:
            return identify(
                connection, tls_certificate=made.der(stem), signing_certificate=made[stem].certificate, duns=duns,
                requester_type=requester_type, now=REAL_NOW, address=address, environment="sandbox",
            )  # fmt: skip

    return ask


def test_the_list_holds_from_the_next_request_on_and_for_that_company_alone(ask, two_companies, operator):
    assert ask(None).legal_name == "Pecan Energy"
    networks.allow_network(two_companies, duns=PECAN_2, network="192.0.2.0/28", **vars(operator))
    assert ask("192.0.2.9").legal_name == "Pecan Energy"
    with pytest.raises(errors.AddressNotAllowedError) as told:
        ask("203.0.113.9")
    assert (told.value.presented, told.value.expected) == ("203.0.113.9", "an address of the company's own list")
    assert "192.0.2" not in str(told.value)
    with pytest.raises(errors.AddressNotAllowedError):
        ask(None)
    # who acts for it calls from an address of its list; for another company that has none, from anywhere
    with pytest.raises(errors.AddressNotAllowedError):
        ask("203.0.113.9", stem="provider")
    assert ask("203.0.113.9", stem="provider", duns=GULF, requester_type="CSP").legal_name == "Gulf Insights"
    networks.disallow_network(two_companies, duns=PECAN, network="192.0.2.0/28", **vars(operator))
    assert ask("203.0.113.9").legal_name == "Pecan Energy"


def test_the_ftps_account_knows_the_list(two_companies, operator):
    ftps_accounts.set_ftps_password(two_companies, duns=PECAN, password="correct horse battery", **vars(operator))
    assert ftps_accounts.ftps_account(two_companies, PECAN).allows_address("203.0.113.9")
    networks.allow_network(two_companies, duns=PECAN, network="2001:DB8::1", **vars(operator))
    account = ftps_accounts.ftps_account(two_companies, PECAN)
    assert account.allows_address("2001:db8::1")
    assert not account.allows_address("203.0.113.9")


@pytest.mark.parametrize("network", ["", "nonsense", "192.0.2.7/24", "192.0.2.0/33", "2001:db8::1/48", "10.0.0.0/8 x"])
def test_what_is_no_network_is_refused(two_companies, operator, network):
    with pytest.raises(errors.InvalidNetworkError):
        networks.allow_network(two_companies, duns=PECAN, network=network, **vars(operator))
    assert companies.find_company(two_companies, PECAN).allowed_networks == ()


def test_every_change_is_in_the_audit_log_once_p7(two_companies, operator):
    for _ in range(2):
        assert networks.allow_network(two_companies, duns=PECAN, network=" 192.0.2.7 ", **vars(operator)) == (
            "192.0.2.7/32"
        )
    with pytest.raises(errors.NetworkNotListedError):
        networks.disallow_network(two_companies, duns=PECAN, network="192.0.2.8", **vars(operator))
    with two_companies.read() as connection:
        lines = connection.scalars(select(audit_log.c.details).order_by(audit_log.c.id.desc()).limit(2)).all()
    assert lines[0] == {"network_allowed": "192.0.2.7/32"}
    assert "network_allowed" not in lines[1]


def test_from_the_command_line(two_companies, clock):
    def run(*arguments):
        done = CliRunner().invoke(
            company_command, ["allow-address", *arguments], obj=SimpleNamespace(store=two_companies, clock=clock)
        )
        return done.output if done.exit_code == 0 else done.exception

    assert run("list", PECAN) == "No list: from anywhere.\n"
    run("add", PECAN, "192.0.2.0/24")
    run("add", PECAN, "2001:db8::/32")
    assert run("list", PECAN) == "192.0.2.0/24\n2001:db8::/32\n"
    run("remove", PECAN, "192.0.2.0/24")
    assert run("list", PECAN) == "2001:db8::/32\n"
    assert isinstance(run("remove", PECAN, "192.0.2.0/24"), errors.NetworkNotListedError)


def test_the_proxys_word_on_the_address_counts_on_a_unix_socket_only():
    """The running proof, through nginx, is in tests/interop."""
    header = {"HTTP_X_CLIENT_ADDRESS": "192.0.2.7", "HTTP_X_FORWARDED_FOR": "192.0.2.8", "REMOTE_ADDR": "203.0.113.9"}
    with socket.socket(socket.AF_UNIX) as unix, socket.socket(socket.AF_INET) as tcp:
        assert peer_address(header | {"gunicorn.socket": unix}) == "192.0.2.7"
        assert peer_address(header | {"gunicorn.socket": tcp}) == "203.0.113.9"
        assert peer_address({"gunicorn.socket": unix, "REMOTE_ADDR": "203.0.113.9"}) is None
        # two such headers are joined by a comma
        assert peer_address({"gunicorn.socket": unix, "HTTP_X_CLIENT_ADDRESS": "192.0.2.7,192.0.2.8"}) is None
