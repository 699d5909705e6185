"""What a cloud keeps on its way through a file, and which files are refused."""

import numpy as np
import pytest
import trimesh

from samnerf.errors import SamNerfError
from samnerf.export.point_cloud import PointCloud, joined, read_ply, write_ply


def random_cloud(count, seed=0):
    random = np.random.default_rng(seed)
    normals = random.normal(size=(count, 3))
    return PointCloud(
        random.normal(size=(count, 3)).astype(np.float32),
        random.integers(0, 256, (count, 3)).astype(np.uint8),
        (normals / np.linalg.norm(normals, axis=1, keepdims=True)).astype(np.float32),
        random.integers(0, 65536, count).astype(np.uint16),
        random.random(count).astype(np.float32),
    )


def assert_same(a, b):
    for name in ("positions", "colours", "normals", "object_ids", "confidence"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
        assert getattr(a, name).dtype == getattr(b, name).dtype


def test_a_cloud_comes_back_from_its_file_bit_by_bit(tmp_path):
    cloud = random_cloud(1000)
    write_ply(tmp_path / "new" / "cloud.ply", cloud)
    assert_same(read_ply(tmp_path / "new" / "cloud.ply"), cloud)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["cloud.ply"]


def test_another_program_reads_the_same(tmp_path):
    cloud = random_cloud(50)
    write_ply(tmp_path / "cloud.ply", cloud)
    read = trimesh.load(tmp_path / "cloud.ply")
    np.testing.assert_array_equal(read.vertices, cloud.positions)
    np.testing.assert_array_equal(read.colors[:, :3], cloud.colours)
    raw = read.metadata["_ply_raw"]["vertex"]["data"]
    np.testing.assert_array_equal(raw["object_id"].ravel(), cloud.object_ids)
    np.testing.assert_array_equal(raw["confidence"].ravel(), cloud.confidence)
    np.testing.assert_array_equal(np.column_stack([raw[n].ravel() for n in ("nx", "ny", "nz")]), cloud.normals)


def test_the_header_says_little_endian_and_every_property(tmp_path):
    write_ply(tmp_path / "cloud.ply", random_cloud(2))
    content = (tmp_path / "cloud.ply").read_bytes()
    header, _, body = content.partition(b"end_header\n")
    assert header.startswith(b"ply\nformat binary_little_endian 1.0\n")
    words = [line.split() for line in header.decode().splitlines() if line.startswith("property")]
    assert [word[2] for word in words] == [
        "x",
        "y",
        "z",
        "nx",
        "ny",
        "nz",
        "red",
        "green",
        "blue",
        "object_id",
        "confidence",
    ]
    assert len(body) == 2 * (6 * 4 + 3 + 2 + 4)


def test_the_order_and_the_width_of_properties_may_differ(tmp_path):
    cloud = random_cloud(20)
    names = ["confidence", "object_id", "blue", "green", "red", "nz", "ny", "nx", "z", "y", "x", "quality"]
    types = ["double", "int", "uint8", "uint8", "uint8"] + 6 * ["float64"] + ["float"]
    record = np.dtype(
        [(n, {"int": "<i4", "uint8": "u1", "float": "<f4"}.get(t, "<f8")) for n, t in zip(names, types, strict=True)]
    )
    vertices = np.zeros(20, record)
    for axis, name in enumerate("xyz"):
        vertices[name], vertices[f"n{name}"] = cloud.positions[:, axis], cloud.normals[:, axis]
    for channel, name in enumerate(("red", "green", "blue")):
        vertices[name] = cloud.colours[:, channel]
    vertices["object_id"], vertices["confidence"] = cloud.object_ids, cloud.confidence
    lines = [f"property {t} {n}" for n, t in zip(names, types, strict=True)]
    faces = ["element face 0", "property list uchar int vertex_indices"]
    header = ["ply", "format binary_little_endian 1.0", "element vertex 20", *lines, *faces, "end_header", ""]
    (tmp_path / "theirs.ply").write_bytes("\r\n".join(header).encode() + vertices.tobytes())
    assert_same(read_ply(tmp_path / "theirs.ply"), cloud)


def test_joined_and_select_keep_order():
    a, b = random_cloud(5), random_cloud(7, seed=1)
    both = joined([a, b])
    assert len(both) == 12
    assert_same(both.select(np.arange(12) < 5), a)
    assert_same(both.select(np.arange(5, 12)), b)


def test_nothing_is_not_written(tmp_path):
    empty = random_cloud(3).select(np.zeros(3, bool))
    with pytest.raises(SamNerfError, match=r"cloud\.ply would hold no points: no view shows the object"):
        write_ply(tmp_path / "cloud.ply", empty)
    assert not list(tmp_path.iterdir())


def test_a_cloud_of_unequal_or_endless_arrays_is_a_mistake():
    cloud = random_cloud(3)
    with pytest.raises(Exception, match="object_ids"):
        PointCloud(cloud.positions, cloud.colours, cloud.normals, cloud.object_ids[:2], cloud.confidence)
    with pytest.raises(ValueError, match="positions of a point cloud hold NaN"):
        PointCloud(
            cloud.positions * np.float32(np.nan), cloud.colours, cloud.normals, cloud.object_ids, cloud.confidence
        )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content[:-1], "is cut off: its header promises 9 points, it holds 8"),
        (lambda content: b"solid" + content, "is not a PLY file"),
        (lambda content: content.replace(b"binary_little_endian", b"ascii"), "is not binary little endian PLY 1.0"),
        (lambda content: content.replace(b"object_id", b"something"), "lacks object_id"),
        (lambda content: content.replace(b"element vertex 9", b"element vertex many"), "begin with the element vertex"),
        (
            lambda content: content.replace(b"float x", b"list uchar int x"),
            "'property list uchar int x' is not a number",
        ),
        (lambda content: content[:-4] + b"\xff\xff\xff\xff", "is damaged: confidence .* NaN"),
        (lambda content: b"", "is not a PLY file"),
    ],
)
def test_a_damaged_file_is_named(tmp_path, change, message):
    path = tmp_path / "cloud.ply"
    write_ply(path, random_cloud(9))
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(SamNerfError, match=f"cloud.ply.*{message}"):
        read_ply(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SamNerfError, match=r"none\.ply cannot be read: No such file"):
        read_ply(tmp_path / "none.ply")
