"""Certificates for tests."""

import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the command openssl")


def certificate(folder: Path, name: str = "server") -> tuple[Path, Path]:
    """Make a certificate for localhost that vouches for itself; return its file and that of its key."""
    folder.mkdir(exist_ok=True)
    cert, key = folder / f"{name}.crt", folder / f"{name}.key"
    subject = ["-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    new = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    ]
    subprocess.run([*new, *subject, "-out", str(cert), "-keyout", str(key)], check=True, capture_output=True)
    return cert, key


def trusting(cert: Path) -> ssl.SSLContext:
    """Return what a client needs to trust a certificate."""
    return ssl.create_default_context(cafile=str(cert))
