"""Whether a call makes an object that an app makes once and keeps: a client, a model, a context."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from loopwatch.explain.call_names import meant
from loopwatch.explain.site import lies_installed

KEPT = (
    r"\w*(Client|Session|Engine|Adapter|Context|Pool|Model|Pipeline|Encoder|Encoding|Tokenizer"
    r"|Environment|Producer|Consumer|Channel|Service|Credentials|Manager|Registry|Analyzer|Config"
    r"|Settings|Loader|Store|Transformer|Splitter|Embeddings?|Classifier|Detector|Recognizer"
    r"|Predictor|Validator|Schema|Factory|Driver|Database|Connector|Bot|Agent|OpenAI|Anthropic"
    r"|Llama|LLM|Reader|Translator|Checker|Corrector|Grammar|Lark|Mapper|Blob|Storage|API)"
)  # how the classes of such objects are called
MAKERS = ("__init__", "__new__")
# These are made of the request's own data, whatever they are called.
OF_DATA = ("pydantic.main", "csv", "io", "codecs", "pypdf", "PyPDF2", "openpyxl", "docx", "email")


def made(written: Sequence[str], nearest: str, names: Mapping[str, Any]) -> str | None:
    """Return the class of which a call makes an object that can be kept; None if it does not.

    `written` are the call's names as they stand in the source, `nearest` is the frame that it runs
    through first.
    """
    found = [c for path in written[:1] if (c := class_of(path, names))]
    if nearest.endswith(MAKERS):
        found.append(nearest.rpartition(".")[0])
    for name in found:
        if re.fullmatch(KEPT, name.rpartition(".")[2]) and not name.startswith(OF_DATA):
            return name.rpartition(".")[2]
    return None


def class_of(path: str, names: Mapping[str, Any]) -> str | None:
    """Return the full name of the installed class that a dotted name means, if it does."""
    for thing, rest in meant(path, names):
        kind = type(thing)
        if rest or not issubclass(kind, type):
            continue
        module = type.__getattribute__(thing, "__module__")
        file = getattr(sys.modules.get(module), "__file__", None)
        if isinstance(file, str) and lies_installed(file):
            return f"{module}.{type.__getattribute__(thing, '__qualname__')}"
    return None
