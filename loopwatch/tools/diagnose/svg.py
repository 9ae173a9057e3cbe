"""Makes a plot's SVG fit for inlining: attributes for styles, named colours, only used ids."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

NAMES = (  # the page's CSS variables that a plot may use
    *("ink", "soft", "line", "faint", "card"),
    *("held", "calm", "queued", "running", "waiting"),
)
COLORS = {name: f"#0000{number:02x}" for number, name in enumerate(NAMES, 1)}
VARIABLES = {stand_in: f"var(--{name})" for name, stand_in in COLORS.items()}
LEFT_OUT = {"metadata", "style"}
FONT = re.compile(r"(?P<size>[\d.]+)px ")
FRACTION = re.compile(r"-?\d+\.\d+")
UPRIGHT = "rotate(-0 "  # has no effect
REFERENCE = re.compile(r"#([\w.-]+)")


def color(name: str) -> str:
    """Return the colour that stands for a CSS variable while a plot is drawn."""
    return COLORS[name]


def inline(text: str, label: str, kind: str, titles: Mapping[str, str]) -> str:
    """Return an SVG document as an element of an HTML page.

    Args:
        label: what it shows, for screen readers.
        kind: its CSS classes.
        titles: tooltips of the parts, by id.
    """
    root = ElementTree.fromstring(text)
    found = {"class": kind, "viewBox": root.attrib["viewBox"], "role": "img", "aria-label": label}
    wanted = {*references(root), *titles}
    clean(root, wanted)
    root.attrib = found
    for node in [*root.iter()]:
        if node.get("id") in titles:
            title = Element("title")
            title.text = titles[node.attrib.pop("id")]
            node.insert(0, title)
    return ElementTree.tostring(root, "unicode")


def references(root: Element) -> Iterator[str]:
    for node in root.iter():
        for key, value in node.attrib.items():
            if key.endswith("href") or "url(" in value:
                yield from REFERENCE.findall(value)


def clean(node: Element, wanted: set[str]) -> None:
    node.tag = node.tag.rpartition("}")[2]
    node.text = node.text if node.tag == "text" else None
    node.tail = None
    node.attrib = dict(attributes(node, wanted))
    for child in [*node]:
        clean(child, wanted)
        if child.tag in LEFT_OUT or (child.tag in ("g", "defs") and not len(child)):
            node.remove(child)


def attributes(node: Element, wanted: set[str]) -> Iterator[tuple[str, str]]:
    for key, value in node.attrib.items():
        name = key.rpartition("}")[2]
        if name == "style":
            yield from styles(value)
        elif name in ("id", "href"):
            if name == "href" or value in wanted:
                yield name, value
        elif not value.startswith(UPRIGHT):
            yield name, rounded(value)


def styles(text: str) -> Iterator[tuple[str, str]]:
    """Return the declarations of a style attribute: the page's policy forbids such attributes."""
    for declaration in text.split(";"):
        name, _, value = declaration.strip().partition(": ")
        if name == "font" and (found := FONT.search(value)):
            yield "font-size", found["size"]
        elif name and not name.startswith("font-f") and name != "font":
            yield name, VARIABLES.get(value, value)


def rounded(value: str) -> str:
    return FRACTION.sub(lambda found: f"{float(found[0]):.1f}".removesuffix(".0"), value)
