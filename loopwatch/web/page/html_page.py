"""The assembled HTML document, and the policy that limits it to what it needs."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from importlib.resources import files

from loopwatch.core.causes import labels
from loopwatch.web.answering import Body

STYLES = ("page.css", "tables.css", "charts.css", "media.css", "estimates.css")
SCRIPTS = (
    *("text.js", "nodes.js", "stalls.js", "culprits.js", "history.js", "loops.js"),
    *("waits.js", "routes.js", "places.js", "looptime.js", "inflight.js"),
    *("flame_sources.js", "flame.js", "page.js"),  # the last one begins
)


def part(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")


def assembled() -> str:
    """Return the whole document, with the parts of its style and script in order."""
    style = "".join(map(part, STYLES))
    script = "".join(('"use strict";\n', *map(part, SCRIPTS)))
    script = script.replace("const CAUSES = {};", f"const CAUSES = {json.dumps(labels())};")
    html = part("index.html").replace("<style></style>", f"<style>\n{style}</style>")
    return html.replace("<script></script>", f"<script>\n{script}</script>")


def source_hash(tag: str) -> str:
    """Return the policy's hash of the document's one inline `tag`."""
    inline = re.search(rf"<{tag}>(.*?)</{tag}>", HTML, re.DOTALL)
    digest = hashlib.sha256(inline[1].encode() if inline else b"").digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


HTML = assembled()

DOCUMENT = Body(HTML.encode(), "text/html; charset=utf-8")

POLICY = "; ".join(
    (
        "default-src 'none'",
        f"script-src {source_hash('script')}",
        f"style-src {source_hash('style')}",
        "img-src data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
