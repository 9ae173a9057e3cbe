"""What is released: one version, the Pythons that are tested, pinned actions, every wheel."""

import importlib.util
import re
import tomllib
from types import ModuleType
from typing import Any

import pytest
import yaml

import loopwatch
from tests.conftest import CHECKOUT

PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
WORKFLOWS = sorted((CHECKOUT / ".github" / "workflows").glob("*.yml"))
PLATFORMS = (
    "manylinux_2_17_x86_64.manylinux2014_x86_64",
    "manylinux_2_17_aarch64.manylinux2014_aarch64",
    "musllinux_1_2_x86_64",
    "musllinux_1_2_aarch64",
    "macosx_10_15_x86_64",
    "macosx_11_0_arm64",
    "win_amd64",
)


def complete() -> ModuleType:
    """Return `.ci/complete.py`, which is in no package."""
    spec = importlib.util.spec_from_file_location("complete", CHECKOUT / ".ci" / "complete.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def workflow(name: str) -> dict[str, Any]:
    text = (CHECKOUT / ".github" / "workflows" / name).read_text()
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def test_the_version_stands_in_one_place() -> None:
    assert PROJECT["project"]["dynamic"] == ["version"]
    assert complete().version() == loopwatch.__version__


def test_classifiers_say_what_is_tested_and_wheels_are_built_for_it() -> None:
    told = PROJECT["project"]["classifiers"]
    versions = [name for row in told if (name := row.rpartition(" :: ")[2]).startswith("3.")]
    assert versions == workflow("ci.yml")["jobs"]["tests"]["strategy"]["matrix"]["python-version"]
    assert complete().pythons() == [f"cp{version.replace('.', '')}" for version in versions]
    assert PROJECT["project"]["requires-python"] == f">={versions[0]}"
    systems = [row for row in told if row.startswith("Operating System")]
    assert systems == ["Operating System :: POSIX :: Linux"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_to_a_commit_and_name_its_release(path: Any) -> None:
    uses = re.findall(r"uses: (.*)", path.read_text())
    assert uses
    for action in uses:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action)


def test_nothing_but_a_tag_publishes_and_only_that_job_may_say_who_we_are() -> None:
    release = workflow("release.yml")
    assert release["permissions"] == {}
    jobs = release["jobs"]
    assert [name for name, job in jobs.items() if "id-token" in job["permissions"]] == ["publish"]
    publish = jobs["publish"]
    assert publish["if"] == "github.event_name == 'push' && github.ref_type == 'tag'"
    assert publish["needs"] == ["complete"]
    assert "secrets." not in str(release)


def names(release: str) -> set[str]:
    wheels = {
        f"loopwatch-{release}-{python}-{python}-{platform}.whl"
        for python in complete().pythons()
        for platform in PLATFORMS
    }
    return {*wheels, f"loopwatch-{release}.tar.gz"}


def test_a_release_is_complete_with_every_wheel() -> None:
    whole = names("1.2.3")
    missing = complete().missing
    assert missing(whole, "1.2.3") == []
    for name in ("loopwatch-1.2.3.tar.gz", f"loopwatch-1.2.3-cp312-cp312-{PLATFORMS[3]}.whl"):
        [lacks] = missing(whole - {name}, "1.2.3")
        assert re.fullmatch(lacks, name)


@pytest.mark.parametrize(
    "stranger",
    ["loopwatch-1.2.4.tar.gz", "loopwatch-1.2.3-cp312-cp312-linux_x86_64.whl", "notes.txt"],
)
def test_what_the_index_would_refuse_is_no_part_of_a_release(stranger: str) -> None:
    with pytest.raises(ValueError, match=re.escape(stranger)):
        complete().missing({*names("1.2.3"), stranger}, "1.2.3")


def test_a_tag_must_be_the_version() -> None:
    with pytest.raises(SystemExit, match=f"must be v{re.escape(loopwatch.__version__)}"):
        complete().main("nowhere", "v0.0.0")


def test_wheels_must_have_the_c_extension() -> None:
    """Elsewhere it may fail to compile: Python code does the same."""
    settings = PROJECT["tool"]["cibuildwheel"]
    assert settings["environment"] == {"REQUIRE_C": "1"}
    assert settings["test-command"].endswith("try_wheel.py --compiled")
    setup = (CHECKOUT / "setup.py").read_text()
    assert 'optional=os.environ.get("REQUIRE_C") != "1"' in setup
    assert '"-DNDEBUG"' in setup
