"""Code with one call, and evidence that stands at it or beside it."""

import dis
from types import CodeType

from loopwatch.core.evidence import Spot


def compiled(source: str, name: str, module: str = "shop.prices") -> CodeType:
    code = compile(source, f"/app/{module.replace('.', '/')}.py", "exec")
    return next(c for c in code.co_consts if isinstance(c, CodeType) and c.co_name == name)


CALLS = compiled("def calls():\n    value = 1\n    work(value)\n    return value", "calls")
OTHER = compiled("def other():\n    work()\n    rest()", "other")


def at_call(code: CodeType, line: int) -> Spot:
    """Return a spot on the call in that line."""
    instruction = next(
        i.offset
        for i in dis.get_instructions(code)
        if i.opname.startswith("CALL") and i.positions is not None and i.positions.lineno == line
    )
    return Spot(code, instruction, line, "shop.prices")


def off_call(code: CodeType, line: int) -> Spot:
    return Spot(code, 0, line, "shop.prices")
