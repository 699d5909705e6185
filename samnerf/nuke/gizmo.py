"""SAM in Nuke without a server: `.cat` files from a TorchScript pair, and a gizmo that runs them.

Both scripts come from one description, `PairDescription`: what the files are called, which channels go in and out, how
large pictures are. `cat_files` makes a CatFileCreator node for each half; `gizmo` makes a gizmo:

    plate -> resize to a square, linear light -> sRGB curve -> encoder -> encoded matte -> points below it -> decoder
          -> mask -> size of the plate -> over the plate, in a colour

A second input takes encoded mattes that were made before, and then the encoder rests. All of it is of our own design;
none of it was run in Nuke (docs/nuke.md says what follows from what).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

from samnerf.errors import SamNerfError
from samnerf.export.encoded_matte import (
    DETAIL_ATTRIBUTE,
    DETAIL_LEVELS,
    PADDING_ROWS,
    POINT_COLUMNS,
    POINTS_SIDE,
    matte_size,
)
from samnerf.nuke import script
from samnerf.nuke.script import Expression, Lines, Node, UserKnob

RGB = "rgba.red, rgba.green, rgba.blue"
ALPHA = "rgba.alpha"
EXPOSED_POINTS = 8
DETAIL_KEY = f"exr/{DETAIL_ATTRIBUTE}"
"""Under which name Nuke has an attribute of an EXR file among the metadata of a frame."""


@dataclass(frozen=True)
class HalfDescription:
    """Encoder or decoder as CatFileCreator and Inference know them.

    Attributes:
        name: of the model, and of its files without suffix.
        channels_in, channels_out: of the frame.
    """

    name: str
    channels_in: str
    channels_out: str

    @property
    def script_file(self) -> str:
        """Name of the TorchScript file."""
        return f"{self.name}.pt"

    @property
    def cat_file(self) -> str:
        """Name of the file that CatFileCreator makes of it."""
        return f"{self.name}.cat"


@dataclass(frozen=True)
class PairDescription:
    """A SAM in Nuke.

    Attributes:
        teacher: name of the encoder.
        input_side: side of the square that it sees, pixels.
        rows, columns: of the encoded matte.
    """

    teacher: str
    input_side: int
    rows: int
    columns: int

    @staticmethod
    def of_map(teacher: str, map_shape: tuple[int, int, int], input_side: int) -> "PairDescription":
        """From [channels, side, side] of the encoder's maps, and the side of the square that it sees."""
        return PairDescription(teacher, input_side, *matte_size(map_shape))

    @property
    def encoder(self) -> HalfDescription:
        """Picture to matte."""
        return HalfDescription(f"{self.teacher}-encoder", RGB, ALPHA)

    @property
    def decoder(self) -> HalfDescription:
        """Matte and points to mask."""
        return HalfDescription(f"{self.teacher}-decoder", ALPHA, ALPHA)

    @property
    def level(self) -> str:
        """Its level of detail, as encoded mattes say it."""
        return DETAIL_LEVELS.get(self.teacher, self.teacher)

    @property
    def fits_nuke(self) -> bool:
        """Whether both halves give pictures of the size that they get, as an Inference node needs it."""
        return self.rows == self.columns == self.input_side


def cat_files(pairs: Sequence[PairDescription], folder: PurePath) -> str:
    """A script with a CatFileCreator node for each half of each pair; press its button to make the file.

    Args:
        pairs: whose TorchScript files lie in the folder.
        folder: where they lie, and where the `.cat` files go.
    """
    nodes = []
    for pair in pairs:
        for half in (pair.encoder, pair.decoder):
            knobs = {
                "torchScriptFile": (folder / half.script_file).as_posix(),
                "catFile": (folder / half.cat_file).as_posix(),
                "channelsIn": half.channels_in,
                "channelsOut": half.channels_out,
                "modelId": half.name,
            }
            nodes.append(Node("CatFileCreator", _node_name("make", half.name), knobs))
    return script.script(nodes)


def gizmo(pairs: Sequence[PairDescription], folder: PurePath, name: str = "SamNerfPoints") -> str:
    """The text of `<name>.gizmo`, for a folder in which Nuke looks for plugins.

    Args:
        pairs: one, or two: the thorough one, and the one for fast mode.
        folder: where the `.cat` files lie; a knob.
        name: of the group.

    Raises:
        SamNerfError: if there are no such pairs, or an Inference node cannot run them.
    """
    if not 1 <= len(pairs) <= 2 or len({(pair.rows, pair.columns, pair.input_side) for pair in pairs}) > 1:
        raise SamNerfError("a gizmo has one pair of networks, or two of the same sizes, the second for fast mode")
    if not pairs[0].fits_nuke:
        pair = pairs[0]
        raise SamNerfError(
            f"there is no gizmo for {pair.teacher}: it makes a matte of {pair.columns} x {pair.rows} pixels of a "
            f"picture of {pair.input_side} x {pair.input_side}, and an Inference node keeps the size"
        )
    children = (*_encoding(pairs), *_decoding(pairs), *_showing(), *_writing())
    group = Node("Gizmo", name, {}, (None, None), tuple(_user_knobs(pairs, folder)), children)
    return script.script([group])


def _user_knobs(pairs: Sequence[PairDescription], folder: PurePath) -> list[UserKnob]:
    knobs = [
        UserKnob(script.TAB, "sam", "SAM"),
        UserKnob(script.FILE, "folder", "folder of .cat files", folder.as_posix()),
        *([UserKnob(script.CHECK, "fast", "fast mode", False, _FAST_TIP)] if len(pairs) == 2 else []),
        UserKnob(script.CHECK, "bypass_srgb", "bypass sRGB", False, "The plate is sRGB already."),
        UserKnob(script.PULLDOWN, "view", "view", "matte", choices=("matte", "encoded matte")),
        UserKnob(script.DIVIDER, "points", "points"),
    ]
    for k in range(1, EXPOSED_POINTS + 1):
        knobs += [
            UserKnob(script.POSITION, f"point{k}", f"point {k}", (0.0, 0.0)),
            UserKnob(script.CHECK, f"enabled{k}", "enabled", False, beside=True),
            UserKnob(script.CHECK, f"subtractive{k}", "subtractive", False, beside=True),
        ]
    return [
        *knobs,
        UserKnob(script.DIVIDER, "over", "overlay"),
        UserKnob(script.CHECK, "overlay", "show", True, "The mask in a colour over the plate."),
        UserKnob(script.COLOUR, "overlay_colour", "colour", (1.0, 0.2, 0.05)),
        UserKnob(script.SLIDER, "overlay_mix", "mix", 0.5, limits=(0.0, 1.0)),
        UserKnob(script.DIVIDER, "keep", "encoded matte"),
        UserKnob(script.FILE, "matte_file", "file", "", "One file for each frame: name.####.exr"),
        UserKnob(script.WHOLE, "first", "first frame", Expression("root.first_frame")),
        UserKnob(script.WHOLE, "last", "last frame", Expression("root.last_frame"), beside=True),
        UserKnob(script.BUTTON, "export_matte", "export encoded matte", text=_EXPORT),
    ]


_FAST_TIP = "The smaller network, for plates without an encoded matte."
_EXPORT = """group = nuke.thisNode()
writer = nuke.toNode(group.fullName() + ".write_matte")
nuke.execute(writer, int(group.knob("first").value()), int(group.knob("last").value()))"""


def _encoding(pairs: Sequence[PairDescription]) -> list[Node]:
    """From the plate to the encoded matte, made here or given."""
    side = pairs[0].input_side
    square = _to_box(side, side)
    clamped = {f"expr{i}": f"clamp({channel})" for i, channel in enumerate("rgb")}
    curve = "{0}<=0.0031308?12.92*{0}:1.055*pow({0},1/2.4)-0.055"
    curved = {f"expr{i}": curve.format(channel) for i, channel in enumerate("rgb")}
    nodes = [
        Node("Input", "plate", {"number": 0}),
        Node("Input", "encoded", {"number": 1}),
        Node("Reformat", "square", square, ("plate",)),
        Node("Expression", "clamped", clamped, ("square",)),
        Node("Expression", "srgb", {**curved, "disable": Expression("parent.bypass_srgb")}, ("clamped",)),
    ]
    for pair in pairs:
        nodes += [
            _inference(pair.encoder, "srgb"),
            Node(
                "ModifyMetaData",
                _node_name("level", pair.teacher),
                {"metadata": Lines((("set", DETAIL_KEY, pair.level),))},
                (_node_name("run", pair.encoder.name),),
            ),
        ]
    made = tuple(_node_name("level", pair.teacher) for pair in pairs)
    nodes.append(Node("Switch", "made", {"which": _fast(pairs)}, made))
    nodes.append(Node("Switch", "matte", {"which": Expression("[exists parent.input1]")}, ("made", "encoded")))
    return nodes


def _decoding(pairs: Sequence[PairDescription]) -> list[Node]:
    """From the encoded matte and the points to a mask of the plate's size.

    A Crop with `reformat` moves its box to the origin, and so the matte up by the rows of padding, or the mask down.
    The canvas is there because nothing is computed outside of what a node says it fills (its bounding box).
    """
    pair = pairs[0]
    below = {"box": (0.0, float(-PADDING_ROWS), float(pair.columns), float(pair.rows)), "reformat": True}
    above = {"box": (0.0, float(PADDING_ROWS), float(pair.columns), float(pair.rows + PADDING_ROWS)), "reformat": True}
    plate = _to_box(Expression("plate.width"), Expression("plate.height"))
    nodes = [
        Node("BlackOutside", "alone", {}, ("matte",)),
        Node("Crop", "raised", below, ("alone",)),
        Node("Constant", "black", {"color": (0.0, 0.0, 0.0, 0.0)}),
        Node("Reformat", "canvas", _to_box(pair.columns, pair.rows + PADDING_ROWS), ("black",)),
        Node("Copy", "padded", {"from0": ALPHA, "to0": ALPHA}, ("canvas", "raised")),
        Node("Expression", "with_points", {"expr3": _points()}, ("padded",)),
        *(_inference(pair.decoder, "with_points") for pair in pairs),
    ]
    decoded = tuple(_node_name("run", pair.decoder.name) for pair in pairs)
    return [
        *nodes,
        Node("Switch", "decoded", {"which": _fast_decoder(pairs)}, decoded),
        Node("Crop", "square_mask", above, ("decoded",)),
        Node("Reformat", "mask", plate, ("square_mask",)),
    ]


def _showing() -> list[Node]:
    """The mask in the plate's alpha and over its colours, or the encoded matte."""
    names = {"temp_name0": "m", "temp_expr0": "parent.overlay*parent.overlay_mix*a"}
    mixed = {f"expr{i}": f"{channel}*(1-m)+parent.overlay_colour.{channel}*m" for i, channel in enumerate("rgb")}
    return [
        Node("Copy", "with_mask", {"from0": ALPHA, "to0": ALPHA}, ("plate", "mask")),
        Node("Expression", "coloured", {**names, **mixed}, ("with_mask",)),
        Node("Switch", "shown", {"which": Expression("parent.view")}, ("coloured", "matte")),
        Node("Output", "Output1", {}, ("shown",)),
    ]


def _writing() -> list[Node]:
    """Encoded mattes as files, without a colour space and without loss."""
    knobs = {
        "file": "[value parent.matte_file]",
        "file_type": "exr",
        "channels": "alpha",
        "datatype": "32 bit float",
        "compression": "Zip (1 scanline)",
        "metadata": "all metadata",
        "raw": True,
    }
    return [Node("Write", "write_matte", knobs, ("matte",))]


def _to_box(width: int | Expression, height: int | Expression) -> dict[str, script.Value]:
    """Knobs of a Reformat that gives a picture another size, and each axis its own scale."""
    sizes: dict[str, script.Value] = {"box_width": width, "box_height": height}
    return {"type": "to box", **sizes, "box_fixed": True, "resize": "distort", "black_outside": True}


def _inference(half: HalfDescription, source: str) -> Node:
    knobs = {"modelFile": f"[value parent.folder]/{half.cat_file}", "useGPUIfAvailable": True}
    return Node("Inference", _node_name("run", half.name), knobs, (source,))


def _points() -> str:
    """The alpha of the picture, but in its lowest row x, y and subtractive of each point, as the decoder reads them."""
    terms = []
    for k in range(EXPOSED_POINTS):
        point = f"parent.point{k + 1}"
        values = (
            f"parent.enabled{k + 1}*{point}.x/plate.width*{POINTS_SIDE}",
            f"parent.enabled{k + 1}*{point}.y/plate.height*{POINTS_SIDE}",
            f"parent.subtractive{k + 1}",
        )
        terms += [f"(x=={POINT_COLUMNS * k + i})*{value}" for i, value in enumerate(values)]
    return f"y>=1?a:{'+'.join(terms)}"


def _fast(pairs: Sequence[PairDescription]) -> Expression:
    return Expression("parent.fast") if len(pairs) == 2 else Expression("0")


def _fast_decoder(pairs: Sequence[PairDescription]) -> Expression:
    """A matte that is given says by whom it was made; one that is made here is of the encoder that was chosen."""
    if len(pairs) == 1:
        return Expression("0")
    given = f"![string equal x{pairs[0].level} x[metadata -n encoded {DETAIL_KEY}]]"
    return Expression(f"[exists parent.input1]?{given}:parent.fast")


def _node_name(verb: str, name: str) -> str:
    return f"{verb}_{name.replace('-', '_')}"
