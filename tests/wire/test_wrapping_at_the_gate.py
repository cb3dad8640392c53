"""The same rearranged messages against the running server: refused there too, by a signed fault, within a second.

`test_wss_wrapping` tells the attacks; here they travel over mutual TLS as a registered company's, through gate, parse,
verification and dispatch, so that nothing between the wire and the verifier lets one past.
"""

import pytest
from lxml import etree
from running_gate import RunningHub, cancel, hub  # noqa: F401 — the fixture
from test_wss_wrapping import MOVES
from wss_messages import parts

#: Where something before the digests refuses: the parse; a moment that lies before this message was made.
SOONER = {"not_an_envelope": "SOAP_ENVELOPE", "changed_timestamp": "WSS_TIMESTAMP"}


@pytest.mark.parametrize(("attack", "code"), MOVES, ids=[f"{i}-{move.__name__}" for i, (move, _) in enumerate(MOVES)])
def test_a_rearranged_message_is_refused_by_the_running_server(hub: RunningHub, attack, code):  # noqa: F811
    tree = etree.fromstring(hub.sign(cancel()))
    attack(tree, parts(tree))
    answer = hub.post(etree.tostring(tree))
    assert answer.code == SOONER.get(attack.__name__, code), answer.content[:800]
    assert answer.status == 500
    hub.verified(answer)
    answer.assert_within(1)


def test_the_honest_message_is_taken(hub: RunningHub):  # noqa: F811
    assert hub.post(hub.sign(cancel())).status == 200
