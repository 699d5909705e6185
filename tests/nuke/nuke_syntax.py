"""A small reader of Nuke's script language: Tcl's words, and the stack that connects nodes."""

from dataclasses import dataclass, field


@dataclass
class ReadNode:
    """A node as a script says it."""

    kind: str
    knobs: dict[str, str] = field(default_factory=dict)
    user_knobs: dict[str, list[str]] = field(default_factory=dict)
    inputs: list["ReadNode | None"] = field(default_factory=list)
    children: list["ReadNode"] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.knobs["name"]

    def child(self, name: str) -> "ReadNode":
        (found,) = [one for one in self.children if one.name == name]
        return found


def commands(text: str) -> list[list[str]]:
    """Tcl commands, a line each, as words; words in braces are raw, words in quotes have lost their backslashes."""
    found, position = [], 0
    while position < len(text):
        line, position = _command(text, position)
        if line:
            found.append(line)
    return found


def words(text: str) -> list[str]:
    """The elements of a Tcl list."""
    return [word for line in commands(text.replace("\n", " ")) for word in line]


def _command(text: str, i: int) -> tuple[list[str], int]:
    line: list[str] = []
    while i < len(text) and text[i] != "\n":
        if text[i] in " \t":
            i += 1
        elif text[i] == "{":
            end = _closing(text, i)
            line.append(text[i + 1 : end])
            i = _after_word(text, end + 1)
        elif text[i] == '"':
            word, i = _quoted(text, i + 1)
            line.append(word)
            i = _after_word(text, i)
        else:
            start = i
            while i < len(text) and text[i] not in " \t\n":
                assert text[i] not in '{}"', f"a stray {text[i]} in {text[start : i + 20]!r}"
                if text[i] == "[":  # [stack 0]
                    i = text.index("]", i)
                i += 1
            line.append(text[start:i])
    return line, i + 1


def _after_word(text: str, i: int) -> int:
    assert i >= len(text) or text[i] in " \t\n", f"something follows a closing brace or quote: {text[i : i + 20]!r}"
    return i


def _closing(text: str, i: int) -> int:
    """Where the brace that opens at i closes; Tcl counts braces in quotes, too, unless they are escaped."""
    depth = 0
    while i < len(text):
        if text[i] == "\\":
            i += 1
        elif text[i] == "{":
            depth += 1
        elif text[i] == "}":
            depth -= 1
            if depth == 0:
                return i
        i += 1
    raise AssertionError("a brace is never closed")


def _quoted(text: str, i: int) -> tuple[str, int]:
    word = ""
    while text[i] != '"':
        assert text[i] not in "[$", f"Tcl would compute {text[i : i + 20]!r} while it reads the script"
        if text[i] == "\\":
            i += 1
            word += "\n" if text[i] == "n" else text[i]
        else:
            word += text[i]
        i += 1
    return word, i + 1


def read_script(text: str) -> list[ReadNode]:
    """The nodes at the top of a script, connected."""
    nodes, rest = _nodes(commands(text), 0, top=True)
    assert rest == len(commands(text))
    return nodes


def _nodes(lines: list[list[str]], i: int, top: bool) -> tuple[list[ReadNode], int]:
    nodes: list[ReadNode] = []
    stack: list[ReadNode | None] = []
    variables: dict[str, ReadNode | None] = {}
    while i < len(lines):
        line = lines[i]
        i += 1
        match line:
            case ["set", name, "[stack 0]"]:
                assert name not in variables, f"{name} is set twice"
                variables[name] = stack[-1]
            case ["push", "0"]:
                stack.append(None)
            case ["push", name]:
                stack.append(variables[name.removeprefix("$")])
            case ["end_group"]:
                assert not top, "end_group without a group"
                assert not stack or all(one is not None for one in stack)
                return nodes, i
            case [kind, body]:
                node = _node(kind, body)
                count = int(node.knobs.pop("inputs", "1"))
                node.inputs = [stack.pop() if stack else None for _ in range(count)]
                if kind in ("Group", "Gizmo"):
                    node.children, i = _nodes(lines, i, top=False)
                nodes.append(node)
                stack.append(node)
            case _:
                raise AssertionError(f"not understood: {line}")
    assert top, "a group is never ended"
    return nodes, i


def _node(kind: str, body: str) -> ReadNode:
    node = ReadNode(kind)
    for line in commands(body):
        name, *value = line
        assert len(value) == 1, f"a knob takes one word: {line}"
        if name == "addUserKnob":
            described = words(value[0])
            assert described[1] not in node.user_knobs, f"knob {described[1]} is there twice"
            node.user_knobs[described[1]] = described
        else:
            assert name not in node.knobs, f"knob {name} is set twice"
            node.knobs[name] = value[0]
    return node
