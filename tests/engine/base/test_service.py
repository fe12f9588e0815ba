"""The unit that resumes lost jobs at login, judged by systemd itself where it is there."""

import os
import shlex
import shutil
import subprocess

import pytest

from engine.base import service
from engine.base.errors import TunesmithError


@pytest.fixture(autouse=True)
def config(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    return tmp_path / "config"


def test_it_is_installed_enabled_and_removed_again(tmp_path, config):
    workspace = tmp_path / "work"
    assert not service.installed(workspace)
    path = service.install(workspace)
    assert path.parent == config / "systemd" / "user"
    assert (path.parent / "default.target.wants" / path.name).resolve() == path
    service.install(workspace)
    assert service.installed(workspace)
    assert service.unit_file(tmp_path / "other") != path
    assert service.remove(workspace)
    assert not service.installed(workspace)
    assert not service.remove(workspace)
    assert [entry for entry in config.rglob("*") if not entry.is_dir()] == []


@pytest.mark.parametrize("name", ["work", 'with space, 100 % "odd" $HOME \\ back'])
def test_systemd_takes_the_unit(tmp_path, name):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze on this box: the unit cannot be verified")
    path = service.install(tmp_path / name)
    done = subprocess.run(
        ["systemd-analyze", "--user", "verify", path],
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_jobs_it_starts_outlive_it_and_see_the_same_devices(tmp_path):
    text = service.unit(tmp_path)
    assert "KillMode=process" in text
    assert 'Environment="CUDA_VISIBLE_DEVICES=1"' in text


def test_the_line_of_crontab_is_the_same_command(tmp_path):
    line = service.crontab(tmp_path / "100 %")
    assert line.startswith("@reboot env ")
    words = shlex.split(line.replace(r"\%", "%"))
    assert words[-4:] == ["--workspace", str(tmp_path / "100 %"), "resume", "--lost"]


def test_a_folder_that_no_unit_can_name_is_refused(tmp_path):
    with pytest.raises(TunesmithError, match="line break"):
        service.install(tmp_path / "a\nb")
