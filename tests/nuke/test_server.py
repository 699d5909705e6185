"""The frame server over real sockets: exact, concurrent, bounded, and never without a reply."""

import concurrent.futures
import dataclasses
import os
import random
import socket
import struct
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from samnerf.errors import SamNerfError
from samnerf.nuke.frames import Frame
from samnerf.nuke.options import NoOptions
from samnerf.nuke.schema import RequestWrapper
from samnerf.nuke.server import Limits
from samnerf.nuke.wire import HEADER_BYTES, framed_request, parsed_reply, reply_body_length

QUICK = Limits(message_bytes=4096, message_seconds=0.3, end_seconds=0.3, closing_seconds=2.0)
INFO = b"000000000006" + bytes.fromhex("08 01 12 02 08 01")


def raw(client, *pieces, pause=0.0, half_close=False):
    """The reply to bytes, sent as they are; read to its end as Nuke does."""
    with socket.create_connection(client.address, 10) as connection:
        try:
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(pause)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass
        answer = b""
        while piece := connection.recv(1 << 16):
            answer += piece
    assert int(answer[:HEADER_BYTES]) == len(answer)
    return parsed_reply(answer[HEADER_BYTES:])


def memory():
    """Resident bytes of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_a_description_names_models_inputs_and_defaults(client):
    models = client.models()
    assert list(models) == ["identity", "gain", "broken"]
    assert models["broken"].inputs == ("source", "other")
    assert models["gain"].options == {"gain": 1.0, "offset": 0, "invert": False, "mode": "add"}


def test_a_description_counts_models_and_gives_each_option_one_value(client):
    description = raw(client, INFO).r1
    assert description.num_models == len(description.models) == 3
    for model in description.models:
        lists = (model.bool_options, model.int_options, model.float_options, model.string_options)
        assert all(len(one.values) == 1 for options in lists for one in options)
        assert [one.channels for one in (*model.inputs, *model.outputs)] == [3] * (len(model.inputs) + 1)


def test_a_description_can_be_read_with_one_recv_after_its_header(client):
    with socket.create_connection(client.address, 10) as connection:
        connection.sendall(INFO)
        length = int(connection.recv(HEADER_BYTES))
        body = connection.recv(length)
    assert len(body) == length - HEADER_BYTES
    assert parsed_reply(body).r1.num_models == 3


def test_an_asymmetric_picture_comes_back_bit_for_bit(client):
    pixels = np.random.default_rng(0).integers(0, 2**32, (3, 1080, 1920), np.uint32).view(np.float32)
    answer = client.infer("identity", [Frame(pixels)])
    assert np.array_equal(answer.pixels.view(np.uint32), pixels.view(np.uint32))


def test_row_0_on_the_wire_is_the_bottom_and_channels_are_planes(client):
    seen = []
    ask = client.ask
    client.ask = lambda message: seen.append(message) or ask(message)
    pixels = np.arange(2 * 3 * 3, dtype=np.float32).reshape(3, 2, 3)
    client.infer("identity", [Frame(pixels)])
    request = RequestWrapper.FromString(seen[0][HEADER_BYTES:])
    (image,) = request.r2.images
    assert (image.width, image.height, image.channels) == (3, 2, 3)
    assert struct.unpack("<18f", image.image) == tuple(pixels[:, ::-1].ravel().tolist())


def test_options_reach_the_model_and_leave_no_trace(client, kit):
    frame = kit.random_frame(4, 5)
    assert np.array_equal(client.infer("gain", [frame], gain=2.0, offset=3).pixels, frame.pixels * 2 + 3)
    assert np.array_equal(client.infer("gain", [frame], invert=True).pixels, -frame.pixels)
    assert np.array_equal(client.infer("gain", [frame]).pixels, frame.pixels)


def test_replies_never_have_objects(client, kit):
    request = RequestWrapper(info=True)
    request.r2.model.name = request.r2.model.label = "identity"
    request.r2.images.add(width=1, height=1, channels=1, image=b"\0\0\0\0")
    reply = raw(client, framed_request(request)).r2
    assert (reply.num_images, reply.num_objects, len(reply.objects)) == (1, 0, 0)


def test_eight_clients_lose_and_mix_up_nothing(client, kit):
    def ask_a_hundred(number):
        right = 0
        for i in range(100):
            frame = kit.random_frame(3 + number, 2 + i % 7, seed=1000 * number + i)
            right += np.array_equal(client.infer("identity", [frame]).pixels, frame.pixels)
        return right

    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        assert list(threads.map(ask_a_hundred, range(8))) == [100] * 8


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda r: setattr(r.r2.model, "name", "unknown"), "no model 'unknown'; there is identity, gain, broken"),
        (
            lambda r: r.r2.images.add(width=1, height=1, channels=1, image=b"1234"),
            r"takes 1 pictures \(source\), not 2",
        ),
        (lambda r: r.r2.ClearField("images"), "not 0"),
        (lambda r: setattr(r.r2.images[0], "width", 3), "has 48 bytes, but 3 x 2 pixels of 3 float32 are 72"),
        (lambda r: setattr(r.r2.images[0], "height", -2), "must be 1 to 65535"),
        (lambda r: setattr(r.r2.images[0], "width", 2**31 - 1), "must be 1 to 65535"),
        (lambda r: setattr(r.r2.images[0], "channels", 2), "has 2 channels"),
        (lambda r: setattr(r.r2.images[0], "image", b"short"), "has 5 bytes"),
        (lambda r: r.r2.model.int_options.add(name="nonsense", values=[1]), "no option 'nonsense'; there is gain"),
        (lambda r: r.r2.model.button_options.add(name="press", values=[True]), "no option 'press'"),
        (
            lambda r: r.r2.model.int_options.add(name="gain", values=[1]),
            "'gain' is a whole number but must be a number",
        ),
        (lambda r: r.r2.model.float_options.add(name="gain"), "has 0 values but must have one"),
        (lambda r: r.r2.model.float_options.add(name="gain", values=[1, 2]), "has 2 values"),
        (lambda r: r.r2.model.float_options.add(name="gain", values=[101]), "is 101 but must lie between 0 and 100"),
        (lambda r: r.r2.model.float_options.add(name="gain", values=[float("nan")]), "is nan but must lie"),
        (lambda r: r.r2.model.string_options.add(name="mode", values=["mul"]), "must be one of add, none"),
        (lambda r: [r.r2.model.int_options.add(name="offset", values=[1]) for _ in "12"], "'offset' is given twice"),
    ],
)
def test_what_is_wrong_with_a_request_is_said(client, change, words):
    request = RequestWrapper(info=True)
    request.r2.model.name = request.r2.model.label = "gain"
    request.r2.images.add(width=2, height=2, channels=3, image=bytes(48))
    change(request)
    with pytest.raises(SamNerfError, match=words):
        client.ask(framed_request(request))


def test_a_mistake_of_a_model_is_a_reply_and_a_report(client, kit, caplog):
    frame = kit.random_frame(2, 2)
    with pytest.raises(SamNerfError, match="the server failed .*a mistake of the model"):
        client.infer("broken", [frame, frame])
    assert "ZeroDivisionError" in caplog.text


def test_a_model_that_changes_the_size_is_a_mistake(kit, caplog):
    class Smaller(kit.Identity):
        def infer(self, frames, options):
            return Frame(frames[0].pixels[:, 1:])

    with kit.served([Smaller()]) as client, pytest.raises(SamNerfError, match="made a frame of size"):
        client.infer("identity", [kit.random_frame(3, 3)])


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        ((b"GET / HTTP/1.1\r\n\r\n",), "must begin with 12 digits"),
        ((b"000000004097",), "1 to 4096 are taken"),
        ((b"999999999999" + b"x" * 200_000,), "1 to 4096 are taken"),
        ((b"000000000000",), "1 to 4096 are taken"),
        ((b"000000000003abc",), "no protobuf message"),
    ],
)
def test_malformed_messages_are_answered_at_once(kit, pieces, words):
    with kit.served([kit.Identity()], QUICK) as client:
        assert words in raw(client, *pieces).error.msg


@pytest.mark.parametrize("pieces", [(b"0000",), (INFO[:15],)])
def test_messages_that_end_early_are_answered(kit, pieces):
    with kit.served([kit.Identity()], QUICK) as client:
        assert "the request ended after 3" in raw(client, b"000000000006abc", half_close=True).error.msg
        assert "the request ended after" in raw(client, *pieces, half_close=True).error.msg
        raw_start = time.monotonic()
        assert "did not come within 0.3 seconds" in raw(client, *pieces).error.msg
        assert time.monotonic() - raw_start < 2


def test_who_sends_byte_by_byte_is_served_within_the_time_and_refused_after_it(kit):
    with kit.served([kit.Identity()], QUICK) as client:
        one_by_one = [bytes([byte]) for byte in INFO]
        assert raw(client, *one_by_one, pause=0.005).r1.num_models == 1
        assert "did not come within" in raw(client, *one_by_one, pause=0.05).error.msg


def test_what_comes_after_a_request_does_not_take_its_reply(client):
    assert raw(client, INFO + b"more than was said" * 10_000).r1.num_models == 3


def test_slow_senders_keep_nobody_waiting(kit):
    with kit.served([kit.Identity()], dataclasses.replace(QUICK, message_seconds=5.0)) as client:
        slow = [socket.create_connection(client.address) for _ in range(20)]
        for connection in slow:
            connection.sendall(b"00000")
        start = time.monotonic()
        assert list(client.models()) == ["identity"]
        assert time.monotonic() - start < 2
        for connection in slow:
            connection.close()


def test_more_clients_than_there_may_be_are_told_so(kit):
    with kit.served([kit.Identity()], dataclasses.replace(QUICK, connections=2, message_seconds=5.0)) as client:
        idle = [socket.create_connection(client.address) for _ in range(2)]
        deadline = time.monotonic() + 5
        while len(client.server._conversations) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        with pytest.raises(SamNerfError, match="has 2 clients already; try again"):
            client.models()
        for connection in idle:
            connection.close()
        while client.server._conversations and time.monotonic() < deadline:
            time.sleep(0.01)
        assert list(client.models()) == ["identity"]


class Slow:
    """Answers when it is let."""

    name, label, inputs, options = "slow", "Slow", ("source",), NoOptions

    def __init__(self):
        self.started, self.go_on = threading.Event(), threading.Event()

    def infer(self, frames, options):
        self.started.set()
        assert self.go_on.wait(10)
        return frames[0]


def test_a_server_that_is_stopped_answers_what_it_computes_and_takes_no_more(kit):
    model = Slow()
    frame = kit.random_frame(2, 3)
    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        with kit.served([model]) as client:
            answer = threads.submit(client.infer, "slow", [frame])
            assert model.started.wait(10)
            waiting = socket.create_connection(client.address, 10)
            waiting.sendall(b"0000")
            time.sleep(0.1)
            client.server.stop()
            assert "is being closed" in parsed_reply(waiting.recv(4096)[HEADER_BYTES:]).error.msg
            waiting.close()
            model.go_on.set()
        assert np.array_equal(answer.result(timeout=10).pixels, frame.pixels)
    with pytest.raises(SamNerfError, match="no answer from the frame server"):
        client.models()


def test_a_client_that_goes_away_harms_nobody(client, kit):
    for message in (b"", b"0000", INFO, b"000000999999abc"):
        connection = socket.create_connection(client.address)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.sendall(message)
        connection.close()
    assert len(client.models()) == 3


def fuzzed(noise, whole):
    """A message that is most likely none, and whether its end is said."""
    kind = noise.randrange(6)
    if kind == 0:
        return whole[: noise.randrange(len(whole))], True
    if kind == 1:
        return b"%012d" % noise.randrange(5000, 10**12) + noise.randbytes(noise.randrange(200)), False
    if kind == 2:
        return noise.randbytes(noise.randrange(1, 100)), True
    if kind == 3:
        body = noise.randbytes(noise.randrange(1, 60))
        return b"%012d" % len(body) + body, False
    changed = bytearray(whole)
    for _ in range(noise.randrange(1, 4)):
        changed[noise.randrange(HEADER_BYTES if kind == 4 else 0, len(changed))] = noise.randrange(256)
    return bytes(changed), True


def ask_nonsense(client, count, seed):
    """Every message gets one whole reply."""
    noise = random.Random(seed)
    request = RequestWrapper(info=True)
    request.r2.model.name = request.r2.model.label = "gain"
    request.r2.model.float_options.add(name="gain", values=[2])
    request.r2.images.add(width=2, height=2, channels=3, image=bytes(48))
    whole = framed_request(request)
    for _ in range(count):
        message, half_close = fuzzed(noise, whole)
        with socket.create_connection(client.address, 20) as connection:
            connection.sendall(message)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
            answer = bytearray()
            while piece := connection.recv(4096):
                answer += piece
        assert reply_body_length(bytes(answer[:HEADER_BYTES])) == len(answer) - HEADER_BYTES, message
        parsed_reply(bytes(answer[HEADER_BYTES:]))


@pytest.mark.parametrize(
    ("messages", "warm_up"), [(600, 200), pytest.param(10_000, 2000, marks=pytest.mark.slow)], ids=["600", "10000"]
)
def test_nonsense_is_answered_and_leaves_no_memory_behind(kit, messages, warm_up):
    limits = dataclasses.replace(QUICK, message_seconds=10.0, end_seconds=10.0)
    with kit.served([kit.Identity(), kit.Gain()], limits) as client:
        slow = [socket.create_connection(client.address) for _ in range(8)]
        for connection in slow:
            connection.sendall(b"0000")
        with concurrent.futures.ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda seed: ask_nonsense(client, warm_up // 4, seed), range(4)))
            before = memory()
            list(threads.map(lambda seed: ask_nonsense(client, messages // 4, 10 + seed), range(4)))
        assert memory() <= before * 1.1
        for connection in slow:
            connection.close()
        frame = kit.random_frame(5, 4)
        assert np.array_equal(client.infer("identity", [frame]).pixels, frame.pixels)
