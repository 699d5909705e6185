"""Who is let in."""

import http.client
import socket
import time

import pytest

from samnerf.errors import SamNerfError
from samnerf.viewer.scene_app.guarded_server import TOKEN_COOKIE, VISITOR_COOKIE, Door, GuardedServer

HERE = {"Host": "127.0.0.1:7007"}


def status(door, path="/", **headers):
    refusal = door.refusal(path, HERE | {name.replace("_", "-"): value for name, value in headers.items()})
    return None if refusal is None else int(refusal[0])


@pytest.mark.parametrize("host", ["127.0.0.1:7007", "localhost:7007", "[::1]:7007"])
def test_this_machine_is_let_in_under_its_own_names(host):
    assert status(Door("127.0.0.1"), Host=host) is None


@pytest.mark.parametrize("host", ["evil.example", "evil.example:7007", ""])
def test_another_name_is_refused_while_only_this_machine_is_served(host):
    assert status(Door("127.0.0.1"), Host=host) == 403
    assert status(Door("0.0.0.0"), Host="workstation:7007") is None


def test_pages_from_elsewhere_are_refused():
    assert status(Door("127.0.0.1"), Origin="http://127.0.0.1:7007") is None
    assert status(Door("127.0.0.1"), Origin="http://evil.example") == 403
    assert status(Door("127.0.0.1"), Origin="http://127.0.0.1:8080") == 403
    assert status(Door("127.0.0.1"), Origin="null") == 403


@pytest.mark.parametrize("path", ["/../secret", "/assets/../../secret", "/.."])
def test_nothing_beside_the_page_is_served(path):
    assert status(Door("127.0.0.1"), path) == 404


def test_a_token_is_brought_once_and_kept_in_a_cookie():
    door = Door("127.0.0.1", "open-sesame")
    assert status(door) == 403
    assert status(door, "/?token=wrong") == 403
    code, headers, _ = door.refusal("/?token=open-sesame", HERE)
    assert int(code) == 302
    assert ("Location", "/") in headers
    cookie = dict(headers)["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie
    assert status(door, Cookie=f"{TOKEN_COOKIE}=open-sesame") is None
    assert status(door, Cookie=f"{TOKEN_COOKIE}=open-sesam") == 403


@pytest.fixture
def server(free_port):
    server = GuardedServer("127.0.0.1", free_port, "test", "let-me-in")
    yield server
    server.stop()


def get(server, path, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server.get_port(), timeout=30)
    connection.putrequest("GET", path, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer, content


def test_the_server_answers_behind_its_door(server):
    assert get(server, "/")[0].status == 403
    answer, _ = get(server, "/?token=let-me-in")
    assert answer.status == 302
    cookie = answer.getheader("Set-Cookie").split(";")[0]
    page, content = get(server, "/", Cookie=cookie)
    assert page.status == 200
    assert b"<html" in content.lower()
    assert "default-src 'self'" in page.getheader("Content-Security-Policy")
    assert VISITOR_COOKIE in page.getheader("Set-Cookie")
    assert get(server, "/../../../__init__.py", Cookie=cookie)[0].status == 404
    assert VISITOR_COOKIE not in (
        get(server, "/", Cookie=f"{cookie}; {VISITOR_COOKIE}=abc")[0].getheader("Set-Cookie") or ""
    )


def test_no_tunnel_is_opened(server):
    started = time.monotonic()
    assert server.request_share_url() is None
    assert time.monotonic() - started < 1


def test_a_port_that_is_taken_is_refused(server):
    with pytest.raises(SamNerfError, match="choose another with --port"):
        GuardedServer("127.0.0.1", server.get_port(), "test")


def test_a_token_that_does_not_fit_into_an_address_is_refused():
    with pytest.raises(SamNerfError, match="a token must be letters"):
        GuardedServer("127.0.0.1", 1, "test", "no spaces; please")


def test_a_free_port_stays_free_after_a_refusal(free_port):
    with pytest.raises(SamNerfError):
        GuardedServer("127.0.0.1", free_port, "test", "?")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", free_port))
