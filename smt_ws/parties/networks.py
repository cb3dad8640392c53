"""From which IP addresses a company may call: its own list, IPv4 and IPv6; none means from anywhere (P3).

The list holds for SOAP and FTPS alike, from the next request or login on. A service provider that acts for a company
calls from an address in that company's list.
"""

from __future__ import annotations

from sqlalchemy import Connection, select, update

from smt_ws.clock import Clock
from smt_ws.parties import errors, rules
from smt_ws.parties.companies import company_id_of, note_change
from smt_ws.parties.tables import company
from smt_ws.store.audit import Event
from smt_ws.store.engine import Store

__all__ = ["allow_network", "disallow_network"]

#: More entries than this are no list that anybody keeps right; each is compared at every request.
_MOST = 100


def allow_network(store: Store, *, duns: str, network: str, actor: str, clock: Clock) -> str:
    """Let the company call from *network* (an address, or a network in CIDR form) and return its plain form.

    The first entry shuts out every other address. Raises `InvalidNetworkError`, `CompanyUnknownError`.
    """
    plain = _plain(network)
    with store.write() as connection:
        company_id = company_id_of(connection, duns)
        listed = _listed(connection, company_id)
        if plain not in listed:
            if len(listed) >= _MOST:
                raise errors.InvalidNetworkError(f"A company lists at most {_MOST} networks. Name larger ones.")
            _write(connection, company_id, [*listed, plain])
            note_change(connection, Event.COMPANY_CHANGE, company_id, actor, clock.now(), {"network_allowed": plain})
    return plain


def disallow_network(store: Store, *, duns: str, network: str, actor: str, clock: Clock) -> str:
    """Take *network* from the company's list; when the last one is gone, it may call from anywhere again.

    Raises `InvalidNetworkError`, `NetworkNotListedError`, `CompanyUnknownError`.
    """
    plain = _plain(network)
    with store.write() as connection:
        company_id = company_id_of(connection, duns)
        listed = _listed(connection, company_id)
        if plain not in listed:
            raise errors.NetworkNotListedError(f"{plain} is not in the list: {', '.join(listed) or 'it is empty'}.")
        _write(connection, company_id, [one for one in listed if one != plain])
        note_change(connection, Event.COMPANY_CHANGE, company_id, actor, clock.now(), {"network_removed": plain})
    return plain


def _plain(network: str) -> str:
    try:
        return str(rules.network_named(network))
    except ValueError as error:
        raise errors.InvalidNetworkError(f"{errors.InvalidNetworkError.sentence()} ({error})"[:300]) from error


def _listed(connection: Connection, company_id: int) -> list[str]:
    # Two operators at once must not undo each other.
    row = connection.execute(select(company.c.allowed_networks).where(company.c.id == company_id).with_for_update())
    return list(row.scalar_one())


def _write(connection: Connection, company_id: int, networks: list[str]) -> None:
    connection.execute(update(company).where(company.c.id == company_id).values(allowed_networks=networks))
