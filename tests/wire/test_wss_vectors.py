"""Messages that real clients signed, kept as they sent them: what each must do, and why, is said in index.json."""

import json
from datetime import datetime
from pathlib import Path

import pytest
from cryptography import x509
from lxml import etree
from wss_messages import parse

from adapters.soap.wssecurity import Policy, SecurityFailure, verify

FOLDER = Path(__file__).parent / "wss_vectors"
INDEX = json.loads((FOLDER / "index.json").read_text())
SIGNER = x509.load_pem_x509_certificate((FOLDER / "rep.pem").read_bytes())


def held(issuer, serial):
    known = (SIGNER.issuer.rfc4514_string(), SIGNER.serial_number)
    return SIGNER if (issuer, serial) == known else None


def test_every_message_in_the_folder_is_in_the_index():
    assert {path.name for path in FOLDER.glob("*.xml")} == set(INDEX)


@pytest.mark.parametrize("name", INDEX)
def test_a_kept_message_does_what_the_index_says(name):
    entry = INDEX[name]
    message = (FOLDER / name).read_bytes()
    now = datetime.fromisoformat(entry["now"])
    asking = {"policy": Policy(require_token=False), "certificates": held}
    if "signer" in entry:
        verify(parse(message), now=now)
    elif entry["expect"] == "accepted":
        assert verify(parse(message), now=now).certificate == SIGNER
        assert verify(parse(message), now=now, **asking).certificate == SIGNER
    elif entry["expect"] == "by-issuer":
        assert verify(parse(message), now=now, **asking).certificate == SIGNER
        with pytest.raises(SecurityFailure, match="issuer and serial"):
            verify(parse(message), now=now)
    else:
        with pytest.raises(SecurityFailure) as caught:
            verify(parse(message), now=now, **asking)
        assert caught.value.code == entry["expect"]


@pytest.mark.parametrize("name", [name for name, entry in INDEX.items() if entry["expect"] != "WSS_ALGORITHM"])
def test_a_kept_message_changed_in_its_content_is_refused(name):
    tree = parse((FOLDER / name).read_bytes())
    content = tree[-1][0]
    leaf = content[0] if len(content) else content
    leaf.text = f"{leaf.text}1"
    with pytest.raises(SecurityFailure) as caught:
        verify(
            parse(etree.tostring(tree)),
            now=datetime.fromisoformat(INDEX[name]["now"]),
            policy=Policy(require_token=False),
            certificates=held,
        )
    assert caught.value.code == "WSS_DIGEST_MISMATCH"
