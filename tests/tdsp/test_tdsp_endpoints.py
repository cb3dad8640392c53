"""Where TDSPs are called, and what they may post at all (H5, H7)."""

import pytest
from click.testing import CliRunner
from han_market import CENTERPOINT, ONCOR, esiid, open_han_market

from smt_ws.cli.company_tdsp import tdsp_endpoint
from smt_ws.han.errors import InvalidEndpointError, NotATdspError, TooManyPostsError
from smt_ws.han.posts import MOST_POSTS, take_posts
from smt_ws.han.statuses import MessagePost, MeterExchangePost, ProvisioningPost
from smt_ws.han.tdsp_endpoints import clear_endpoint, endpoint_of, endpoints, set_endpoint
from smt_ws.parties.errors import CompanyUnknownError
from smt_ws.store.tables import audit_log


@pytest.fixture
def market(store, tmp_path, clock):
    return open_han_market(store, tmp_path, clock)


@pytest.fixture
def by_operator(market):
    return {"actor": "operator:test", "clock": market.clock}


def test_an_endpoint_is_set_changed_shown_and_cleared(market, by_operator):
    for url in ("https://han.example:5300/soap/TDSPHan", "https://other.example/han"):
        set_endpoint(market.store, duns=ONCOR, url=url, **by_operator)
    with market.store.read() as connection:
        assert endpoints(connection) == [(ONCOR, "tdsp", "https://other.example/han")]
        assert endpoint_of(connection, ONCOR) is None  # no certificate of its could sign an answer
        events = [row.event for row in connection.execute(audit_log.select().order_by(audit_log.c.id))]
    assert events == ["tdsp_endpoint:set:done"] * 2
    assert clear_endpoint(market.store, duns=ONCOR, **by_operator) is True
    assert clear_endpoint(market.store, duns=ONCOR, **by_operator) is False
    with market.store.read() as connection:
        assert endpoints(connection) == [(ONCOR, "tdsp", None)]


def test_an_address_that_cannot_be_called_is_refused(market, by_operator):
    for url in (
        "http://han.example/x",
        "https:///x",
        "han.example",
        "https://user@han.example/x",
        "https://han.example/x?y",
        "https://han.example/x#y",
        "https://han.example:99999/x",
        "https://han.example/ x",
        "https://häuser.example/x",
        "https://han.example/" + "x" * 500,
        "",
    ):
        with pytest.raises(InvalidEndpointError):
            set_endpoint(market.store, duns=ONCOR, url=url, **by_operator)


def test_only_a_tdsp_that_is_known_has_an_endpoint(market, by_operator):
    with pytest.raises(InvalidEndpointError, match="REP"):
        set_endpoint(market.store, duns=market.rep.duns, url="https://x.example/x", **by_operator)
    with pytest.raises(CompanyUnknownError):
        set_endpoint(market.store, duns=CENTERPOINT, url="https://x.example/x", **by_operator)


def test_the_commands_do_the_same(market):
    run = CliRunner().invoke
    assert "from now on" in run(tdsp_endpoint, ["set", ONCOR, "https://x.example/x"], obj=market.hub).output
    assert "https://x.example/x" in run(tdsp_endpoint, ["show"], obj=market.hub).output
    assert "not called any more" in run(tdsp_endpoint, ["clear", ONCOR], obj=market.hub).output
    assert "has no endpoint" in run(tdsp_endpoint, ["clear", ONCOR], obj=market.hub).output
    assert "not set" in run(tdsp_endpoint, ["show"], obj=market.hub).output


def _posts(market):
    now = market.clock.now()
    return [
        ProvisioningPost(17, esiid(1), None, None, "PENDING", None, None, now),
        MessagePost(17, None, esiid(1), None, None, "ACK", None, None, now),
        MeterExchangePost(esiid(1), "A", "B", now, None),
    ]


class Tdsp:
    """What `posts` needs of a caller."""

    def __init__(self, who, kind="TDSP"):
        self.company_id, self.kind, self.duns, self.duns_numbers = who.company_id, kind, who.duns, who.duns_numbers
        self.signing_sha256 = "cd" * 32


def test_only_a_tdsp_posts_and_not_more_than_a_call_may_bring(market):
    for post in _posts(market):
        with market.store.write() as connection:
            common = {"clock": market.clock, "address": "192.0.2.7"}
            for kind in ("REP", "CSP", "REG"):
                with pytest.raises(NotATdspError):
                    take_posts(connection, Tdsp(market.tdsp, kind), [post], **common)
            with pytest.raises(TooManyPostsError):
                take_posts(connection, Tdsp(market.tdsp), [post] * (MOST_POSTS + 1), **common)


def test_a_call_with_posts_leaves_one_line_with_the_answers_it_had(market):
    for post in _posts(market):
        with market.store.write() as connection:
            answers = take_posts(connection, Tdsp(market.tdsp), [post] * 2, clock=market.clock, address="192.0.2.7")
        assert len(answers) == 2
        with market.store.read() as connection:
            row = connection.execute(audit_log.select().order_by(audit_log.c.id.desc()).limit(1)).one()
        assert (row.event, row.address, row.certificate_sha256) == ("han:statuses:posted", "192.0.2.7", "cd" * 32)
        assert sum(row.details["answers"].values()) == 2
