"""Cryptomattes: hashes are the specification's, and a reader that knows nothing of ours gets the mattes back."""

import json
import time

import numpy as np
import OpenEXR
import pytest

from samnerf.errors import SamNerfError
from samnerf.export.cryptomatte import manifest, metadata_key, name_hash, name_id, rank, write_cryptomatte

RANDOM = np.random.default_rng(0)
SIZE = (24, 31)


def murmur3(text: str) -> int:
    """MurmurHash3_x86_32 with seed 0, after Austin Appleby's description."""

    def mixed(block: int) -> int:
        block = block * 0xCC9E2D51 & 0xFFFFFFFF
        return (block << 15 | block >> 17) * 0x1B873593 & 0xFFFFFFFF

    data, state = text.encode(), 0
    whole = len(data) // 4 * 4
    for i in range(0, whole, 4):
        state ^= mixed(int.from_bytes(data[i : i + 4], "little"))
        state = ((state << 13 | state >> 19) & 0xFFFFFFFF) * 5 + 0xE6546B64 & 0xFFFFFFFF
    state ^= mixed(int.from_bytes(data[whole:], "little")) ^ len(data)
    state = (state ^ state >> 16) * 0x85EBCA6B & 0xFFFFFFFF
    state = (state ^ state >> 13) * 0xC2B2AE35 & 0xFFFFFFFF
    return state ^ state >> 16


def read_by_the_specification(path):
    """Matte of each object in the manifest, and of what the manifest does not have, from the file alone."""
    file = OpenEXR.File(str(path), separate_channels=True)
    header, channels = file.header(), {name: channel.pixels for name, channel in file.channels().items()}
    (key,) = {name.split("/")[1] for name in header if name.startswith("cryptomatte/")}
    assert len(key) == 7
    said = {what: header[f"cryptomatte/{key}/{what}"] for what in ("name", "hash", "conversion", "manifest")}
    assert (said["hash"], said["conversion"]) == ("MurmurHash3_32", "uint32_to_float32")
    layers = sorted({name.split(".")[0] for name in channels if name[: len(said["name"])] == said["name"]})
    assert layers == [f"{said['name']}{i:02d}" for i in range(len(layers))]
    pairs = [(channels[f"{layer}.{i}"], channels[f"{layer}.{c}"]) for layer in layers for i, c in ("RG", "BA")]
    assert all(pixels.dtype == np.float32 for pair in pairs for pixels in pair)
    mattes = {}
    for name, digits in {**json.loads(said["manifest"]), None: "00000000"}.items():
        wanted = np.frombuffer(bytes.fromhex(digits), ">f4")[0]
        mattes[name] = sum(np.where(ids == wanted, coverage, 0) for ids, coverage in pairs)
    return mattes, pairs


def soft(count: int, most: float) -> np.ndarray:
    """Random alphas, some of them 0, that sum up to at most `most` in each pixel."""
    alphas = RANDOM.random((count, *SIZE)) * (RANDOM.random((count, *SIZE)) < 0.7)
    total = np.maximum(alphas.sum(axis=0), 1e-9)
    return np.minimum(alphas * (RANDOM.random(SIZE) * most / total), 1).astype(np.float32)


@pytest.mark.parametrize(
    ("name", "digits"),
    [("crypto_object", "f834d0a6"), ("torus", "f19c73fd"), ("hello", "248bfa47"), ("cube", "d9682f08")],
)
def test_hashes_are_those_of_the_specification(name, digits):
    assert f"{name_hash(name):08x}" == digits


@pytest.mark.parametrize("name", ["", "a", "ab", "abc", "abcd", "Füchslein", "狐", "🦊 in a box", "x" * 1000])
def test_a_name_is_hashed_in_utf_8(name):
    assert name_hash(name) in (murmur3(name), murmur3(name) ^ 1 << 23)


def test_every_id_is_a_normal_number():
    names = [f"object {i}" for i in range(20000)]
    ids = np.array([name_id(name) for name in names])
    bits = ids.view(np.uint32)
    exponents = bits >> 23 & 255
    assert exponents.min() > 0 and exponents.max() < 255
    changed = [name for name, bit in zip(names, bits, strict=True) if murmur3(name) != bit]
    assert 0 < len(changed) < 400  # 2 of 256 exponents
    assert all(murmur3(name) >> 23 & 255 in (0, 255) for name in changed)


def test_the_key_is_of_the_layers_name():
    assert metadata_key("crypto_object") == "f834d0a"


@pytest.mark.parametrize("count", [1, 3, 6])
def test_mattes_that_share_pixels_come_back(tmp_path, count):
    names = [f"thing {i}" for i in range(count)]
    alphas = soft(count, 1.0)
    assert write_cryptomatte(tmp_path / "c.exr", alphas, names) == 0
    mattes, pairs = read_by_the_specification(tmp_path / "c.exr")
    assert list(mattes) == [*names, None]
    for name, alpha in zip(names, alphas, strict=True):
        np.testing.assert_allclose(mattes[name], alpha, atol=1e-6)
    coverages = np.stack([coverage for _, coverage in pairs])
    assert (np.diff(coverages, axis=0) <= 0).all()
    assert coverages.sum(axis=0).max() <= 1 + 1e-6


def test_what_objects_leave_free_belongs_to_nothing(tmp_path):
    alphas = soft(5, 1.0)
    write_cryptomatte(tmp_path / "c.exr", alphas, list("abcde"))
    mattes, pairs = read_by_the_specification(tmp_path / "c.exr")
    np.testing.assert_allclose(mattes[None], 1 - alphas.sum(axis=0), atol=1e-6)
    np.testing.assert_allclose(sum(coverage for _, coverage in pairs), 1, atol=1e-6)


def test_an_empty_pixel_is_nothing_with_full_coverage():
    ranked = rank(np.zeros((1, *SIZE), np.float32), ["a"])
    assert (ranked.ids == 0).all()
    assert (ranked.coverages[0] == 1).all() and (ranked.coverages[1:] == 0).all()


def test_objects_that_overlap_share_the_pixel(tmp_path):
    alphas = RANDOM.random((4, *SIZE)).astype(np.float32)
    alphas[0] = 1  # a room around all others
    write_cryptomatte(tmp_path / "c.exr", alphas, ["room", "a", "b", "c"])
    mattes, _ = read_by_the_specification(tmp_path / "c.exr")
    for name, alpha in zip(["room", "a", "b", "c"], alphas, strict=True):
        np.testing.assert_allclose(mattes[name], alpha / alphas.sum(axis=0), atol=1e-6)
    assert mattes[None].max() == 0


@pytest.mark.parametrize("most", [1.0, 3.0])
def test_of_more_objects_than_ranks_the_least_are_lost_and_no_others_suffer(tmp_path, most):
    count = 11
    names = [f"thing {i}" for i in range(count)]
    alphas = soft(count, most)
    lost = write_cryptomatte(tmp_path / "c.exr", alphas, names)
    mattes, _ = read_by_the_specification(tmp_path / "c.exr")
    shares = alphas / np.maximum(alphas.sum(axis=0), 1)
    sixth = np.sort(shares, axis=0)[-6]
    for name, share in zip(names, shares, strict=True):
        np.testing.assert_allclose(mattes[name], np.where(share >= sixth, share, 0), atol=1e-6)
    missing = np.where(shares < sixth, shares, 0).sum(axis=0)
    assert lost == pytest.approx(missing.max(), abs=1e-6) and lost > 0.01
    np.testing.assert_allclose(rank(alphas, names).lost, missing, atol=1e-6)


def test_more_ranks_lose_nothing(tmp_path):
    alphas = soft(11, 1.0)
    names = [f"thing {i}" for i in range(11)]
    assert write_cryptomatte(tmp_path / "c.exr", alphas, names, ranks=12) == 0
    mattes, pairs = read_by_the_specification(tmp_path / "c.exr")
    assert len(pairs) == 12
    np.testing.assert_allclose([mattes[name] for name in names], alphas, atol=1e-6)


def test_names_of_all_scripts_are_in_the_manifest(tmp_path):
    names = ["Füchslein", "狐", 'a "quoted" \\ name', "with, comma"]
    write_cryptomatte(tmp_path / "c.exr", soft(4, 1.0), names)
    mattes, _ = read_by_the_specification(tmp_path / "c.exr")
    assert list(mattes) == [*names, None]
    assert manifest(["狐"]) == {"狐": f"{name_hash('狐'):08x}"}


def test_the_view_lies_beneath_in_linear_light(tmp_path):
    rgb = np.full((*SIZE, 3), 255, np.uint8)
    write_cryptomatte(tmp_path / "c.exr", soft(2, 1.0), ["a", "b"], rgb)
    channels = OpenEXR.File(str(tmp_path / "c.exr"), separate_channels=True).channels()
    assert all((channels[name].pixels == 1).all() for name in "RGB")
    assert len(channels) == 3 + 3 * 4


def test_equal_coverage_goes_by_the_order_of_names():
    ranked = rank(np.full((2, 1, 1), 0.5, np.float32), ["b", "a"])
    assert ranked.ids[:2, 0, 0].tolist() == [name_id("b"), name_id("a")]


def test_names_must_differ():
    with pytest.raises(SamNerfError, match="two objects are called 'cube'"):
        rank(np.zeros((2, 1, 1), np.float32), ["cube", "cube"])


def test_names_of_one_hash_are_refused():
    hashes: dict[int, str] = {}
    for i in range(400000):
        other = hashes.setdefault(name_hash(f"{i}"), f"{i}")
        if other != f"{i}":
            break
    else:
        pytest.fail("there are two of the same hash among so many")
    with pytest.raises(SamNerfError, match=f"'{other}' and '{i}' have the same hash"):
        manifest([other, f"{i}"])


@pytest.mark.parametrize(
    ("alphas", "names", "message"),
    [
        (np.zeros((0, 2, 2), np.float32), [], "at least one object"),
        (np.zeros((2, 2, 2), np.float32), ["a"], "shorter"),
        (np.full((1, 2, 2), 1.5, np.float32), ["a"], "alpha of 'a' has values"),
        ([np.zeros((2, 2), np.float32), np.zeros((3, 2), np.float32)], ["a", "b"], "alpha of 'b' is of"),
    ],
)
def test_alphas_that_do_not_fit_are_refused(alphas, names, message):
    with pytest.raises(ValueError, match=message):
        rank(iter(alphas), names)


@pytest.mark.parametrize("options", [{"ranks": 5}, {"ranks": 0}, {"type_name": "crypto1"}, {"type_name": "a.b"}])
def test_layers_that_nuke_would_not_find_are_refused(tmp_path, options):
    with pytest.raises(ValueError, match="cannot have|must be letters"):
        write_cryptomatte(tmp_path / "c.exr", np.zeros((1, 2, 2), np.float32), ["a"], **options)


def test_a_single_pixel(tmp_path):
    write_cryptomatte(tmp_path / "c.exr", np.full((1, 1, 1), 0.25, np.float32), ["a"])
    mattes, _ = read_by_the_specification(tmp_path / "c.exr")
    assert mattes["a"].tolist() == [[0.25]] and mattes[None].tolist() == [[0.75]]


def test_three_hundred_objects_are_ranked_in_a_few_seconds():
    size = (540, 960)

    def discs():
        for i in range(300):
            alpha = np.zeros(size, np.float32)
            y, x = 40 + i * 7 % 460, 40 + i * 53 % 880
            alpha[y - 40 : y + 40, x - 40 : x + 40] = 0.3
            yield alpha

    start = time.perf_counter()
    ranked = rank(discs(), [f"disc {i}" for i in range(300)])
    assert time.perf_counter() - start < 30
    assert ranked.coverages.sum(axis=0).max() <= 1 + 1e-5


def test_a_large_picture(tmp_path):
    size = (2160, 4096)
    alpha = np.zeros(size, np.float32)
    alpha[1000:1100] = 0.5
    write_cryptomatte(tmp_path / "c.exr", [alpha], ["a"], ranks=2)
    mattes, _ = read_by_the_specification(tmp_path / "c.exr")
    np.testing.assert_array_equal(mattes["a"], alpha)
