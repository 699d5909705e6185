"""The scripts for Nuke, read as Nuke reads them: every brace, every connection, every name in an expression."""

import importlib.util
import re
from pathlib import Path, PurePosixPath

import numpy as np
import pytest

from samnerf.errors import SamNerfError
from samnerf.nuke.gizmo import EXPOSED_POINTS, PairDescription, cat_files, gizmo
from samnerf.nuke.points import KnobPoint, points_row
from samnerf.nuke.script import CHECK, PULLDOWN, Expression, Lines, Node, UserKnob, script

_SPEC = importlib.util.spec_from_file_location("nuke_syntax", Path(__file__).with_name("nuke_syntax.py"))
nuke_syntax = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(nuke_syntax)
read_script = nuke_syntax.read_script

HIGH, FAST = (PairDescription.of_map(name, (256, 64, 64), 1024) for name in ("sam-vit-h", "sam-vit-b"))
FOLDER = PurePosixPath("models/nuke")

# Functions and variables of Nuke's expressions, and what nodes have besides their knobs.
BUILT_IN = {"clamp", "pow", "x", "y", "r", "g", "b", "a", "e"}
NODE_ATTRIBUTES = {"width", "height"}
ROOT_KNOBS = {"first_frame", "last_frame"}
PARTS = {12: {"x", "y"}, 18: {"r", "g", "b"}}
TCL = {"exists", "value", "string", "equal", "metadata", "n"}


@pytest.fixture(params=[(HIGH, FAST), (HIGH,), (FAST,)], ids=["two", "high", "fast"])
def group(request):
    (node,) = read_script(gizmo(request.param, FOLDER))
    return node


def expressions(node):
    """Everything that Nuke computes in the knobs of a node."""
    for name, value in node.knobs.items():
        if value.startswith("{"):
            for part in nuke_syntax.words(value):
                inner = nuke_syntax.words(part) if name != "metadata" else []
                yield from inner
        elif "[" in value or name.startswith(("expr", "temp_expr")):
            yield value


def check_names(text, group, node):
    """Every name in an expression is a knob of the group, a node, or something that Nuke knows."""
    text = text.replace("exr/nuke/sam/detailLevel", "").replace(".cat", "")
    for name in re.findall(r"[A-Za-z_]\w*(?:\.\w+)*", re.sub(r"\b\d+(\.\d+)?\b", "0", text)):
        first, *rest = name.split(".")
        if first == "parent":
            if rest[0] == "input1":
                assert group.inputs == [None, None]
                continue
            knob = group.user_knobs[rest[0]]
            assert set(rest[1:]) <= PARTS.get(int(knob[0]), set()), name
        elif first == "root":
            assert set(rest) <= ROOT_KNOBS
        elif first in {child.name for child in group.children}:
            assert set(rest) <= NODE_ATTRIBUTES, name
        else:
            known = {node.knobs.get("temp_name0")} | BUILT_IN
            in_tcl = (
                first in TCL or first in {"xhigh", "xfast"} or re.fullmatch(r"sam_?\w*|vit|h|encoder|decoder", first)
            )
            assert first in known or ("[" in text and in_tcl), f"{name} in {node.kind} {node.knobs}: {text}"


def test_every_name_in_an_expression_exists(group):
    counted = 0
    for node in (group, *group.children):
        for text in expressions(node):
            assert text.count("(") == text.count(")") and text.count("[") == text.count("]"), text
            check_names(text, group, node)
            counted += 1
    assert counted > 10


def test_names_of_nodes_differ_and_nothing_is_left_hanging(group):
    names = [node.name for node in group.children]
    assert len(set(names)) == len(names)
    fed = {id(one) for node in group.children for one in node.inputs if one is not None}
    loose = {node.name for node in group.children if id(node) not in fed}
    assert loose == {"Output1", "write_matte"}
    for node in group.children:
        sources = {"Input", "Constant"}
        assert all(one is not None for one in node.inputs) and bool(node.inputs) == (node.kind not in sources), node


def test_every_knob_of_the_group_is_used(group):
    said = " ".join(text for node in group.children for text in expressions(node))
    said += " ".join(group.user_knobs["export_matte"])
    for name, (kind, *_) in group.user_knobs.items():
        if int(kind) not in (20, 22, 26):
            assert re.search(rf"\b{name}\b", said), f"knob {name} does nothing"


def test_the_inputs_are_plate_and_encoded_matte(group):
    inputs = {node.knobs["number"]: node.name for node in group.children if node.kind == "Input"}
    assert inputs == {"0": "plate", "1": "encoded"}


def test_what_artists_are_promised_is_there(group):
    for k in range(1, EXPOSED_POINTS + 1):
        kinds = [group.user_knobs[f"{name}{k}"][0] for name in ("point", "enabled", "subtractive")]
        assert kinds == ["12", "6", "6"]
    for name, kind in {
        "bypass_srgb": "6",
        "view": "4",
        "overlay": "6",
        "overlay_colour": "18",
        "export_matte": "22",
    }.items():
        assert group.user_knobs[name][0] == kind
    assert ("fast" in group.user_knobs) == (len([n for n in group.children if n.kind == "Inference"]) == 4)
    assert nuke_syntax.words(group.user_knobs["view"][-1]) == ["matte", "encoded matte"]


def test_the_light_goes_square_then_clamped_then_curved_then_into_the_encoder(group):
    run = next(node for node in group.children if node.kind == "Inference" and node.name.endswith("encoder"))
    chain = []
    while run.inputs:
        (run,) = run.inputs
        chain.append(run.name)
    assert chain == ["srgb", "clamped", "square", "plate"]
    square = group.child("square").knobs
    assert (square["box_width"], square["box_height"], square["resize"]) == ("1024", "1024", "distort")
    assert group.child("srgb").knobs["disable"] == "{parent.bypass_srgb}"


def test_the_copy_takes_the_mask_from_its_second_input(group):
    assert [one.name for one in group.child("with_mask").inputs] == ["plate", "mask"]
    assert [one.name for one in group.child("padded").inputs] == ["canvas", "raised"]
    assert [one.name for one in group.child("matte").inputs] == ["made", "encoded"]
    assert [one.name for one in group.child("shown").inputs] == ["coloured", "matte"]


def test_the_matte_is_raised_by_the_rows_of_padding_and_the_mask_lowered(group):
    assert nuke_syntax.words(group.child("raised").knobs["box"]) == ["0", "-16", "1024", "1024"]
    assert nuke_syntax.words(group.child("square_mask").knobs["box"]) == ["0", "16", "1024", "1040"]
    assert group.child("canvas").knobs["box_height"] == "1040"


def test_exported_mattes_are_single_precision_alpha_with_their_level(group):
    write = group.child("write_matte").knobs
    assert (write["channels"], write["datatype"], write["raw"]) == ("alpha", "32 bit float", "true")
    levels = [node.knobs["metadata"].split() for node in group.children if node.kind == "ModifyMetaData"]
    assert {tuple(level) for level in levels} <= {
        ("{set", "exr/nuke/sam/detailLevel", "high}"),
        ("{set", "exr/nuke/sam/detailLevel", "fast}"),
    }


def test_the_expression_writes_the_row_that_the_decoder_reads(group):
    """Evaluated pixel by pixel, in Python's words."""
    random = np.random.default_rng(0)
    height, width = 540, 960
    points = [
        KnobPoint(float(random.uniform(0, width)), float(random.uniform(0, height)), k % 3 == 0, k % 4 != 1)
        for k in range(EXPOSED_POINTS)
    ]
    text = group.child("with_points").knobs["expr3"]
    otherwise, terms = re.fullmatch(r"y>=1\?(\w+):(.+)", text).groups()
    values = {"plate.width": width, "plate.height": height}
    for k, point in enumerate(points, start=1):
        values |= {
            f"parent.point{k}.x": point.x,
            f"parent.point{k}.y": point.y,
            f"parent.enabled{k}": int(point.enabled),
            f"parent.subtractive{k}": int(point.subtractive),
        }
    python = re.sub(r"[a-z]+\.[a-z0-9.]+", lambda match: repr(values[match[0]]), terms)
    row = [eval(python, {"x": x}) for x in range(48)]
    assert otherwise == "a"
    np.testing.assert_allclose(row, points_row(points, (height, width)), rtol=1e-5)


def test_the_python_of_the_button_compiles_and_names_the_writer(group):
    described = group.user_knobs["export_matte"]
    python = described[described.index("T") + 1]
    compile(python, "button", "exec")
    assert ".write_matte" in python and {"first", "last"} <= set(re.findall(r'knob\("(\w+)"\)', python))


def test_cat_files_and_gizmo_speak_of_the_same_files(group):
    pairs = [pair for pair in (HIGH, FAST) if any(pair.encoder.cat_file in str(n.knobs) for n in group.children)]
    made = read_script(cat_files(pairs, FOLDER))
    assert [node.kind for node in made] == ["CatFileCreator"] * 2 * len(pairs)
    names = {node.knobs["catFile"].removeprefix(f"{FOLDER}/") for node in made}
    run = {node.knobs["modelFile"].split("/")[-1] for node in group.children if node.kind == "Inference"}
    assert names == run
    assert group.knobs["folder"] == str(FOLDER)
    for node in made:
        picture = "encoder" in node.knobs["modelId"]
        assert node.knobs["channelsIn"] == ("rgba.red, rgba.green, rgba.blue" if picture else "rgba.alpha")
        assert node.knobs["channelsOut"] == "rgba.alpha" and node.knobs["torchScriptFile"].endswith(".pt")


def test_a_network_that_changes_sizes_has_no_gizmo():
    tiny = PairDescription.of_map("tiny-sam", (128, 32, 32), 256)
    with pytest.raises(SamNerfError, match="an Inference node keeps the size"):
        gizmo([tiny], FOLDER)
    with pytest.raises(SamNerfError, match="two of the same sizes"):
        gizmo([HIGH, tiny], FOLDER)
    with pytest.raises(SamNerfError, match="two of the same sizes"):
        gizmo([], FOLDER)


def test_texts_survive_the_way_through_a_script():
    awkward = 'a "b" [c] $d \\ {e}\nf'
    (node,) = read_script(script([Node("NoOp", "n", {"label": awkward, "other": "plain"})]))
    assert node.knobs["label"] == awkward and node.knobs["other"] == "plain"


def test_values_of_every_kind_are_read_back():
    knobs = {
        "yes": True,
        "whole": 3,
        "part": 0.25,
        "computed": Expression("a.b"),
        "tcl": Expression("[exists input1]"),
        "both": (1.0, Expression("c.d")),
        "list": Lines((("set", "a/b", "two words"),)),
    }
    user = (
        UserKnob(CHECK, "on", "is on", True, "a tip"),
        UserKnob(PULLDOWN, "pick", "pick", "b c", choices=("a", "b c")),
    )
    (node,) = read_script(script([Node("Group", "g", knobs, (), user, (Node("Input", "i"),))]))
    assert (node.knobs["yes"], node.knobs["whole"], node.knobs["part"]) == ("true", "3", "0.25")
    assert (node.knobs["computed"], node.knobs["tcl"]) == ("{a.b}", r'{"\[exists input1]"}')
    assert nuke_syntax.words(node.knobs["both"]) == ["1", "c.d"]
    assert nuke_syntax.words(nuke_syntax.words(node.knobs["list"])[0]) == ["set", "a/b", "two words"]
    assert node.user_knobs["on"] == ["6", "on", "l", "is on", "t", "a tip", "+STARTLINE"] and node.knobs["on"] == "true"


def test_inputs_are_connected_in_their_order():
    nodes = [Node("A", "a"), Node("B", "b"), Node("Merge", "m", {}, ("b", None, "a"))]
    *_, merge = read_script(script(nodes))
    assert [one and one.name for one in merge.inputs] == ["b", None, "a"]


@pytest.mark.parametrize("nodes", [[("m", ("a",))], [("a", ()), ("a", ())]])
def test_what_cannot_be_connected_is_a_mistake(nodes):
    with pytest.raises(ValueError, match="comes before one of its inputs, or has the name"):
        script([Node("NoOp", name, {}, inputs) for name, inputs in nodes])
    with pytest.raises(ValueError, match="is no name for a node or knob"):
        Node("NoOp", "a b")


@pytest.mark.parametrize("broken", ["A {\n name a\n", "A {\n name a}}\n", 'A {\n name "[b]"\n}', "end_group\n"])
def test_the_reader_notices_what_is_broken(broken):
    with pytest.raises((AssertionError, ValueError)):
        read_script(broken)
