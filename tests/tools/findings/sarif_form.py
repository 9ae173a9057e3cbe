"""What SARIF 2.1.0 demands of the parts of a file that loopwatch writes (OASIS, sections 3.13 on).

Every object may have only properties that the standard names, and must have those it demands.
"""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

LEVELS = {"none", "note", "warning", "error"}
KINDS = {"notApplicable", "pass", "fail", "review", "open", "informational"}
STATES = {"new", "unchanged", "updated", "absent"}
FORMS: dict[str, tuple[str, str]] = {  # object -> properties it must have, and may have
    "log": ("version runs", "$schema"),
    "run": ("tool", "columnKind originalUriBaseIds results"),
    "tool": ("driver", ""),
    "driver": ("name", "semanticVersion version rules"),
    "rule": ("id", "name shortDescription fullDescription help defaultConfiguration"),
    "result": (
        "message",
        "ruleId ruleIndex level kind partialFingerprints occurrenceCount baselineState properties "
        "locations stacks suppressions",
    ),
    "message": ("text", ""),
    "location": ("", "physicalLocation logicalLocations"),
    "physicalLocation": ("artifactLocation", "region"),
    "artifactLocation": ("uri", "uriBaseId"),
    "region": ("startLine", "snippet"),
    "logicalLocation": ("", "fullyQualifiedName kind"),
    "stack": ("frames", "message"),
    "frame": ("", "location"),
    "suppression": ("kind", "justification"),
}


def faults(document: Any) -> list[str]:
    """Return a sentence for each way in which a document is not as SARIF demands."""
    return [*of_log(document)]


def form(kind: str, value: Any) -> Iterator[str]:
    must, may = (set(names.split()) for names in FORMS[kind])
    if missing := must - value.keys():
        yield f"{kind} lacks {missing}"
    if other := value.keys() - must - may:
        yield f"{kind} must not have {other}"
    for key, inner in value.items():
        if inner is None or inner == "":
            yield f"{kind}.{key} is empty"


def of_log(log: Any) -> Iterator[str]:
    yield from form("log", log)
    if log.get("version") != "2.1.0":
        yield "version must be 2.1.0"
    for run in log.get("runs", ()):
        yield from of_run(run)


def of_run(run: Any) -> Iterator[str]:
    yield from form("run", run)
    driver = run["tool"]["driver"]
    yield from form("driver", driver)
    rules = driver.get("rules", [])
    for rule in rules:
        yield from form("rule", rule)
        yield from form("message", rule["shortDescription"])
    if len({rule["id"] for rule in rules}) != len(rules):
        yield "ids of rules must differ"
    for base in run.get("originalUriBaseIds", {}).values():
        if not re.fullmatch(r"file:///.*/", base["uri"]):
            yield "a base must be absolute and end with /"
    for result in run.get("results", ()):
        yield from of_result(result, [rule["id"] for rule in rules], run)


def of_result(result: Any, rules: list[str], run: Any) -> Iterator[str]:
    yield from form("result", result)
    yield from form("message", result["message"])
    if result["level"] not in LEVELS or result["kind"] not in KINDS:
        yield "level or kind is none"
    if result["baselineState"] not in STATES or result["occurrenceCount"] < 1:
        yield "baselineState or occurrenceCount cannot be"
    if "ruleIndex" in result and rules[result["ruleIndex"]] != result["ruleId"]:
        yield "ruleIndex must be that of ruleId"
    for suppression in result.get("suppressions", ()):
        yield from form("suppression", suppression)
    for location in result.get("locations", ()):
        yield from of_location(location, run)
    for stack in result.get("stacks", ()):
        yield from form("stack", stack)
        for frame in stack["frames"]:
            yield from form("frame", frame)
            yield from of_location(frame["location"], run)


def of_location(location: Any, run: Any) -> Iterator[str]:
    yield from form("location", location)
    for logical in location.get("logicalLocations", ()):
        yield from form("logicalLocation", logical)
    physical = location["physicalLocation"]
    yield from form("physicalLocation", physical)
    artifact = physical["artifactLocation"]
    yield from form("artifactLocation", artifact)
    if not re.fullmatch(r"[A-Za-z0-9\-._~:/?#@!$&'()*+,;=%]*", artifact["uri"]):
        yield "uri must be one"
    if bool(urlsplit(artifact["uri"]).scheme) == ("uriBaseId" in artifact):
        yield "uri must be absolute, or relative to a base"
    if artifact.get("uriBaseId", "SRCROOT") not in run["originalUriBaseIds"]:
        yield "uriBaseId must be known"
    if "region" in physical:
        yield from form("region", physical["region"])
        if physical["region"]["startLine"] < 1:
            yield "startLine must be 1 or more"
