"""YAML read into plain values together with the line of every one of them; ``${ENV}`` is expanded in values.

The tree is composed here, not constructed by PyYAML, for three reasons: faults need lines; what YAML 1.1 makes of
``on``, ``012`` or ``18:00`` is never what was meant, so everything but plain numbers, true, false and null stays text;
and a variable's content must never become structure.
"""

import re
from collections.abc import Mapping
from typing import Any

import yaml

_NULL = re.compile(r"|~|null|Null|NULL")
_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9]*)?\.?[0-9]+([eE][-+]?[0-9]{1,3})?")
_VARIABLE = re.compile(r"\$(\$\{|\{([A-Za-z_][A-Za-z0-9_]*)(:-([^}]*))?\}|\{)")
_MAX_NODES = 200_000
_MAX_DEPTH = 60
_KNOWN_TAGS = frozenset(
    {
        yaml.BaseLoader.DEFAULT_SCALAR_TAG,
        yaml.BaseLoader.DEFAULT_SEQUENCE_TAG,
        yaml.BaseLoader.DEFAULT_MAPPING_TAG,
        "!",
    }
)


class Tree:
    """The values of a file, the line of each path (``users[0].name``), and what is wrong with the text itself."""

    def __init__(self, text: str, environment: Mapping[str, str]) -> None:
        self.lines: dict[str, int] = {}
        self.faults: list[tuple[int, str, str]] = []
        self._environment = environment
        self._nodes = 0
        self._stopped = False
        node = self._compose(text)
        self.value: Any = self._build(node, "", 0) if node is not None else None

    def line(self, path: str) -> int:
        """Return the line of ``path``, or of the nearest thing around it."""
        while path and path not in self.lines:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self.lines.get(path, 1)

    def _compose(self, text: str) -> yaml.Node | None:
        try:
            return yaml.compose(text, Loader=yaml.BaseLoader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = mark.line + 1 if mark is not None else 1
            self._fault(line, "", f"this is not YAML: {error.problem or error.context}{_brace_hint(text, line)}")
        except yaml.reader.ReaderError as error:
            line = text.count("\n", 0, error.position) + 1
            self._fault(line, "", f"this is not YAML: the character {_code_point(error.character)} is not allowed")
        except (RecursionError, ValueError):
            self._fault(1, "", f"this is not YAML that can be read; is it nested deeper than {_MAX_DEPTH} levels?")
        return None

    def _build(self, node: yaml.Node, path: str, depth: int) -> Any:
        line = node.start_mark.line + 1
        self.lines.setdefault(path, line)
        self._nodes += 1
        if depth > _MAX_DEPTH or self._nodes > _MAX_NODES:
            # The rest is left unread: aliases can make a short text into billions of values.
            if not self._stopped:
                self._fault(line, path, f"nested deeper than {_MAX_DEPTH} levels, or more than {_MAX_NODES} values")
            self._stopped, self._nodes = True, _MAX_NODES
            return None
        if node.tag not in _KNOWN_TAGS:
            tag = node.tag.replace("tag:yaml.org,2002:", "!!")
            self._fault(line, path, f"the tag {tag} is not used here; remove it")
        if isinstance(node, yaml.SequenceNode):
            return [self._build(member, f"{path}[{index}]", depth + 1) for index, member in enumerate(node.value)]
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, depth)
        return self._scalar(node, path, line) if isinstance(node, yaml.ScalarNode) else None

    def _mapping(self, node: yaml.MappingNode, path: str, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self._fault(line, path, "a key must be a text")
                continue
            key = str(key_node.value)
            if key == "<<" and key_node.style is None:
                for source in self._merge_sources(value_node, path, depth):
                    merged = source | merged
                continue
            inner = f"{path}.{key}" if path else key
            if key in found:
                self._fault(line, inner, f'the key "{key}" stands here twice; the first is on line {self.lines[inner]}')
                continue
            self.lines[inner] = line
            found[key] = self._build(value_node, inner, depth + 1)
        return merged | found

    def _merge_sources(self, node: yaml.Node, path: str, depth: int) -> list[dict[str, Any]]:
        nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
        built = [self._build(each, path, depth + 1) for each in nodes]
        if not all(isinstance(each, dict) for each in built):
            self._fault(node.start_mark.line + 1, path, "<< must name a mapping")
        return [each for each in built if isinstance(each, dict)]

    def _scalar(self, node: yaml.ScalarNode, path: str, line: int) -> Any:
        text = str(node.value)
        if "${" in text:
            return self._expanded(text, path, line)
        return text if node.style is not None else _plain(text)

    def _expanded(self, text: str, path: str, line: int) -> str:
        def value(found: re.Match[str]) -> str:
            name, default = found.group(2), found.group(4)
            if found.group(1) == "${":
                return "${"
            if name is None:
                self._fault(
                    line, path, "a variable is written ${NAME} or ${NAME:-default}; write $${ for the signs themselves"
                )
                return ""
            # As in a shell, ":-" also stands in for a variable that is set and empty.
            if found.group(3) is not None:
                return self._environment.get(name) or str(default)
            if name not in self._environment:
                self._fault(line, path, f"the variable {name} is not set; set it, or write ${{{name}:-default}}")
            return self._environment.get(name, "")

        return _VARIABLE.sub(value, text)

    def _fault(self, line: int, path: str, message: str) -> None:
        self.faults.append((line, path, message))


def _plain(text: str) -> Any:
    if _NULL.fullmatch(text):
        return None
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if _WHOLE.fullmatch(text):
        return int(text)
    if _DECIMAL.fullmatch(text) and not re.match(r"[-+]?0[0-9]", text):
        return float(text)
    return text


def _code_point(character: int | str) -> str:
    return f"U+{character if isinstance(character, int) else ord(character):04X}"


def _brace_hint(text: str, line: int) -> str:
    lines = text.splitlines()
    near = lines[line - 1] if 0 < line <= len(lines) else ""
    return "; put a ${VARIABLE} inside { } or [ ] in quotes" if "${" in near else ""
