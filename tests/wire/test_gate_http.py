"""What is answered outside SOAP, and the published files, against the running server."""

import contextlib
import re
import socket
import time

import pytest
from lxml import etree
from running_gate import ESIID, ROOT, cancel, hub, ping, usage  # noqa: F401

MEGABYTE = 1024 * 1024


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/soap/MeterUsage", 405),
        ("GET", "/soap/MeterUsage?xsd=1", 405),
        ("PUT", "/soap/MeterUsage", 405),
        ("DELETE", "/soap/MeterUsage", 405),
        ("TRACE", "/soap/MeterUsage", 405),
        ("POST", "/xsd/common.xsd", 405),
        ("POST", "/soap/Nothing", 404),
        ("GET", "/", 404),
        ("GET", "/xsd/../wsdl/MeterUsage.wsdl", 404),
        ("GET", "/xsd/%2e%2e/setup.cfg", 404),
        ("GET", "/xsd/", 404),
    ],
)
def test_only_posts_to_services_and_gets_of_published_files_are_answered(hub, method, path, status):  # noqa: F811
    answer = hub.call(method, path, b"" if method in {"PUT", "POST"} else None)
    assert answer.status == status
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert ("allow" in answer.headers) == (status == 405)


@pytest.mark.parametrize(
    "kind",
    [
        "application/json",
        "application/x-www-form-urlencoded",
        "application/xml",
        "multipart/related; type=application/xop+xml; boundary=x",
        "text/xml; charset=utf-7",
        "text/xml; charset=utf-16",
        "text/xml; charset=iso-8859-1",
        'text/xml; charset="utf-8"; charset=utf-7',
        "text/xml; charset=utf-8; charset=utf-8",
        "text/xml charset=utf-7",
        "text/xml; ; charset=utf-7",
        "",
    ],
)
def test_a_content_type_that_two_readers_could_read_differently_is_refused(hub, kind):  # noqa: F811
    assert hub.post(hub.sign(cancel()), kind=kind).status == 415


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "gzip, identity"])
def test_content_codings_are_refused(hub, coding):  # noqa: F811
    assert hub.post(hub.sign(cancel()), Content_Encoding=coding).status == 415


@pytest.mark.parametrize("kind", ["text/xml", "TEXT/XML;charset=UTF-8", 'text/xml; charset="utf-8"'])
def test_usual_spellings_of_the_content_type_are_taken(hub, kind):  # noqa: F811
    assert hub.post(hub.sign(cancel()), kind=kind).status == 200


def _raw(hub, head: bytes, body: bytes = b"", *, whole: bool = False, who=None) -> bytes:  # noqa: F811
    with (
        socket.create_connection(("localhost", hub.port), timeout=180) as plain,
        hub.context(who or hub.rep).wrap_socket(plain, server_hostname="localhost") as sock,
    ):
        with contextlib.suppress(OSError):  # answered and closed before everything was sent
            sock.sendall(head + body)
        answer = b""
        with contextlib.suppress(ConnectionResetError):  # closed with bytes of ours unread
            while (whole or b"\r\n\r\n" not in answer) and (got := sock.recv(4096)):
                answer += got
        return answer


HEAD = b"POST /soap/MeterUsage HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\nConnection: close\r\n"


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (b"Content-Length: \r\n", 400),
        (b"Content-Length: many\r\n", 400),
        (b"Content-Length: -1\r\n", 400),
        (b"Content-Length: 0\r\n", 400),
        (b"Content-Length: 5\r\nContent-Length: 6\r\n", 400),
        (b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400),
        (b"", 411),
    ],
)
def test_odd_lengths_are_refused_without_a_bare_500(hub, lines, status):  # noqa: F811
    assert re.match(rb"HTTP/1\.1 (\d+)", _raw(hub, HEAD + lines + b"\r\n"))[1] == str(status).encode()


def test_a_declared_length_over_the_cap_is_refused_unread(hub):  # noqa: F811
    answer = _raw(hub, HEAD + b"Content-Length: 104857600\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413")


def test_a_chunked_message_over_the_cap_is_refused_not_truncated(hub):  # noqa: F811
    piece = b"10000\r\n" + b" " * 65536 + b"\r\n"
    answer = _raw(hub, HEAD + b"Transfer-Encoding: chunked\r\n\r\n", piece * 129 + b"0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413")


BROKEN = {
    "a chunk size that is no number": (b"Transfer-Encoding: chunked\r\n", b"zz\r\n<a/>\r\n0\r\n\r\n", 400),
    "a chunk longer than it says": (b"Transfer-Encoding: chunked\r\n", b"2\r\n<abc/>\r\n0\r\n\r\n", 400),
    "an extension that is none": (b"Transfer-Encoding: chunked\r\n", b"4;=\x01\r\n<a/>\r\n0\r\n\r\n", 400),
    "a stall in a chunk": (b"Transfer-Encoding: chunked\r\n", b"20\r\n<a/>", 408),
    "a stall after the head": (b"Content-Length: 500\r\n", b"", 408),
    "a stall in the message": (b"Content-Length: 500\r\n", b"<a>", 408),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_message_that_does_not_arrive_is_the_senders_and_ends_the_connection(hub, case):  # noqa: F811
    """Of any certificate of the authority: no fault of the hub's, no traceback, and nothing after it is read."""
    lines, body, status = BROKEN[case]
    log = (hub.folder / "log").read_text()
    head = HEAD.replace(b"Connection: close\r\n", b"")
    after = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n" if status == 400 else b""
    answer = _raw(hub, head + lines + b"\r\n", body + after, whole=True, who=hub.stranger)
    assert [int(one) for one in re.findall(rb"HTTP/1\.1 (\d+)", answer)] == [status]
    assert b"INTERNAL_ERROR" not in answer
    assert "Traceback" not in (hub.folder / "log").read_text().removeprefix(log)
    assert f"status={status}" in (hub.folder / "records").read_text().splitlines()[-1]


@pytest.mark.parametrize(
    ("lines", "body"), [(b"Content-Length: 500\r\n", b"<a>"), (b"Transfer-Encoding: chunked\r\n", b"20\r\n<a>")]
)
def test_a_message_cut_by_its_senders_leaving_is_no_failure_of_the_hub(hub, lines, body):  # noqa: F811
    seen = len((hub.folder / "records").read_text().splitlines())
    log = (hub.folder / "log").read_text()
    with (
        socket.create_connection(("localhost", hub.port), timeout=180) as plain,
        hub.context(hub.rep).wrap_socket(plain, server_hostname="localhost") as sock,
    ):
        sock.sendall(HEAD + lines + b"\r\n" + body)
    end = time.monotonic() + 180
    while len(records := (hub.folder / "records").read_text().splitlines()) == seen:
        assert time.monotonic() < end, "no record of the exchange"
        time.sleep(0.05)
    assert "status=400" in records[-1]
    assert "fault=None" in records[-1]
    assert "Traceback" not in (hub.folder / "log").read_text().removeprefix(log)


def test_the_wsdl_is_the_published_file_with_the_configured_address_alone_changed(hub):  # noqa: F811
    for service in ("MeterUsage", "ReportRequestStatus", "Connectivity"):
        answer = hub.call("GET", f"/soap/{service}?wsdl", headers={"Host": "evil.example"})
        published = (ROOT / "wsdl" / f"{service}.wsdl").read_bytes()
        local, configured = b"https://localhost:5200/soap/", b"https://hub.example:5200/soap/"
        assert published.count(local) == 2
        assert answer.content == published.replace(local, configured)
        assert answer.headers["content-type"] == "text/xml; charset=utf-8"
    assert hub.call("GET", "/soap/MeterUsage?WSDL").status == 200


def test_head_of_the_wsdl_has_no_body(hub):  # noqa: F811
    answer = hub.call("HEAD", "/soap/MeterUsage?wsdl")
    assert (answer.status, answer.content) == (200, b"")


def test_the_schemas_are_served_as_published_and_found_by_the_wsdls_relative_imports(hub):  # noqa: F811
    from urllib.parse import urljoin

    wsdl = hub.call("GET", "/soap/MeterUsage?wsdl").content
    imports = etree.fromstring(wsdl).iterfind(".//{http://www.w3.org/2001/XMLSchema}import")
    paths = [urljoin("/soap/MeterUsage", el.get("schemaLocation")) for el in imports]
    assert sorted(paths) == ["/xsd/MeterUsage.xsd", "/xsd/common.xsd"]
    for path in paths:
        assert hub.call("GET", path).content == (ROOT / path.lstrip("/")).read_bytes()


def test_an_error_that_nothing_below_caught_leaves_as_a_signed_fault(hub):  # noqa: F811
    for kind, status in (("text/xml", 500), ("application/soap+xml", 500)):
        answer = hub.post(hub.sign(ping()), service="Broken", kind=kind)
        assert (answer.status, answer.code) == (status, "INTERNAL_ERROR")
        assert hub.verified(answer) is not None
        assert b"secret" not in answer.content
        assert answer.text("reference") in (hub.folder / "log").read_text()


def test_a_mounted_route_is_served_beside_the_services(hub):  # noqa: F811
    assert hub.call("GET", "/livez").content == b"ok\n"


def test_every_exchange_leaves_a_record_without_content(hub):  # noqa: F811
    hub.post(hub.sign(usage([ESIID], trans_id="private-words")))
    refused = hub.post(hub.sign(usage([ESIID], start="x")))
    records = (hub.folder / "records").read_text().splitlines()
    assert "status=200" in records[-2]
    assert "operation='RequestIntervalData'" in records[-2]
    assert f"reference='{refused.text('reference')}'" in records[-1]
    assert "fault='SCHEMA_VIOLATION'" in records[-1]
    assert "private-words" not in records[-2]
