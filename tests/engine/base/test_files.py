import errno

import pytest

from engine.base.errors import TunesmithError
from engine.base.files import atomic, sha256, size, write_text


def test_a_failure_leaves_the_old_file_and_no_litter(tmp_path):
    target = tmp_path / "a.txt"
    write_text(target, "old")
    with pytest.raises(RuntimeError), atomic(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_is_replaced_whole(tmp_path):
    target = tmp_path / "folder"
    for word in ("old", "new"):
        with atomic(target) as temporary:
            temporary.mkdir()
            (temporary / word).write_text(word)
    assert [file.name for file in target.iterdir()] == ["new"]
    assert list(tmp_path.iterdir()) == [target]


def test_a_full_disk_is_one_sentence_with_the_way_out(tmp_path):
    with pytest.raises(TunesmithError, match="disk is full"), atomic(tmp_path / "a"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_a_folders_hash_sees_names_and_contents(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    for folder, name in ((one, "x"), (two, "y")):
        folder.mkdir()
        (folder / name).write_text("same")
    assert sha256(one) != sha256(two)
    assert size(one) == 4
