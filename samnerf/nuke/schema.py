"""The messages of the wire as classes, made from `mlserver.proto` when this module is imported.

Code that protoc generates is tied to the versions of protobuf that it was generated for, and which one is installed is
decided by nerfstudio's other dependencies. Descriptors can be built by every version, so the `.proto` file, which other
hosts compile as it is, stays the only place where fields are written down. The reader here knows what that file uses:
messages side by side, scalars and messages as fields, packed lists.
"""

import re
from pathlib import Path
from typing import Any

from google.protobuf import message_factory
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto

PROTO = Path(__file__).with_name("mlserver.proto")
_LABELS = {
    "required": FieldDescriptorProto.LABEL_REQUIRED,
    "optional": FieldDescriptorProto.LABEL_OPTIONAL,
    "repeated": FieldDescriptorProto.LABEL_REPEATED,
}
_SCALARS = {
    "bool": FieldDescriptorProto.TYPE_BOOL,
    "bytes": FieldDescriptorProto.TYPE_BYTES,
    "float": FieldDescriptorProto.TYPE_FLOAT,
    "int32": FieldDescriptorProto.TYPE_INT32,
    "string": FieldDescriptorProto.TYPE_STRING,
}
_HEAD = re.compile(r'\s*syntax\s*=\s*"proto2"\s*;\s*package\s+(\w+)\s*;')
_MESSAGE = re.compile(r"\s*message\s+(\w+)\s*\{([^{}]*)\}")
_FIELD = re.compile(r"\s*(required|optional|repeated)\s+(\w+)\s+(\w+)\s*=\s*(\d+)\s*(\[\s*packed\s*=\s*true\s*\])?\s*;")


def read_schema(text: str, name: str) -> FileDescriptorProto:
    """A `.proto` file as its descriptor.

    Args:
        text: of the file.
        name: under which protobuf is to know it.

    Raises:
        ValueError: if it has anything that is not understood, with the place.
    """
    text = re.sub(r"//[^\n]*", "", text)
    head = _HEAD.match(text)
    if head is None:
        raise ValueError(f'{name} does not begin with syntax = "proto2" and a package')
    file = FileDescriptorProto(name=name, package=head[1], syntax="proto2")
    for declaration in _declarations(_MESSAGE, text[head.end() :], name):
        message = file.message_type.add(name=declaration[1])
        for label, kind, field_name, number, packed in map(
            re.Match.groups, _declarations(_FIELD, declaration[2], name)
        ):
            field = message.field.add(name=field_name, number=int(number), label=_LABELS[label])
            if kind in _SCALARS:
                field.type = _SCALARS[kind]
            else:
                field.type = FieldDescriptorProto.TYPE_MESSAGE
                field.type_name = f".{file.package}.{kind}"
            if packed:
                field.options.packed = True
    return file


def _declarations(pattern: re.Pattern[str], text: str, name: str) -> list[re.Match[str]]:
    """All of one kind, one after the other, with nothing between them."""
    found = []
    place = 0
    while text[place:].strip():
        match = pattern.match(text, place)
        if match is None:
            raise ValueError(f"{name} has {text[place:].split(maxsplit=1)[0]!r} where none is understood")
        found.append(match)
        place = match.end()
    return found


def _classes() -> dict[str, Any]:
    file = read_schema(PROTO.read_text(encoding="utf-8"), "samnerf/nuke/mlserver.proto")
    return message_factory.GetMessages([file])


_CLASSES = _classes()
RequestWrapper: Any = _CLASSES["mlserver.RequestWrapper"]
RespondWrapper: Any = _CLASSES["mlserver.RespondWrapper"]
Model: Any = _CLASSES["mlserver.Model"]
Image: Any = _CLASSES["mlserver.Image"]
