"""Settings: flags before environment before config file before defaults."""

from __future__ import annotations

from pathlib import Path

import pytest

from facefind.errors import UsageError
from facefind.settings import load_settings


def test_defaults_are_in_the_users_data_folder() -> None:
    settings = load_settings({}, {})
    assert settings.home.name == "facefind"
    assert settings.database_url is None
    assert settings.threads == 0
    assert settings.models_dir == settings.home / "models"


def test_flag_beats_environment_beats_file(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('database_url = "file"\nthreads = 2\n')
    environ = {"FACEFIND_HOME": str(tmp_path), "FACEFIND_DATABASE_URL": "environment"}
    assert load_settings({"database_url": "flag"}, environ).database_url == "flag"
    assert load_settings({}, environ).database_url == "environment"
    assert load_settings({"home": tmp_path}, {}).database_url == "file"
    assert load_settings({}, environ).threads == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [("threads = [", "not valid TOML"), ("colour = 1", "colour"), ("threads = -1", "threads")],
)
def test_config_file_that_cannot_be_understood(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "config.toml").write_text(text)
    with pytest.raises(UsageError, match=message):
        load_settings({"home": tmp_path}, {})


def test_config_file_that_is_not_text(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="not UTF-8"):
        load_settings({"home": tmp_path}, {})


def test_home_of_nobody() -> None:
    with pytest.raises(UsageError, match=r"--home .*nobody"):
        load_settings({"home": "~no-such-user/x"}, {})
    with pytest.raises(UsageError, match=r"FACEFIND_HOME .*nobody"):
        load_settings({}, {"FACEFIND_HOME": "~no-such-user/x"})


@pytest.mark.parametrize("value", ["many", "-3", "1e3", "2.5", "1025"])
@pytest.mark.parametrize("variable", ["FACEFIND_THREADS", "FACEFIND_BATCH"])
def test_a_wrong_variable_is_named_with_its_value_and_what_is_allowed(
    tmp_path: Path, variable: str, value: str
) -> None:
    with pytest.raises(UsageError) as refused:
        load_settings({"home": tmp_path}, {variable: value})
    wanted = "must be a whole number from 0 (automatic) to 1024"
    assert str(refused.value) == f"{variable} {wanted}, not '{value}'."


@pytest.mark.parametrize("value", ["-1", "2.5", "true", "'many'", "99999999999"])
def test_a_wrong_line_of_the_config_file_is_named_with_the_file(tmp_path: Path, value: str) -> None:
    (tmp_path / "config.toml").write_text(f"threads = {value}")
    with pytest.raises(UsageError) as refused:
        load_settings({"home": tmp_path}, {})
    start = f"threads in {tmp_path / 'config.toml'} must be a whole number from 0 (automatic) to"
    assert str(refused.value).startswith(f"{start} 1024, not ")


def test_a_home_that_cannot_be() -> None:
    with pytest.raises(UsageError, match=r"^--home must be a folder, and .* is none: "):
        load_settings({"home": 300 * "h"}, {})


def test_a_home_that_is_a_file(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(UsageError, match=f"^FACEFIND_HOME must be a folder, and {file} is none"):
        load_settings({}, {"FACEFIND_HOME": str(file)})


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda"])
def test_device_comes_from_flag_or_environment(device: str, tmp_path: Path) -> None:
    assert load_settings({"home": tmp_path}, {"FACEFIND_DEVICE": device}).device == device
    assert load_settings({"home": tmp_path, "device": device}, {}).device == device
    assert load_settings({"home": tmp_path}, {}).device == "auto"


def test_another_device_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^FACEFIND_DEVICE must be one of auto, cpu, cuda, not"):
        load_settings({"home": tmp_path}, {"FACEFIND_DEVICE": "gpu"})
