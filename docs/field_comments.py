"""For the API reference: the comment beside a field of a record is its description."""

import re
from typing import Any

import griffe

COMMENT = re.compile(r"  # (.+)$")


class FieldComments(griffe.Extension):
    def on_attribute_instance(self, *, attr: Any, **_: Any) -> None:
        if attr.docstring is None and attr.lineno and (found := COMMENT.search(attr.source)):
            attr.docstring = griffe.Docstring(found[1], lineno=attr.lineno, parent=attr)
