"""Line: the events that wait for a thread, which come round by address and by browser."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Generic, Protocol, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

CROWD = 4
"""Clients that one address may count for, however many browsers it shows."""

Client: TypeAlias = "tuple[str, str] | None"
"""Whose an event is: a network address, and a browser there. None is nobody's, and unbounded."""


class Waiting(Protocol):
    """What waits for a thread: for whom, since when, and how often threads had come back then."""

    client: Client
    since: float
    returned: int


L = TypeVar("L", bound=Waiting)


class Shares:
    """How many threads each client holds, and may hold of the ``left`` others.

    A client may hold as many threads as are left for all others, and the clients of an address
    together ``CROWD`` times as many: who comes next finds one.
    """

    def __init__(self, holders: Iterable[Client], left: int) -> None:
        clients = [client for client in holders if client is not None]
        self.held = Counter[Client](clients)
        self.held_at = Counter(address for address, _ in clients)
        self.left = left

    def allow(self, client: Client) -> bool:
        """Tell whether the client may have one more."""
        if client is None:
            return self.left > 0
        return self.held[client] < self.left and self.allow_at(client[0])

    def allow_at(self, address: str | None) -> bool:
        """Tell whether some client of the address may have one more."""
        return address is None or self.held_at[address] < CROWD * self.left


class Line(Generic[L]):
    """Who waits for a thread, and whose turn it is.

    Each address has its turn, up to ``CROWD`` of its clients in a row, one after the other.
    """

    def __init__(self) -> None:
        # Both dictionaries are in the order of whose turn it is; what waits, in that of arrival.
        self.addresses: dict[str | None, dict[Client, dict[L, None]]] = {}
        self._last: str | None = None
        self._turns = 0

    def add(self, lease: L) -> None:
        """Have ``lease`` wait."""
        clients = self.addresses.setdefault(_address(lease), {})
        clients.setdefault(lease.client, {})[lease] = None

    def remove(self, lease: L) -> None:
        """Have ``lease`` wait no more, if it does."""
        address = _address(lease)
        clients = self.addresses.get(address, {})
        leases = clients.get(lease.client, {})
        leases.pop(lease, None)
        if not leases:
            clients.pop(lease.client, None)
        if not clients:
            self.addresses.pop(address, None)

    def first(self, shares: Shares) -> L | None:
        """Return whose turn it is of those that may have a thread.

        No more are looked at than hold threads: who holds none may have one.
        """
        for address, clients in self.addresses.items() if shares.left else ():
            for client in clients if shares.allow_at(address) else ():
                if shares.allow(client):
                    return next(iter(clients[client]))
        return None

    def crowded_out(self, shares: Shares) -> L | None:
        """Return an event whose client holds no thread although another holds several.

        Of another address than those who hold some, if there is one.
        """
        if max(shares.held_at.values(), default=0) < 2:
            return None
        waiting = self.addresses.items()
        at_none = (clients for address, clients in waiting if not shares.held_at[address or ""])
        for clients in (*at_none, *self.addresses.values()):
            for client in clients:
                if client is not None and not shares.held[client]:
                    return next(iter(clients[client]))
        return None

    def take(self, shares: Shares) -> L | None:
        """Take out whose turn it is; the next turn is another's."""
        lease = self.first(shares)
        if lease is not None:
            self._pass_turn(lease)
            self.remove(lease)
        return lease

    def late(self, deadline: float) -> Iterator[L]:
        """Take out those that wait since before ``deadline``."""
        waiting = [leases for clients in self.addresses.values() for leases in clients.values()]
        for leases in waiting:
            for lease in list(leases):
                if lease.since > deadline:
                    break
                self.remove(lease)
                yield lease

    def _pass_turn(self, lease: L) -> None:
        address = _address(lease)
        clients = self.addresses[address]
        if address != self._last or not self._turns:
            self._last, self._turns = address, min(CROWD, len(clients))
        self._turns -= 1
        clients[lease.client] = clients.pop(lease.client)
        if not self._turns:
            self.addresses[address] = self.addresses.pop(address)


def _address(lease: Waiting) -> str | None:
    return None if lease.client is None else lease.client[0]
