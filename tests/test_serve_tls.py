"""Connections can be encrypted, with a certificate that can be replaced."""

import io
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest
import uvicorn

import fastnet as fn
from certificates import certificate, needs_openssl, trusting
from command import Run, serving
from fastnet.serve import create_app
from fastnet.serve._protocol import LimitedProtocol
from fastnet.serve.running import listen
from fastnet.serve.tls import Certificate

pytestmark = needs_openssl


@contextmanager
def server(encryption: ssl.SSLContext, units: int = 1) -> Iterator[int]:
    """Serve a model in a thread; yields the port."""
    app = create_app(fn.Sequential([fn.Dense(units, input_shape=(1,))], seed=0), max_batch=20_000)
    config = uvicorn.Config(app, http=LimitedProtocol, ws="none", log_level="error")
    config.load()
    config.ssl = encryption
    running = uvicorn.Server(config)
    with closing(listen("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield port
        finally:
            running.should_exit = True
            thread.join()


def test_the_command_serves_over_https(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    fn.Sequential([fn.Dense(1, input_shape=(1,))], seed=0).save(tmp_path / "m.safetensors")
    options = ["--ssl-certfile", cert, "--ssl-keyfile", key]
    with serving(tmp_path / "m.safetensors", "--quiet", *options) as (_, address):
        assert address.startswith("https://127.0.0.1:")
        with httpx.Client(verify=trusting(cert)) as client:
            assert client.post(f"{address}/predict", json={"instance": [1]}).status_code == 200
        with pytest.raises(httpx.HTTPError):
            httpx.get(address.replace("https", "http"))
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            httpx.get(f"{address}/health")


def test_one_file_may_hold_certificate_and_key(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    both = tmp_path / "both.pem"
    both.write_bytes(cert.read_bytes() + key.read_bytes())
    with server(Certificate(str(both), None).context) as port:
        assert httpx.get(f"https://127.0.0.1:{port}/health", verify=trusting(cert)).status_code == 200


def test_a_certificate_is_replaced_while_connections_are_open(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    new, new_key = certificate(tmp_path, "renewed")
    used = Certificate(str(cert), str(key))
    with server(used.context) as port, httpx.Client(verify=trusting(cert)) as client:
        address = f"https://127.0.0.1:{port}/health"
        assert client.get(address).status_code == 200
        old = shutil.copy(cert, tmp_path / "old.crt")
        shutil.copy(new, cert)
        with pytest.raises(
            ValueError, match=r"server\.crt and .*server\.key must hold a certificate and its private key"
        ):
            used.load()  # the key does not belong to it
        assert httpx.get(address, verify=trusting(Path(old))).status_code == 200
        shutil.copy(new_key, key)
        used.load()
        assert client.get(address).status_code == 200  # on its open connection
        assert httpx.get(address, verify=trusting(new)).status_code == 200
        with pytest.raises(httpx.ConnectError):
            httpx.get(address, verify=trusting(Path(old)))


def test_a_large_answer_comes_whole(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    stream = io.BytesIO()
    np.save(stream, np.ones((10_000, 1), np.float32))
    headers = {"Content-Type": "application/x-npy", "Accept": "application/x-npy"}
    with server(Certificate(str(cert), str(key)).context, units=500) as port:
        address = f"https://127.0.0.1:{port}/predict"
        answer = httpx.post(address, content=stream.getvalue(), headers=headers, verify=trusting(cert), timeout=20)
    assert np.load(io.BytesIO(answer.content)).shape == (10_000, 500)


@pytest.mark.parametrize("data", [b"hello\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"A: b" * 20_000], ids=["no HTTP", "long"])
def test_what_is_no_request_is_refused_in_words_here_too(data: bytes, tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    with (
        server(Certificate(str(cert), str(key)).context) as port,
        socket.create_connection(("127.0.0.1", port), timeout=20) as raw,
        trusting(cert).wrap_socket(raw, server_hostname="localhost") as connection,
    ):
        connection.sendall(data)
        answer = connection.recv(10_000)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b'{"error":' in answer


def test_bytes_that_are_no_tls_do_no_harm(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    with server(Certificate(str(cert), str(key)).context) as port:
        for data in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01" + b"\xff" * 500, b"\x00" * 5000):
            with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(10_000):
                    pass
        assert httpx.get(f"https://127.0.0.1:{port}/health", verify=trusting(cert)).status_code == 200


def test_files_that_do_not_fit_are_named(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    other, _ = certificate(tmp_path, "other")
    with pytest.raises(FileNotFoundError, match=r"missing\.crt"):
        Certificate(str(tmp_path / "missing.crt"), str(key))
    with pytest.raises(ValueError, match=r"other\.crt and .*server\.key must hold a certificate and its private key"):
        Certificate(str(other), str(key))
    with pytest.raises(ValueError, match=r"server\.key must hold"):
        Certificate(str(key), None)
    secret = tmp_path / "secret.key"
    encrypt = ["openssl", "ec", "-aes128", "-passout", "pass:x", "-in", str(key), "-out", str(secret)]
    subprocess.run(encrypt, check=True, capture_output=True)
    with pytest.raises(ValueError, match="the private key must not be encrypted"):
        Certificate(str(cert), str(secret))


def test_a_missing_certificate_is_one_clear_line(run: Run, tmp_path: Path) -> None:
    fn.Sequential([fn.Dense(1, input_shape=(1,))], seed=0).save(tmp_path / "m.safetensors")
    done = run("serve", "m.safetensors", "--port", 0, "--ssl-certfile", "missing.crt")
    assert (done.status, done.out, done.err) == (1, "", "fastnet: error: missing.crt: No such file or directory\n")
    assert "argument --ssl-keyfile: needs --ssl-certfile" in run("serve", "m", "--ssl-keyfile", "x").err
