"""The port, and who is let in."""

import pytest

from samnerf.errors import SamNerfError
from samnerf.viewer.image_app.server import is_private, open_port


def test_a_port_is_opened_on_this_machine_alone(free_port):
    with open_port("127.0.0.1", free_port) as listener:
        assert listener.getsockname() == ("127.0.0.1", free_port)


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_a_number_that_is_no_port_is_refused(port):
    with pytest.raises(SamNerfError, match=f"--port is {port} but must be from 1 to 65535"):
        open_port("127.0.0.1", port)


def test_a_busy_port_is_named_with_its_cure(free_port):
    with open_port("127.0.0.1", free_port), pytest.raises(SamNerfError, match="already in use; choose another with"):
        open_port("127.0.0.1", free_port)


def test_a_host_that_is_no_address_is_refused(free_port):
    with pytest.raises(SamNerfError, match="--host 'no host' is no address"):
        open_port("no host", free_port)


@pytest.mark.parametrize(
    ("host", "private"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("box", False)]
)
def test_only_addresses_of_this_machine_are_private(host, private):
    assert is_private(host) == private
