"""A folder is written again as long as nobody else's work would be lost."""

import errno
import os
from pathlib import Path

import pytest

from loopwatch.tools.cli.command_error import CommandError
from loopwatch.tools.cli.folder import SUMS, write

TEXTS = {"a/one.json": "1\n", "two.yml": "zwei: ü\n"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "made" / "of-it"


def texts(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for path in folder.rglob("*")
        if path.is_file() and path.name != SUMS
    }


def complaint(folder: Path, wanted: dict[str, str] = TEXTS, force: bool = False) -> str:
    with pytest.raises(CommandError) as raised:
        write(folder, wanted, force)
    return str(raised.value)


def test_a_new_folder_is_made(folder: Path) -> None:
    write(folder, TEXTS, force=False)
    assert texts(folder) == TEXTS


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    write(tmp_path, TEXTS, force=False)
    assert texts(tmp_path) == TEXTS


def test_what_was_written_and_left_alone_is_written_anew(folder: Path) -> None:
    write(folder, TEXTS, force=False)
    write(folder, TEXTS | {"two.yml": "2", "three.md": "3"}, force=False)
    assert texts(folder) == TEXTS | {"two.yml": "2", "three.md": "3"}


def test_files_of_others_beside_ours_stay(folder: Path) -> None:
    write(folder, TEXTS, force=False)
    (folder / "mine.json").write_text("mine")
    write(folder, TEXTS, force=False)
    assert texts(folder) == TEXTS | {"mine.json": "mine"}


def test_a_changed_file_stops_all_unless_forced(folder: Path) -> None:
    write(folder, TEXTS, force=False)
    (folder / "two.yml").write_text("mine")
    newer = {"a/one.json": "newer", "two.yml": "newer"}
    said = complaint(folder, newer)
    assert "two.yml changed" in said
    assert "--force" in said
    assert texts(folder) == {"a/one.json": "1\n", "two.yml": "mine"}
    write(folder, newer, force=True)
    assert texts(folder) == newer
    write(folder, TEXTS, force=False)


def test_a_removed_file_comes_back(folder: Path) -> None:
    write(folder, TEXTS, force=False)
    (folder / "two.yml").unlink()
    write(folder, TEXTS, force=False)
    assert texts(folder) == TEXTS


def test_a_file_of_others_in_the_place_of_a_new_one_is_not_overwritten(folder: Path) -> None:
    write(folder, TEXTS, force=False)
    (folder / "three.md").write_text("mine")
    assert "three.md changed" in complaint(folder, TEXTS | {"three.md": "3"})


def test_work_broken_off_halfway_can_be_taken_up(folder: Path) -> None:
    write(folder, TEXTS, force=False)
    (folder / "two.yml").write_text("newer")  # written, but its sum not yet
    write(folder, TEXTS | {"two.yml": "newer"}, force=False)


@pytest.mark.parametrize("sums", ["", "[]", "{", '{"two.yml": 1}'])
def test_sums_that_are_spoilt_protect_everything(folder: Path, sums: str) -> None:
    write(folder, TEXTS, force=False)
    (folder / SUMS).write_text(sums)
    write(folder, TEXTS, force=False)
    (folder / SUMS).write_text(sums)
    assert "two.yml changed" in complaint(folder, TEXTS | {"two.yml": "2"})


def test_a_folder_of_others_is_left_alone_unless_forced(tmp_path: Path) -> None:
    for name in "abcde":
        (tmp_path / name).write_text("mine")
    said = complaint(tmp_path)
    assert "a, b, c and 2 more" in said
    assert "--force" in said
    assert set(texts(tmp_path)) == set("abcde")
    (tmp_path / "a").unlink()  # where a folder of ours goes
    write(tmp_path, TEXTS, force=True)
    assert texts(tmp_path) == TEXTS | dict.fromkeys("bcde", "mine")


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    there = tmp_path / "file"
    there.write_text("mine")
    assert f"got {there} (Not a directory: " in complaint(there)
    assert f"got {there / 'in'} (Not a directory: " in complaint(there / "in")
    assert f"DIR must be a folder that can be written, got {there}" in complaint(there, force=True)
    assert there.read_text() == "mine"


def test_a_folder_in_the_place_of_a_file_is_told(folder: Path) -> None:
    (folder / "two.yml").mkdir(parents=True)
    assert "Is a directory" in complaint(folder, force=True)
    assert list(folder.rglob("*.new")) == []


def test_a_full_disk_leaves_what_was_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(new: Path, path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    write(folder, TEXTS, force=False)
    monkeypatch.setattr(os, "replace", full)
    assert "No space left on device" in complaint(folder, TEXTS | {"two.yml": "2"})
    assert texts(folder) == TEXTS


def test_others_may_read_what_is_written(folder: Path) -> None:
    """Grafana and Prometheus run as users of their own."""
    before = os.umask(0o022)
    try:
        write(folder, TEXTS, force=False)
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in folder.rglob("*.*")} == {0o644}


def test_a_planted_link_is_not_written_through(tmp_path: Path) -> None:
    folder, precious = tmp_path / "made", tmp_path / "precious"
    precious.write_text("mine")
    folder.mkdir()
    for name in (".two.yml.new", "two.yml"):
        (folder / name).symlink_to(precious)
    write(folder, TEXTS, force=True)
    assert precious.read_text() == "mine"
    assert (folder / "two.yml").read_text(encoding="utf-8") == TEXTS["two.yml"]


def test_a_link_in_the_place_of_a_folder_within_is_refused(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "made", tmp_path / "elsewhere"
    elsewhere.mkdir()
    folder.mkdir()
    (folder / "a").symlink_to(elsewhere)
    assert "no links within" in complaint(folder, force=True)
    assert [*elsewhere.iterdir()] == []
