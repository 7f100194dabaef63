"""The Dockerfile, the systemd unit, Prometheus and Grafana agree with the program."""

import configparser
import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

from rusy_tui.domain.settings import MonitoringSettings


def test_the_image_copies_what_exists_and_runs_as_nobody_special(root: Path) -> None:
    text = (root / "deploy" / "Dockerfile").read_text().replace("\\\n", " ")
    steps = [line.split(maxsplit=1) for line in text.splitlines() if line[:1].isupper()]
    for step, rest in steps:
        if step == "COPY" and not rest.startswith("--from"):
            for source in shlex.split(rest)[:-1]:
                assert (root / source).exists() or source == "README.md", source
    names = [step for step, _ in steps]
    last = dict(steps[len(names) - 1 - names[::-1].index("FROM") :])
    assert last["USER"] == "rusy"
    assert '"rusy", "status"' in last["HEALTHCHECK"]
    assert json.loads(last["ENTRYPOINT"]) == ["rusy"]
    assert json.loads(last["CMD"])[0] == "headless"
    for step, rest in steps:
        if step == "FROM":
            assert re.match(r"python:3\.11-slim-\w+", rest)


def test_the_image_leaves_out_everything_it_does_not_copy(root: Path) -> None:
    kept = (root / "deploy" / "Dockerfile.dockerignore").read_text().splitlines()
    assert kept[0] == "*"
    text = (root / "deploy" / "Dockerfile").read_text()
    for line in kept:
        if line.startswith("!"):
            assert line[1:] in text


UNITS = {"rusy.service": "headless", "rusy-collect.service": "collect"}


@pytest.mark.parametrize(("name", "command"), UNITS.items())
def test_the_units_start_what_the_command_line_offers(
    root: Path, name: str, command: str
) -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # keys keep their case
    unit.read(root / "deploy" / name)
    service = unit["Service"]
    assert shlex.split(service["ExecStart"])[1:3] == [command, "--config"]
    assert shlex.split(service["ExecStartPre"])[1:3] == ["check", "--offline"]
    assert service["User"] == "rusy"
    assert service["RestartPreventExitStatus"] == "2"
    assert service.get("RuntimeDirectoryMode") == ("0700" if command == "headless" else None)
    assert service["NoNewPrivileges"] == "yes"


@pytest.mark.needs("systemd")
@pytest.mark.verify
@pytest.mark.parametrize("name", UNITS)
def test_systemd_accepts_the_units(root: Path, name: str) -> None:
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", root / "deploy" / name],
        capture_output=True,
        text=True,
    )
    said = [line for line in done.stderr.splitlines() if "is not executable" not in line]
    assert not [line for line in said if f"{name}:" in line], done.stderr


def test_prometheus_asks_where_metrics_are_served(root: Path) -> None:
    scrapes = yaml.safe_load((root / "deploy" / "prometheus.yml").read_text())
    targets = {job["job_name"]: job["static_configs"] for job in scrapes["scrape_configs"]}
    defaults = MonitoringSettings()
    address = f"{defaults.metrics_address}:{defaults.metrics_port}"
    assert targets["rusy"] == [{"targets": [address]}]


def test_grafana_finds_its_source_and_its_dashboards(root: Path) -> None:
    folder = root / "deploy" / "grafana"
    provided = folder / "provisioning"
    source = yaml.safe_load((provided / "datasources" / "prometheus.yml").read_text())
    uids = {entry["uid"] for entry in source["datasources"]}
    place = yaml.safe_load((provided / "dashboards" / "rusy.yml").read_text())
    assert place["providers"][0]["options"]["path"] == "/var/lib/grafana/dashboards"
    for path in (folder / "dashboards").glob("*.json"):
        board = json.loads(path.read_text())
        assert board["uid"]
        ids = [panel["id"] for panel in board["panels"]]
        assert len(set(ids)) == len(ids) > 0
        for panel in board["panels"]:
            assert panel["datasource"]["uid"] in uids
            assert all(target["expr"] for target in panel["targets"])


def test_every_variable_of_the_example_is_one_that_is_read(root: Path) -> None:
    from rusy_tui.config import secrets
    from rusy_tui.config.environment import variable_name
    from rusy_tui.config.shape import Shape

    read = {variable_name(path) for path in Shape().scalar_paths()}
    read |= {secrets.KEY, secrets.SECRET, secrets.PRIVATE_KEY, secrets.PASSWORD}
    read |= {"RUSY_RECORDINGS"}
    compose = (root / "docker-compose.yml").read_text()
    for name in re.findall(
        r"^#? ?([A-Z_]+)=", (root / ".env.example").read_text(), re.MULTILINE
    ):
        assert name in read or f"${{{name}:?" in compose, name
