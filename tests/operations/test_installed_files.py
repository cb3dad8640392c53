"""An installation holds what the hub reads beside its code: contracts, letters, pages."""

from __future__ import annotations

import configparser
from pathlib import Path

from click.testing import CliRunner
from setuptools import find_namespace_packages

from smt_ws.cli.main import main

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


def test_the_starter_kit_is_packed_as_it_stands_in_a_checkout():
    config = configparser.ConfigParser(delimiters=("=",))
    config.read(ROOT / "setup.cfg")
    packed = {
        (target, path)
        for target, patterns in config["options.data_files"].items()
        for pattern in patterns.split()
        for path in ROOT.glob(pattern)
    }
    folders = ("docs/guide", "soapui", "certs-sample")
    assert packed == {
        (f"share/smt-ws/{folder}", path) for folder in folders for path in (ROOT / folder).iterdir() if path.is_file()
    }
    told = CliRunner().invoke(main, ["guide", "--files"])
    assert told.output.split() == [str(ROOT / folder) for folder in folders]
