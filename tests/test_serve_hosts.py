"""The server answers to its own names: not to that of a web page which makes its name point at this machine."""

import socket

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

import fastnet as fn
from asking import ask
from fastnet.serve import create_app
from fastnet.serve._hosts import Hosts

INSTANCE = {"instance": [1.0, 2.0]}


@pytest.fixture(scope="module")
def model() -> fn.Sequential:
    return fn.Sequential([fn.Dense(3, "softmax", input_shape=(2,))], seed=0)


@pytest.fixture(scope="module")
def app(model: fn.Sequential) -> Starlette:
    return create_app(model, allow_host=["ml.example.org", "192.0.2.7"])


def status(app: Starlette, host: str | None, address: str = "/model") -> int:
    """The status of a request with this Host; None for a request without."""
    headers = [("Host", host or "")]
    answer = ask(app, "GET", address, headers=headers)
    assert answer.status_code == 200 or list(answer.json()) == ["error"]
    return answer.status_code


OWN = [
    *("localhost", "LocalHost", "localhost:8000", "localhost.", "127.0.0.1", "127.0.0.1:8000", "127.8.9.10"),
    *("[::1]", "[::1]:8000", "[::ffff:127.0.0.1]", "localhost:"),
]
FOREIGN = [
    *("evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example", "sub.localhost"),
    *("192.0.2.8", "10.0.0.1:80", "[2001:db8::1]", "0.0.0.0", "127.1", "2130706433", "0x7f.1", "ml.example.org.evil"),
]
GARBAGE = [
    *("", " ", "local host", "localhost, evil.example", "user@localhost", "localhost:80:80", "localhost:abc"),
    *("localhost:123456", "http://localhost", "[::1", "::1", "[::1]x", "[evil.example]", "[127.0.0.1]x", "a/b", "é"),
    *("localhost\t", "*", "%6cocalhost", "localhost\\evil.example", "evil.example#localhost"),
]


@pytest.mark.parametrize("host", [*OWN, "ml.example.org", "ML.Example.ORG:443", "ml.example.org.", "192.0.2.7:80"])
def test_the_names_of_the_server_are_answered(app: Starlette, host: str) -> None:
    assert status(app, host) == 200


@pytest.mark.parametrize("address", ["/", "/health", "/model", "/weights", "/openapi.json", "/nothing"])
def test_another_name_is_refused_whatever_is_asked_for(app: Starlette, address: str) -> None:
    assert status(app, "evil.example", address) == 421


@pytest.mark.parametrize("host", FOREIGN)
def test_other_names_and_addresses_are_refused(app: Starlette, host: str) -> None:
    assert status(app, host) == 421


@pytest.mark.parametrize("host", GARBAGE)
def test_what_is_no_host_is_a_bad_request(app: Starlette, host: str) -> None:
    answer = ask(app, "GET", "/model", headers=[(b"Host", host.encode("latin-1"))])
    assert (answer.status_code, list(answer.json())) == (400, ["error"])


def test_two_hosts_are_a_bad_request(app: Starlette) -> None:
    answer = ask(app, "GET", "/model", headers=[("Host", "localhost"), ("Host", "localhost")])
    assert (answer.status_code, answer.json()["error"]) == (400, "a request must have exactly one Host; got 2")


@pytest.mark.parametrize(("version", "refused"), [("1.0", False), ("1.1", True), ("2", True)])
def test_only_http_1_0_has_no_host(version: str, refused: bool) -> None:
    refusal = Hosts([]).refusal_of_host({"http_version": version, "headers": []})
    assert (refusal is not None and refusal[0] == 400) is refused


def test_a_server_at_all_addresses_answers_to_any_address_and_the_name_of_the_machine() -> None:
    for unspecified in ("0.0.0.0", "::"):
        hosts = Hosts([unspecified])
        for host in ("192.0.2.8", "192.0.2.8:8000", "[2001:db8::1]", "localhost", socket.gethostname()):
            assert hosts.allows(host)
        assert hosts.allows("evil.example") is False


def test_a_star_allows_every_name_and_no_garbage() -> None:
    hosts = Hosts("*")
    assert hosts.allows("evil.example:80")
    assert hosts.allows("192.0.2.8")
    assert hosts.allows("evil example") is None


def test_an_application_without_names_answers_to_all(model: fn.Sequential) -> None:
    app = create_app(model)
    for host in ("testserver", "evil.example", "user@localhost", "["):
        assert status(app, host) == 200
        assert status(app, host, "/nothing") == 404
    origin = {"Origin": "http://evil.example"}
    assert ask(app, "POST", "/predict", json=INSTANCE, headers=origin).status_code == 200


def test_a_part_of_another_application_asks_for_its_names(app: Starlette) -> None:
    outer = Starlette(routes=[Mount("/ml", app)])
    assert status(outer, "localhost", "/ml/model") == 200
    assert status(outer, "evil.example", "/ml/model") == 421


@pytest.mark.parametrize("names", ["ml.example.org:80", "https://ml.example.org", "", "a b", "*.example.org"])
def test_names_must_be_names(model: fn.Sequential, names: str) -> None:
    with pytest.raises(ValueError, match="allow_host must contain host names, without scheme and port"):
        create_app(model, allow_host=names)


def test_names_must_be_texts(model: fn.Sequential) -> None:
    with pytest.raises(TypeError, match="allow_host must contain host names; got 3"):
        create_app(model, allow_host=[3])  # type: ignore[list-item]


# ---- Origin ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "http://localhost",
        "http://localhost:3000",
        "https://ml.example.org",
        "HTTP://127.0.0.1:8000",
        "http://[::1]:8000",
    ],
)
@pytest.mark.parametrize("address", ["/predict", "/explain"])
def test_programs_and_own_pages_may_ask(app: Starlette, origin: str | None, address: str) -> None:
    headers = {"Host": "localhost", **({"Origin": origin} if origin else {})}
    assert ask(app, "POST", address, json=INSTANCE, headers=headers).status_code == 200


@pytest.mark.parametrize(
    "origin",
    [
        *("http://evil.example", "https://evil.example:8000", "null", "", "http://", "localhost", "file://localhost"),
        *(
            "http://localhost/page",
            "http://user@localhost",
            "http://localhost, http://evil.example",
            "chrome-extension://x",
        ),
    ],
)
@pytest.mark.parametrize("address", ["/predict", "/explain"])
def test_pages_of_others_may_not_ask(app: Starlette, origin: str, address: str) -> None:
    answer = ask(app, "POST", address, json=INSTANCE, headers={"Host": "localhost", "Origin": origin})
    assert (answer.status_code, list(answer.json())) == (403, ["error"])
    assert "allow its pages with fastnet serve --cors ORIGIN" in answer.json()["error"]


def test_every_refusal_is_in_the_document(app: Starlette) -> None:
    paths = ask(app, "GET", "/openapi.json", headers={"Host": "localhost"}).json()["paths"]
    for path in paths.values():
        for method, operation in path.items():
            assert {"400", "421", *(["403"] if method == "post" else [])} <= set(operation["responses"])
