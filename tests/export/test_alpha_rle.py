"""Alpha-RLE: the bytes of the format, what is read again, and everything that is refused."""

import json

import numpy as np
import pytest

from samnerf.errors import SamNerfError
from samnerf.export.alpha_rle import decode_alpha, decode_levels, encode_alpha, encode_levels

RANDOM = np.random.default_rng(0)
RECORD = {"format": "alpha-rle", "version": 1, "size": [3, 5], "order": "C", "bits": 8, "counts": "0:12,255:3"}


def test_the_example_of_the_format():
    levels = np.zeros((3, 5), np.uint8)
    levels[2, 2:] = 255
    assert encode_levels(levels) == RECORD
    assert encode_alpha(levels / 255) == RECORD
    assert np.array_equal(decode_levels(RECORD), levels)


def test_runs_go_row_by_row():
    levels = np.array([[1, 1, 2], [2, 3, 3]], np.uint8)
    assert encode_levels(levels)["counts"] == "1:2,2:2,3:2"


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (13, 29)])
@pytest.mark.parametrize("values", [2, 256])
def test_what_is_written_is_read(shape, values):
    for _ in range(20):
        levels = RANDOM.integers(0, values, shape).astype(np.uint8)
        record = json.loads(json.dumps(encode_levels(levels)))
        assert np.array_equal(decode_levels(record), levels)
        alpha = decode_alpha(record)
        assert alpha.dtype == np.float32
        assert encode_alpha(alpha) == record


@pytest.mark.parametrize("precision", [np.float32, np.float64])
def test_alpha_is_rounded_or_cut_off(precision):
    alpha = RANDOM.random((40, 30)).astype(precision)
    rounded, cut = encode_alpha(alpha), encode_alpha(alpha, "floor")
    assert np.abs(decode_alpha(rounded) - alpha).max() <= 0.5 / 255 + 1e-6
    assert "quant" not in rounded and cut["quant"] == "floor"
    assert np.array_equal(decode_levels(cut), (alpha * 255).astype(np.uint8))
    assert encode_alpha(np.array([[0.5]]))["counts"] == "128:1"
    assert encode_alpha(np.array([[0.5]]), "floor")["counts"] == "127:1"


@pytest.mark.parametrize(
    "alpha", [np.full((2, 2), 1.01), np.full((2, 2), -0.01), np.full((1, 1), np.nan), np.ones((0, 3))]
)
def test_no_alpha_is_not_written(alpha):
    with pytest.raises(ValueError, match="alpha|pixels"):
        encode_alpha(alpha)


@pytest.mark.parametrize("order", [{}, {"order": "F"}, {"order": "C"}])
def test_old_records_are_read_row_by_row_whatever_they_say(order):
    old = {"size": [2, 3], "counts": "9:2,7:3,7:1", **order}
    assert decode_levels(old).tolist() == [[9, 9, 7], [7, 7, 7]]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": "rle"}, "'format' is 'rle' but must be 'alpha-rle'"),
        ({"version": 2}, "'version' is 2 but must be 1"),
        ({"version": 1.0}, "'version' is 1.0"),
        ({"version": True}, "'version' is True"),
        ({"order": "F"}, "'order' is 'F' but must be 'C'"),
        ({"bits": 16}, "'bits' is 16 but must be 8"),
        ({"quant": "ceil"}, "must be 'round' or 'floor'"),
        ({"more": 1}, "unknown field 'more'"),
        ({"size": [3]}, r'"size" is \[3\] but must be'),
        ({"size": [15, 0]}, "whole numbers from 1"),
        ({"size": [3.0, 5]}, "whole numbers from 1"),
        ({"size": [True, 15]}, "whole numbers from 1"),
        ({"size": "3x5"}, "must be"),
        ({"size": [2**20, 2**20]}, "at most 268435456 pixels"),
        ({"size": [5, 5]}, "sum to 15 pixels but 5 x 5 has 25"),
        ({"counts": "0:12,255:2"}, "sum to 14"),
        ({"counts": "0:12,255:9999999999"}, "sum to 10000000011"),
        ({"counts": "0:12,256:3"}, "has the value 256"),
        ({"counts": "0:12,0:3"}, "two runs of 0 side by side"),
        ({"counts": "0:12,255:3,255:0"}, "must be runs"),
        ({"counts": "0:12,255:03"}, "must be runs"),
        ({"counts": "0:12, 255:3"}, "must be runs"),
        ({"counts": "0:12,255:3\n"}, "must be runs"),
        ({"counts": "0:12,-1:3"}, "must be runs"),
        ({"counts": "0:12,255:3,"}, "must be runs"),
        ({"counts": "٣:15"}, "must be runs"),
        ({"counts": ""}, "must be runs"),
        ({"counts": [0, 12]}, "must be runs"),
    ],
)
def test_every_broken_rule_is_named(change, words):
    with pytest.raises(SamNerfError, match=words):
        decode_levels(RECORD | change)


def test_missing_fields_and_other_things_are_refused():
    for name in ("version", "size", "order", "bits", "counts"):
        with pytest.raises(SamNerfError, match=f"has no '{name}'"):
            decode_levels({key: value for key, value in RECORD.items() if key != name})
    with pytest.raises(SamNerfError, match="answer 3: is|answer 3 is"):
        decode_levels("0:12", "answer 3")
    with pytest.raises(SamNerfError, match="unknown field 'bits'"):
        decode_levels({key: value for key, value in RECORD.items() if key != "format"})
    with pytest.raises(SamNerfError, match="must be runs"):  # COCO's form
        decode_levels({"size": [3, 5], "counts": "=0O1"})
