"""Reads a policy's file; what is wrong in it is told by file and rule, with what to mend."""

from __future__ import annotations

import difflib
from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from agent import policy_file
from agent.policy_file import AnyRule, PolicyFile
from sensorhouse.errors import PolicyUnusable

OWN = Path(__file__).with_name("policy.yaml")
# Far more than a policy has; a wrong path to some huge file is noticed at once.
_MAX_BYTES = 8 << 20


def read(path: Path) -> PolicyFile:
    """The file's policy, every rule checked.

    Raises `PolicyUnusable`, with a line for each thing to mend.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise PolicyUnusable(path, [f"can't be read: {error.strerror}"]) from error
    if len(text) > _MAX_BYTES:
        raise PolicyUnusable(path, ["is too large to be a policy"])
    try:
        # A SafeLoader: it makes plain values only.
        found = yaml.load(text, _Loader)  # noqa: S506
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise PolicyUnusable(path, [f"is not YAML: {' '.join(str(error).split())}"]) from error
    if not isinstance(found, dict):
        raise PolicyUnusable(path, ["must be a mapping with version, currency, approval and rules"])
    try:
        return PolicyFile.model_validate(found)
    except ValidationError as error:
        raise PolicyUnusable(path, list(_to_mend(error, found))) from error


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, but a key that is there twice is an error: it would silently win over the first."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys: set[str] = set()
        for key, _ in node.value:
            if key.value in keys and isinstance(key.value, str):
                raise yaml.constructor.ConstructorError(None, None, f"{key.value} is there twice", key.start_mark)
            keys.add(str(key.value))
        return super().construct_mapping(node, deep=deep)


def _to_mend(error: ValidationError, found: dict[Any, Any]) -> Iterator[str]:
    for one in error.errors(include_url=False):
        place, key = _place(one["loc"], found), str(one["loc"][-1]) if one["loc"] else ""
        if one["type"] == "extra_forbidden":
            yield f"{place}: there is no such key{_meant(key)}"
        elif one["type"] == "missing":
            yield f"{place}: is missing"
        elif one["type"] == "union_tag_not_found":
            yield f"{place}: kind is missing: say {_kinds()}"
        elif one["type"] == "union_tag_invalid":
            yield f"{place}: there is no kind {one['ctx']['tag']}: say {_kinds()}"
        elif one["type"] == "string_type":
            yield f"{place}: must be text: put it in quotes"
        elif one["type"] == "string_pattern_mismatch":
            yield f"{place}: must be {'like Q-1' if key == 'id' else 'one word'}"
        elif one["type"] == "too_short":
            yield f"{place}: must name at least one"
        elif one["type"] == "model_attributes_type":
            yield f"{place}: must be a mapping, of key: value"
        elif one["type"] == "literal_error":
            yield f"{place}: must be {one['ctx']['expected']}"
        else:
            told = one["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
            # What concerns the whole file names its rules itself.
            yield from (f"{place}: {line}" if place else line for line in told.splitlines())


def _place(at: tuple[int | str, ...], found: dict[Any, Any]) -> str:
    """Where something is wrong, as people count: `rule Q-1, limits 2, limit`."""
    words: list[str] = []
    rest = at
    if len(at) > 1 and at[0] == "rules":
        assert isinstance(at[1], int)
        rule = found["rules"][at[1]]
        named = rule.get("id") if isinstance(rule, dict) else None
        words.append(f"rule {named}" if named else f"rule number {at[1] + 1}")
        # After it comes the rule's kind, which nobody wrote there.
        rest = at[3:]
    for word in rest:
        if isinstance(word, int) and words:
            words[-1] += f" {word + 1}"
        elif word not in ("_column", "_entry"):
            words.append(str(word))
    return ", ".join(words)


def _meant(key: str) -> str:
    close = difflib.get_close_matches(key, _keys(), 1)
    return f": did you mean {close[0]}?" if close else ": take it out"


def _models() -> list[type[BaseModel]]:
    return [one for one in vars(policy_file).values() if isinstance(one, type) and issubclass(one, BaseModel)]


def _keys() -> list[str]:
    return sorted({name for model in _models() for name in model.model_fields})


def _kinds() -> str:
    return " or ".join(get_args(model.model_fields["kind"].annotation)[0] for model in get_args(AnyRule))
