"""A hook of MkDocs: documents that lie outside docs/ are pages of the site as well.

Links in Markdown name files of the checkout, so that they work wherever the checkout is shown. Here
they become links between pages; a link to a file that is no page becomes its text.
"""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

CHECKOUT = Path(__file__).resolve().parent.parent
RUNBOOKS = "loopwatch/tools/grafana/runbooks"
OUTSIDE = {  # file of the checkout -> page of the site
    "ARCHITECTURE.md": "architecture.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "deploy/README.md": "deploy.md",
    "examples/README.md": "lessons.md",
    "examples/demo/README.md": "demo.md",
    **{
        f"{RUNBOOKS}/{path.name}": f"runbooks/{path.name}"
        for path in sorted((CHECKOUT / RUNBOOKS).glob("*.md"))
    },
}
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^()\s#]+)(#[^()\s]*)?\)")


def on_files(files: Any, config: Any) -> Any:
    for source, page in OUTSIDE.items():
        files.append(File.generated(config, page, abs_src_path=str(CHECKOUT / source)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    folder = Path(page.file.abs_src_path).parent
    start = posixpath.dirname(page.file.src_uri) or "."

    def link(match: re.Match[str]) -> str:
        image, text, target, anchor = match[1], match[2], match[3], match[4] or ""
        if "://" in target or target.startswith("mailto:"):
            return match[0]
        path = (folder / target).resolve().relative_to(CHECKOUT).as_posix()
        inside = OUTSIDE.get(path) or (path[5:] if path.startswith("docs/") else None)
        if inside is None:
            return text
        return f"{image}[{text}]({posixpath.relpath(inside, start)}{anchor})"

    parts = re.split(r"(^ *```.*?^ *```$)", markdown, flags=re.DOTALL | re.MULTILINE)
    return "".join(part if i % 2 else LINK.sub(link, part) for i, part in enumerate(parts))
