"""An installation holds what the hub reads beside its code: contracts, letters, pages."""

from __future__ import annotations

import configparser
from pathlib import Path

from setuptools import find_namespace_packages

ROOT = Path(__file__).resolve().parents[2]


def test_every_file_that_is_no_python_is_packed():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    include = [line for line in config["options.packages.find"]["include"].split("\n") if line and line[0] != "#"]
    packages = find_namespace_packages(str(ROOT), include=include)
    assert {"smt_ws", "wsdl", "xsd", "smt_ws.notices.report_ready"} <= set(packages)
    packed = {
        path
        for package, patterns in config["options.package_data"].items()
        for pattern in patterns.split()
        for path in (ROOT / package).glob(pattern)
    }
    read = {
        path
        for package in ("smt_ws", "adapters", "greenbutton", "jobs", "wsdl", "xsd")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.suffix not in {".py", ".pyc", ".md"}
    }
    assert read - packed == set()
    assert len([path for path in packed if path.suffix in {".wsdl", ".xsd"}]) > 20
