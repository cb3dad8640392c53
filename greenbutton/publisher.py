"""Who publishes a document: where its resources seem to live, and what they are called.

Readers keep what they have read by Atom id and by address, so both must be the same in every download (DMD rule
FDFTP001), and neither may tell whose usage it is (GB007). An ESI ID is drawn from a small, known range: a plain UUID of
it could be turned back by trying them all. So an ESI ID enters a document only through HMAC-SHA-256 under a secret of
the deployment, and everything else is derived from that.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha1
from typing import Final

from greenbutton.errors import UnusablePublisherError

_ADDRESS: Final = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~-]+)*", re.ASCII)
_SHORTEST_SECRET: Final = 16


@dataclass(frozen=True)
class Publisher:
    """What a deployment publishes under.

    `base_url`          such as `https://hub.example.org/DataCustodian`: http(s), no slash at the end. Addresses in a
                        document are names that readers compare; nothing needs to answer there.
    `namespace_secret`  at least 16 random bytes, the same for the life of the deployment: with another secret every
                        resource has another id, and readers take known usage for new.
    `subscription`      for whom, such as a DUNS number: usage points are addressed below it. It is not shown.
    `time_last`         local time parameters end the document instead of beginning it, for readers that go by position
                        and expect a usage point first.

    Raises `UnusablePublisherError`.
    """

    base_url: str
    namespace_secret: bytes = field(repr=False)
    subscription: str = ""
    time_last: bool = False

    def __post_init__(self) -> None:
        if not _ADDRESS.fullmatch(self.base_url):
            raise UnusablePublisherError(
                f"base URL {self.base_url!r}: expected http(s), a host, plain path segments, no slash at the end"
            )
        if len(self.namespace_secret) < _SHORTEST_SECRET:
            raise UnusablePublisherError(
                f"the namespace secret has {len(self.namespace_secret)} bytes; at least {_SHORTEST_SECRET} are needed"
            )

    @cached_property
    def resources(self) -> str:
        """The address that all resources are below (the ESPI resource space)."""
        return f"{self.base_url}/espi/1_1/resource"

    @cached_property
    def subscription_token(self) -> str:
        """Sixteen hex digits that stand for the subscription."""
        return self._opaque("Subscription", self.subscription)[:16]

    @cached_property
    def _namespace(self) -> bytes:
        return bytes.fromhex(self._opaque("Namespace", ""))

    def usage_point_token(self, esiid: str) -> str:
        """Return the 32 hex digits that stand for the ESI ID in every document of this deployment."""
        return self._opaque("UsagePoint", esiid)

    def urn(self, path: str) -> str:
        """Return the Atom id of a resource: a UUID of version 5. Depends on the secret, not on address or reader.

        `path` names the resource within the deployment, such as `UsagePoint/<token>/MeterReading/1`.
        """
        # As uuid.uuid5 does (RFC 9562, 5.5), at a third of its time: every block has one. SHA-1 keeps no secret here.
        digest = sha1(self._namespace + path.encode(), usedforsecurity=False).digest()
        text = digest[:16].hex()
        variant = "89ab"[digest[8] >> 4 & 3]
        return f"urn:uuid:{text[:8]}-{text[8:12]}-5{text[13:16]}-{variant}{text[17:20]}-{text[20:]}"

    def usage_point_urn(self, esiid: str) -> str:
        """Return the Atom id under which the ESI ID's usage point appears.

        A document must not say whose usage it holds; whoever may know (the requester's manifest) is told by this.
        """
        return self.urn(f"UsagePoint/{self.usage_point_token(esiid)}")

    def _opaque(self, kind: str, name: str) -> str:
        return hmac.digest(self.namespace_secret, f"{kind}\0{name}".encode(), "sha256")[:16].hex()
