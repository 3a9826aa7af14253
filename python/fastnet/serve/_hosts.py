"""Host names that a server accepts: requests to its own names, and from pages under them.

A web page may point its own host name at this machine after it is loaded (DNS rebinding), and then read the answers of
a local server. Its requests have that name in ``Host``. A numeric address is not a name and cannot be pointed
elsewhere.
"""

import ipaddress
import re
import socket
from collections.abc import Callable, Iterable
from functools import lru_cache

from starlette.types import Scope

from fastnet.support.validation import describe

__all__ = ["Hosts"]

_AUTHORITY = re.compile(r"(?P<host>\[[0-9a-f:.]+\]|[\w.-]+)(?::[0-9]{0,5})?", re.ASCII | re.IGNORECASE)
_SCHEME = re.compile(r"https?://", re.IGNORECASE)
_LONGEST_SHOWN = 80
_HOW_TO_ADD = "add names with fastnet serve --allow-host, or allow_host of create_app"
_HOW_TO_ALLOW = (
    "allow its pages with fastnet serve --cors ORIGIN, or cors of create_app; if it is a name of this server, "
    "with --allow-host, or allow_host"
)


class Hosts:
    """The host names that a server accepts.

    Parameters
    ----------
    names : iterable of str
        Names and addresses in addition to those of the machine itself: localhost, 127.0.0.0/8 and [::1]. ``"0.0.0.0"``
        and ``"::"``, for a server that listens on all addresses, mean any address and the name of this machine; ``"*"``
        means any name.

    Raises
    ------
    TypeError, ValueError
        A name is not a host name.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._any_name = self._any_address = False
        self._names = {"localhost"}
        self._addresses: set[ipaddress.IPv4Address | ipaddress.IPv6Address] = set()
        for name in [names] if isinstance(names, str) else names:
            self._add(name)
        self.allows: Callable[[str], bool | None] = lru_cache(1024)(self._allows)

    def _add(self, name: str) -> None:
        if not isinstance(name, str):
            raise TypeError(f"allow_host must contain host names; got {describe(name)}")
        address = _address(name.strip("[]"))
        if name == "*":
            self._any_name = True
        elif address is None:
            if not (found := _AUTHORITY.fullmatch(name)) or found["host"] != name:
                raise ValueError(f"allow_host must contain host names, without scheme and port; got {name!r}")
            self._names.add(_plain(name))
        elif address.is_unspecified:
            self._any_address = True
            self._names.add(_plain(socket.gethostname()))
        else:
            self._addresses.add(address)

    def _allows(self, authority: str) -> bool | None:
        """Return whether a host, with or without a port, is one of the server's; None if it is not a host."""
        if not (found := _AUTHORITY.fullmatch(authority)):
            return None
        host = _plain(found["host"])
        address = _address(host.strip("[]"))
        if address is None:
            return None if host.startswith("[") else self._any_name or host in self._names
        return self._any_name or self._any_address or address.is_loopback or address in self._addresses

    def refusal_of_host(self, scope: Scope) -> tuple[int, str] | None:
        """Return the status and the reason to refuse a request because of its ``Host``, if there is one."""
        given = _values(scope, b"host")
        if not given and scope.get("http_version") == "1.0":  # it has no Host header, and no browser uses it
            return None
        if len(given) != 1:
            return 400, f"a request must have exactly one Host; got {len(given)}"
        allowed = self.allows(given[0])
        if allowed:
            return None
        shown = repr(given[0][:_LONGEST_SHOWN])
        if allowed is None:
            return 400, f"Host must be a name or an address, with or without a port; got {shown}"
        return 421, f"this server does not answer to the name {shown}; {_HOW_TO_ADD}"

    def refusal_of_origin(self, scope: Scope) -> tuple[int, str] | None:
        """Return the status and the reason to refuse a request because of its ``Origin``, which only browsers send."""
        for origin in _values(scope, b"origin"):
            authority = origin[scheme.end() :] if (scheme := _SCHEME.match(origin)) else ""
            if not self.allows(authority):
                shown = repr(origin[:_LONGEST_SHOWN])
                return 403, f"a page of {shown} may not send requests to this server; {_HOW_TO_ALLOW}"
        return None


def _values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]


def _plain(host: str) -> str:
    """Return the canonical form of a name; a trailing dot only marks it as fully qualified."""
    return host.lower().removesuffix(".")


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
