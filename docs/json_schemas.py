"""Writes the JSON Schemas of what the commands write, from the records themselves:

    python -m docs.json_schemas

A field's description is the comment beside it. Fields with a default are not required: an earlier
version may have written a file without them.
"""

import dataclasses
import inspect
import json
import re
import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from loopwatch.tools.diagnose import report_records
from loopwatch.tools.testing import findings_json

PACKAGE = Path(__file__).resolve().parent.parent / "loopwatch"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}
COMMENT = re.compile(r"^    (\w+): .*  # (.+)$", re.MULTILINE)
SCHEMAS = {
    PACKAGE / "tools" / "diagnose" / "report.schema.json": (report_records.Report, "diagnose"),
    PACKAGE / "tools" / "testing" / "findings.schema.json": (findings_json.TestRun, "pytest"),
}


def schema(record: Any, name: str, number: int = 1) -> dict[str, Any]:
    """Return the schema of a record, with those of all records within it."""
    found: dict[str, Any] = {}
    described(record, found)
    own = found.pop(record.__name__)
    own["properties"]["schema"] = {"const": number}
    head = {"$schema": DIALECT, "$id": f"urn:loopwatch:{name}:{number}", "title": record.__name__}
    return {**head, **own, "$defs": dict(sorted(found.items()))}


def described(record: Any, found: dict[str, Any]) -> None:
    """Add a record's schema to those found, and those of the records within it."""
    if record.__name__ in found:
        return
    own: dict[str, Any] = {"type": "object", "description": said(record)}
    found[record.__name__] = own
    types_of, told = typing.get_type_hints(record), comments(record)
    own["properties"] = {
        field.name: {**of_type(types_of[field.name], found), **told.get(field.name, {})}
        for field in fields(record)
    }
    own["required"] = [field.name for field in fields(record) if is_required(field)]


def comments(record: Any) -> dict[str, dict[str, str]]:
    """Return the comments beside the fields of a record and of those that it extends."""
    found = {}
    for kind in reversed(record.__mro__[:-1]):
        for name, told in COMMENT.findall(inspect.getsource(kind)):
            found[name] = {"description": told}
    return found


def said(record: Any) -> str:
    return " ".join((record.__doc__ or "").split())


def fields(record: Any) -> Iterator["dataclasses.Field[Any]"]:
    yield from (f for f in dataclasses.fields(record) if not f.metadata.get("bulky"))


def is_required(field: "dataclasses.Field[Any]") -> bool:
    missing = dataclasses.MISSING
    return field.default is missing and field.default_factory is missing


def of_type(kind: Any, found: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a field's type."""
    origin, inner = get_origin(kind), get_args(kind)
    if kind in PLAIN:
        return {"type": PLAIN[kind]}
    if dataclasses.is_dataclass(kind):
        described(kind, found)
        return {"$ref": f"#/$defs/{kind.__name__}"}  # type: ignore[union-attr]
    if origin is Literal:
        return {"enum": [*inner]}
    if origin in (Union, types.UnionType):
        return {"anyOf": [of_type(one, found) for one in inner]}
    if origin is tuple and inner[1:] == (...,):
        return {"type": "array", "items": of_type(inner[0], found)}
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": of_type(inner[1], found)}
    if isinstance(kind, type) and issubclass(kind, tuple):  # a NamedTuple
        return {"type": "array"}
    raise TypeError(f"no JSON is known for {kind}")


def text(record: Any, name: str) -> str:
    return json.dumps(schema(record, name), indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    for path, (record, name) in SCHEMAS.items():
        path.write_text(text(record, name), encoding="utf-8")


if __name__ == "__main__":
    main()
