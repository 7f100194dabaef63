"""The compose files: what runs, what it is bound to, and that all it names is there."""

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

Service = Mapping[str, Any]
FILES = ["docker-compose.yml", "docker-compose.prod.yml"]


def parsed(root: Path, name: str) -> dict[str, Any]:
    loaded = yaml.safe_load((root / name).read_text(encoding="utf-8"))
    assert isinstance(loaded, dict)
    return loaded


@pytest.fixture(params=FILES)
def compose(request: pytest.FixtureRequest, root: Path) -> dict[str, Any]:
    """Each of the two files."""
    return parsed(root, request.param)


def test_the_services(root: Path) -> None:
    assert set(parsed(root, FILES[0])["services"]) == {
        "database",
        "rusy",
        "collector",
        "prometheus",
        "grafana",
    }


def test_production_lays_over_what_is_there(root: Path) -> None:
    base, laid = (parsed(root, name)["services"] for name in FILES)
    assert set(laid) == set(base)
    for name, service in laid.items():
        assert service["restart"] == "unless-stopped", name
        assert service["deploy"]["resources"]["limits"].keys() >= {"cpus", "memory"}, name


def test_images_are_pinned(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        if "image" in service:
            _, _, tag = service["image"].rpartition(":")
            assert re.match(r"v?\d+\.\d+\.\d+", tag), service["image"]


def test_nothing_is_privileged(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert not service.keys() & {"privileged", "cap_add", "devices", "pid"}, name
        assert service.get("network_mode") in (None, "service:rusy"), name
        assert not any("docker.sock" in volume for volume in service.get("volumes", []))


def test_ports_are_bound_to_this_machine_alone(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        for port in service.get("ports", []):
            assert re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port), port


def test_every_file_that_is_mounted_or_built_from_exists(
    compose: dict[str, Any], root: Path
) -> None:
    named = set(compose.get("volumes") or {})
    for service in compose["services"].values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("."):
                assert (root / source).exists(), volume
                assert volume.endswith(":ro"), volume
            else:
                assert source in named, volume
        if build := service.get("build"):
            assert (root / build["context"] / build["dockerfile"]).is_file()


def test_passwords_are_asked_for_and_never_written(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        for name, value in (service.get("environment") or {}).items():
            if re.search("PASSWORD|SECRET|URL", name):
                assert re.search(r"\$\{\w+:\?", value), name


def test_the_key_of_production_is_in_a_file_git_ignores(root: Path) -> None:
    service = parsed(root, FILES[1])["services"]["rusy"]
    files = [entry["path"] for entry in service["env_file"]]
    done = subprocess.run(["git", "check-ignore", *files], cwd=root, capture_output=True)
    assert done.returncode == 0
    assert "environment" not in service  # it would win over the file


@pytest.mark.needs("compose")
@pytest.mark.parametrize("files", [FILES[:1], FILES])
def test_compose_itself_accepts_the_files(root: Path, tmp_path: Path, files: list[str]) -> None:
    # Only production names deploy/rusy.env, which a clone does not have.
    for name in FILES:
        text = (root / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(text.replace("required: true", "required: false"))
    chosen = [part for name in files for part in ("-f", name)]
    done = subprocess.run(
        ["docker", "compose", *chosen, "config", "--quiet"],
        cwd=tmp_path,
        env={**os.environ, "POSTGRES_PASSWORD": "x", "GRAFANA_PASSWORD": "x"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
