"""Certificate, authorities and revocation lists are replaced under a running gate; lists have a stated fail mode."""

from __future__ import annotations

import logging
import ssl
from datetime import timedelta

import pytest
from running_gate import cancel, start_hub, stop_hub
from throwaway_ca import Authority

from adapters.revocation import RevocationListError
from adapters.tls import LiveContext, TlsFiles


def shaken(server: ssl.SSLContext, client: ssl.SSLContext) -> bytes | None:
    """The server's certificate if a handshake in memory succeeds on both sides, else None."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname="localhost"),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(10):
        for end in list(ends):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLError:
                return None
            ends.remove(end)
            if not isinstance(end.server_hostname, str):
                continue
            certificate = end.getpeercert(binary_form=True)
        if not ends:
            return certificate
    raise AssertionError("no end of the handshake")


@pytest.fixture
def made(tmp_path):
    class Made:
        ca = Authority("ca", tmp_path)
        server, rep, revoked = ca.issue("localhost"), ca.issue("rep"), ca.issue("revoked")
        lists = tmp_path / "lists.pem"

        def files(self, **values) -> TlsFiles:
            return TlsFiles(self.server.path, self.server.key_path, self.ca.path, **values)

        def client(self, who, ca=None) -> ssl.SSLContext:
            context = ssl.create_default_context(cafile=str((ca or self.ca).path))
            if who is not None:
                context.load_cert_chain(who.path, who.key_path)
            return context

    return Made()


@pytest.mark.parametrize("mode", ["refuse", "serve"])
def test_a_list_past_its_next_update_refuses_everybody_or_is_left_to_the_application(made, mode):
    made.ca.crl(made.lists, made.revoked.certificate)
    live = LiveContext(made.files(crl=made.lists, when_crl_expired=mode))
    assert shaken(live(), made.client(made.rep))
    assert shaken(live(), made.client(made.revoked)) is None
    made.ca.crl(made.lists, made.revoked.certificate, ends=-timedelta(hours=1))
    assert bool(shaken(live(), made.client(made.rep))) == (mode == "serve")
    made.ca.crl(made.lists, made.revoked.certificate)
    assert shaken(live(), made.client(made.rep))
    assert shaken(live(), made.client(made.revoked)) is None


def test_lists_that_cannot_be_used_leave_the_earlier_ones_in_force(made, tmp_path, caplog):
    made.ca.crl(made.lists, made.revoked.certificate)
    live = LiveContext(made.files(crl=made.lists))
    stranger = Authority("stranger", tmp_path)
    for spoil in (lambda: made.lists.write_text("torn"), lambda: stranger.crl(made.lists), made.lists.unlink):
        spoil()
        caplog.clear()
        with caplog.at_level(logging.ERROR):
            assert shaken(live(), made.client(made.rep))
        assert shaken(live(), made.client(made.revoked)) is None
        assert caplog.records
    with pytest.raises(RevocationListError):
        LiveContext(made.files(crl=made.lists))


def test_one_context_serves_until_a_file_changes_and_no_session_is_resumed(made):
    live = LiveContext(made.files())
    assert live() is live()
    made.ca.path.touch()
    first = live()
    made.ca.path.write_bytes(made.ca.path.read_bytes() + b"\n")
    assert live() is not first
    assert live().num_tickets == 0
    assert live().options & ssl.OP_NO_TICKET


def test_pages_for_people_ask_for_no_client_certificate(made):
    live = LiveContext(TlsFiles(made.server.path, made.server.key_path, client_ca=None))
    assert shaken(live(), made.client(None))


def test_files_are_swapped_under_a_running_gate(tmp_path):
    running = start_hub(tmp_path)
    try:
        old = running.connect()
        old.connect()
        first = old.sock.getpeercert(binary_form=True)

        def seen(who) -> bytes | None:
            connection = running.connect(who)
            try:
                connection.request("POST", "/soap/MeterUsage", running.sign(cancel()), {"Content-Type": "text/xml"})
                shown = connection.sock.getpeercert(binary_form=True)
                connection.getresponse().read()
            except (ssl.SSLError, ConnectionError):
                return None
            finally:
                connection.close()
            return shown

        # the server's own certificate, in two steps: between them the earlier pair stays in use
        renewed = running.ca.issue("renewed")
        renewed.path.replace(running.hub.path)
        assert seen(running.rep) == first
        renewed.key_path.replace(running.hub.key_path)
        second = seen(running.rep)
        assert second not in {None, first}

        # another authority beside the first
        (tmp_path / "other").mkdir()
        other = Authority("other", tmp_path / "other")
        newcomer = other.issue("newcomer")
        assert seen(newcomer) is None
        both = tmp_path / "both.pem"
        both.write_bytes(running.ca.path.read_bytes() + other.path.read_bytes())
        own = running.ca.path.read_bytes()
        both.replace(running.ca.path)
        assert seen(newcomer) == second
        running.ca.path.write_bytes(own)
        assert seen(newcomer) is None

        # a connection from before is not cut
        old.request("POST", "/soap/MeterUsage", running.sign(cancel()), {"Content-Type": "text/xml"})
        answer = old.getresponse()
        assert answer.status == 200, answer.read()[-600:]
        old.close()
    finally:
        stop_hub(running)
