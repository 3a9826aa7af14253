"""Encryption: the certificate of a server, which can be replaced while it runs."""

import ssl
from pathlib import Path

__all__ = ["Certificate"]


class Certificate:
    """A certificate with its private key.

    Parameters
    ----------
    certfile : str
        A PEM file with the certificate, and the chain of those that vouch for it.
    keyfile : str, optional
        A PEM file with the private key; `certfile` by default.

    Attributes
    ----------
    context : ssl.SSLContext
        The settings of connections: TLS 1.2 or newer.

    Raises
    ------
    FileNotFoundError
        One of the files is missing.
    ValueError
        They do not hold a certificate and its key, or the key is encrypted.
    """

    def __init__(self, certfile: str, keyfile: str | None) -> None:
        self._files = certfile, keyfile
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.load()

    def load(self) -> None:
        """Read the files again; connections that begin later use them."""
        certfile, keyfile = self._files
        for path in self._files:
            if path is not None:
                with Path(path).open("rb"):  # else the error does not name the file
                    pass
        # A context is half changed if the key does not fit, so that another one has to be tried first.
        for context in (ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), self.context):
            try:
                context.load_cert_chain(certfile, keyfile, password=_no_password)
            except ssl.SSLError as error:
                key = f" and {keyfile}" if keyfile else ""
                reason = error.reason or str(error)
                raise ValueError(f"{certfile}{key} must hold a certificate and its private key: {reason}") from None


def _no_password() -> str:
    raise ValueError("the private key must not be encrypted: a server cannot ask for its password")
