"""P3, P4: a revoked certificate and an address that is not the company's come no further at the FTPS site either."""

from __future__ import annotations

import ftplib
import ssl
from dataclasses import replace
from datetime import timedelta

import pytest
from ftps_sandbox import OTHER, PASSWORD, REQUESTER, running

from adapters.ftps import FtpsTlsError
from adapters.ftps.tls import ServerTls

# TLS 1.2: the client hears of a refusal within the handshake, not at its first read.
TLS12 = {"tls12": True}


def refused(box, user: str) -> bool:
    try:
        with box.login(user, **TLS12):
            return False
    except (ssl.SSLError, EOFError, ConnectionError):
        return True


@pytest.mark.parametrize("mode", ["refuse", "serve"])
def test_the_lists_hold_from_the_next_connection_on_and_the_mode_says_what_a_late_one_means(tmp_path, mode):
    lists = tmp_path / "lists.pem"
    with running(tmp_path, crl_file=lists, when_crl_expired=mode) as box:
        assert not refused(box, REQUESTER)
        box.authority.crl(lists, box.pems[REQUESTER])
        assert refused(box, REQUESTER)
        assert not refused(box, OTHER)
        box.authority.crl(lists, box.pems[REQUESTER], ends=-timedelta(hours=1))
        assert refused(box, REQUESTER)
        assert refused(box, OTHER) == (mode == "refuse")
        lists.write_text("torn")
        assert refused(box, REQUESTER), "the earlier list stays in force"


def test_a_list_of_a_stranger_stops_the_start(tmp_path):
    with running(tmp_path / "a") as box, running(tmp_path / "b") as other:
        lists = other.authority.crl(tmp_path / "lists.pem")
        with pytest.raises(FtpsTlsError):
            ServerTls(box.server.certificate, box.server.key, box.authority.file, crl_file=lists)


def test_an_account_opens_from_its_addresses_only_and_the_answer_does_not_say_why_p3(tmp_path):
    with running(tmp_path) as box:
        asked = []
        box.accounts[REQUESTER] = replace(box.accounts[REQUESTER], allows_address=lambda a: bool(asked.append(a)))
        with pytest.raises(ftplib.error_perm, match="530 Authentication failed"), box.login(REQUESTER):
            pass
        assert asked == ["127.0.0.1"]
        with box.connect(box.pems[OTHER]) as client:
            with pytest.raises(ftplib.error_perm, match="530 Authentication failed"):
                client.login(OTHER, PASSWORD + "!")
            client.close()
        with box.login(OTHER) as client:
            assert client.pwd() == "/"
