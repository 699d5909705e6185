"""Messages byte for byte, and what is no message."""

import random

import pytest
from google.protobuf.message import EncodeError

from samnerf.errors import SamNerfError
from samnerf.nuke.schema import Model, RequestWrapper, RespondWrapper, read_schema
from samnerf.nuke.wire import (
    error_reply,
    framed_reply,
    framed_request,
    parsed_reply,
    parsed_request,
    reply_body_length,
    request_body_length,
)


def info_request():
    request = RequestWrapper(info=True)
    request.r1.info = True
    return request


def test_the_request_for_a_description_is_18_bytes():
    assert framed_request(info_request()) == b"000000000006" + bytes.fromhex("08 01 12 02 08 01")


def test_the_error_x_counts_its_header():
    assert framed_reply(error_reply("x")) == b"000000000019" + bytes.fromhex("08 01 22 03 0A 01 78")


def test_options_are_packed_and_texts_are_not():
    model = Model(name="m", label="l")
    model.bool_options.add(name="b", values=[True])
    model.int_options.add(name="i", values=[300])
    model.float_options.add(name="f", values=[1.0])
    model.string_options.add(name="s", values=["t"])
    assert model.SerializeToString() == (
        b"\x0a\x01m\x12\x01l"
        b"\x2a\x06\x0a\x01b\x12\x01\x01"
        b"\x32\x07\x0a\x01i\x12\x02\xac\x02"
        b"\x3a\x09\x0a\x01f\x12\x04\x00\x00\x80\x3f"
        b"\x42\x06\x0a\x01s\x12\x01t"
    )


def test_fields_have_the_numbers_of_the_contract():
    numbers = {
        "RequestWrapper": {"info": 1, "r1": 2, "r2": 3},
        "RespondWrapper": {"info": 1, "r1": 2, "r2": 3, "error": 4},
        "RequestInfo": {"info": 1},
        "RespondInfo": {"num_models": 1, "models": 2},
        "Error": {"msg": 1},
        "Model": {
            **{"name": 1, "label": 2, "inputs": 3, "outputs": 4, "bool_options": 5, "int_options": 6},
            **{"float_options": 7, "string_options": 8, "button_options": 9, "mc_options": 10},
        },
        "ImagePrototype": {"name": 1, "channels": 2},
        "MultipleChoiceOption": {"name": 1, "value": 2, "choices": 3},
        "RequestInference": {"model": 1, "images": 2},
        "RespondInference": {"num_images": 1, "images": 2, "num_objects": 3, "objects": 4},
        "Image": {"width": 1, "height": 2, "channels": 3, "image": 4},
        **{f"{kind}Attrib": {"name": 1, "values": 2} for kind in ("Bool", "Int", "Float", "String", "FieldValuePair")},
        "FieldValuePair": {"int_attributes": 1, "float_attributes": 2, "string_attributes": 3, "children": 4},
    }
    file = RequestWrapper.DESCRIPTOR.file
    assert file.package == "mlserver"
    found = {
        name: {field.name: field.number for field in message.fields}
        for name, message in file.message_types_by_name.items()
    }
    assert found == numbers


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("package p;", "does not begin"),
        ('syntax = "proto2"; package p; enum E { A = 1; }', "'enum'"),
        ('syntax = "proto2"; package p; message M { map<int32, int32> m = 1; }', "'map<int32,'"),
    ],
)
def test_a_schema_that_is_not_understood_is_refused(text, words):
    with pytest.raises(ValueError, match=words):
        read_schema(text, "some.proto")


@pytest.mark.parametrize(
    "header",
    [b"", b"00000000000", b"00000000000x", b"-00000000001", b"+00000000006", b"         6  ", b"0000\n0000006"],
)
def test_what_is_not_twelve_digits_is_no_header(header):
    with pytest.raises(SamNerfError, match="must begin with 12 digits"):
        request_body_length(header)


def test_lengths_are_bounded():
    assert request_body_length(b"000000000100", 100) == 100
    for header in (b"000000000101", b"000000000000", b"999999999999"):
        with pytest.raises(SamNerfError, match="1 to 100 are taken"):
            request_body_length(header, 100)
    assert reply_body_length(b"000000000019") == 7
    with pytest.raises(SamNerfError, match="fewer than its header"):
        reply_body_length(b"000000000011")


def test_what_was_sent_is_read():
    assert parsed_request(framed_request(info_request())[12:]) == info_request()
    assert parsed_reply(framed_reply(error_reply("no\nway"))[12:]).error.msg == "no way"


def test_a_request_asks_for_one_thing():
    both = info_request()
    both.r2.model.name = both.r2.model.label = "m"
    for request in (RequestWrapper(info=True), both):
        with pytest.raises(SamNerfError, match="one of the fields r1"):
            parsed_request(request.SerializeToString())


def test_a_missing_field_is_named():
    with pytest.raises(SamNerfError, match="lacks the field info"):
        parsed_request(b"\x12\x02\x08\x01")
    with pytest.raises(SamNerfError, match=r"lacks the field r2\.model\.name"):
        parsed_request(bytes.fromhex("08 01 1A 05 0A 03 12 01 6C"))


@pytest.mark.parametrize(
    "body",
    [
        b"\xff" * 9,
        b"\x08\x01\x12\x7f\x08",  # ends inside of a field
        b"\x08\x01\x0a",  # another type than the field has
        b"\x08\x01\x1a\x06\x0a\x04\x0a\x02\xff\xfe",  # no UTF-8
        b"\x08\x01" + b"\x2b" * 50_000,  # groups in groups
    ],
)
def test_broken_bodies_are_refused_in_one_way(body):
    with pytest.raises(SamNerfError):
        parsed_request(body)


def test_noise_never_raises_anything_else():
    noise = random.Random(0)
    whole = framed_request(info_request())[12:] * 4
    for _ in range(3000):
        if noise.random() < 0.5:
            body = noise.randbytes(noise.randrange(40))
        else:
            body = bytearray(whole)
            body[noise.randrange(len(body))] = noise.randrange(256)
        try:
            parsed_request(bytes(body))
        except SamNerfError as error:
            framed_reply(error_reply(str(error)))


def test_errors_are_short_and_always_encode():
    assert len(error_reply("a" * 5000).error.msg) == 1000
    framed_reply(error_reply("half of a character: \ud800"))


def test_a_reply_that_lacks_a_field_cannot_be_sent():
    reply = RespondWrapper(info=True)
    reply.r1.SetInParent()
    with pytest.raises(EncodeError, match="num_models"):
        framed_reply(reply)
