"""Records from JSON and TOML, checked field by field: pydantic, imported only here."""

from __future__ import annotations

from typing import Any, TypeVar

from loopwatch.core.extras import MissingExtraError
from loopwatch.tools.diagnose.diagnosis_error import DiagnosisError

try:
    from pydantic import TypeAdapter, ValidationError
except ImportError as error:
    raise MissingExtraError(error, "diagnose") from error

T = TypeVar("T")

_adapters: dict[Any, TypeAdapter[Any]] = {}


def read(kind: type[T], data: Any, what: str) -> T:
    """Return plain data as a record.

    Raises:
        DiagnosisError: the data has another format; the message begins with `what`.
    """
    adapter = _adapters.setdefault(kind, TypeAdapter(kind))
    try:
        found: T = adapter.validate_python(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(map(str, first["loc"])) or "it"
        raise DiagnosisError(f"{what}: {place}: {first['msg']}") from error
    return found
