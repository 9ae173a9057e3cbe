"""Class attributes that we replace, and put back."""

from __future__ import annotations

from typing import Any


def restore(owner: Any, name: str, ours: Any, before: Any) -> None:
    """Restore an attribute of a class, unless other code has replaced ours since. `before` is what
    stood there; None: nothing, the name was inherited."""
    if vars(owner).get(name) is not ours:
        return
    if before is None:
        delattr(owner, name)
    else:
        setattr(owner, name, before)
