"""A callback address leads to a company's server on the public Internet, and nowhere else."""

from __future__ import annotations

import ipaddress
import socket

import pytest
import requests

from adapters import guarded_https
from adapters.guarded_https import ForbiddenAddressError, PublicHttps, is_public
from smt_ws.parties.callback import _require_usable
from smt_ws.parties.errors import CallbackAddressError

PUBLIC = "93.184.215.14"


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254",
        "100.64.0.1", "0.0.0.0", "255.255.255.255", "224.0.0.251", "240.0.0.1", "192.0.2.1", "198.18.0.1",
        "::1", "::", "fe80::1", "fc00::1", "fd12:3456::1", "ff02::1", "2001:db8::1", "::ffff:10.0.0.1",
        "::ffff:93.184.215.14", "::127.0.0.1", "64:ff9b::a00:1", "64:ff9b:1::a00:1", "2002:a00:1::1", "2001:0:4136::1",
    ],
)  # fmt: skip
def test_no_private_local_or_wrapped_address_is_public(address):
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", [PUBLIC, "8.8.8.8", "172.32.0.1", "2606:4700::6810:84e5", "2a00:1450:4001::200e"])
def test_addresses_of_the_internet_are_public(address):
    assert is_public(ipaddress.ip_address(address))


def resolving(monkeypatch, *answers):
    """Let names resolve to each of *answers*, one after the other; returns what was asked."""
    asked, left = [], list(answers)

    def getaddrinfo(host, port, *_more, **_named):
        asked.append(host)
        found = left.pop(0)
        return [
            (socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in found
        ]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


def connecting(monkeypatch):
    """Note where connections would go, and let none succeed."""
    tried = []

    def create_connection(address, *_more):
        tried.append(address)
        raise ConnectionRefusedError("not in a test")

    monkeypatch.setattr(guarded_https, "create_connection", create_connection)
    return tried


def get(url):
    with requests.Session() as session:
        session.trust_env = False
        session.mount("https://", PublicHttps())
        session.get(url, timeout=5)


def test_the_address_that_was_looked_at_is_the_one_connected_to(monkeypatch):
    """DNS rebinding: a second answer, which would lead inside, is never asked for."""
    asked, tried = resolving(monkeypatch, [PUBLIC], ["127.0.0.1"]), connecting(monkeypatch)
    with pytest.raises(requests.ConnectionError):
        get("https://hooks.example/soap")
    assert asked == ["hooks.example"]
    assert tried == [(PUBLIC, 443)]


def test_each_public_address_is_tried_in_turn(monkeypatch):
    resolving(monkeypatch, [PUBLIC, "2606:4700::6810:84e5", PUBLIC])
    tried = connecting(monkeypatch)
    with pytest.raises(requests.ConnectionError):
        get("https://hooks.example:8443/soap")
    assert tried == [(PUBLIC, 8443), ("2606:4700::6810:84e5", 8443)]


@pytest.mark.parametrize("addresses", [["10.0.0.1"], [PUBLIC, "10.0.0.1"], ["fe80::1%eth0"], ["::ffff:127.0.0.1"]])
def test_one_private_address_among_a_names_addresses_is_enough_to_refuse(monkeypatch, addresses):
    resolving(monkeypatch, addresses)
    tried = connecting(monkeypatch)
    with pytest.raises(requests.ConnectionError, match="not on the public Internet"):
        get("https://hooks.example/soap")
    assert tried == []


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost", "0x7f000001", "2130706433", "127.1"])
def test_a_literal_in_whatever_spelling_is_looked_at_too(monkeypatch, host):
    tried = connecting(monkeypatch)
    with pytest.raises((requests.ConnectionError, requests.exceptions.InvalidURL)):
        get(f"https://{host}/soap")
    assert tried == []


def test_a_forbidden_address_is_a_connection_error_to_who_retries():
    assert issubclass(ForbiddenAddressError, OSError)


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example/", "ftp://hooks.example/", "https:///soap", "hooks.example/soap", "https://a:99999/",
        "https://user@hooks.example/", "https://u:p@hooks.example/", "https://hooks.example/#x",
        "https://hooks.example/a b\n", "https://höoks.example/", "https://hooks.example/" + "x" * 500,
    ],
)  # fmt: skip
def test_what_is_no_plain_https_address_is_refused_in_a_sandbox_too(url):
    with pytest.raises(CallbackAddressError):
        _require_usable(url, private_allowed=True)


def test_production_refuses_private_hosts_and_a_sandbox_takes_them(monkeypatch):
    _require_usable("https://127.0.0.1:5300/soap", private_allowed=True)
    with pytest.raises(CallbackAddressError, match=r"127\.0\.0\.1"):
        _require_usable("https://127.0.0.1:5300/soap", private_allowed=False)
    resolving(monkeypatch, [PUBLIC], [PUBLIC, "192.168.0.7"])
    _require_usable("https://hooks.example/soap", private_allowed=False)
    with pytest.raises(CallbackAddressError, match=r"192\.168\.0\.7"):
        _require_usable("https://hooks.example/soap", private_allowed=False)
