"""Programs that are not ours: found, or skipped with what to install, or failed where the run demands them."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

JARS = ("wss4j", "xmlsec", "commons-logging", "slf4j-api", "slf4j-nop")
PACKAGES = ("soap@1.13.0", "xml-crypto@6.3.2")
HERE = Path(__file__).parent


def missing(what, *, demanded=True):
    """Skip the test, or fail it where the run demands such programs; a large one (a browser) is not *demanded*."""
    if demanded and os.environ.get("SMT_WS_REQUIRE_INTEROP") == "1":
        pytest.fail(f"interop is required here, but {what}")
    pytest.skip(what)


def java_peer(folder):
    """Compile Wss4jPeer into ``folder``; return a function that runs it."""
    if not (shutil.which("java") and shutil.which("javac")):
        missing("java is not here: install openjdk-17-jdk-headless from Debian")
    jars = [Path("/usr/share/java") / f"{name}.jar" for name in JARS]
    if not all(jar.exists() for jar in jars):
        missing("WSS4J is not here: install libwss4j-java from Debian")
    path = ":".join(map(str, [*jars, folder]))
    subprocess.run(
        ["javac", "-nowarn", "-cp", path, "-d", str(folder), str(HERE / "java" / "Wss4jPeer.java")],
        check=True,
        timeout=180,
        capture_output=True,
    )

    def run(*arguments):
        return subprocess.run(
            ["java", "-XX:TieredStopAtLevel=1", "-cp", path, "Wss4jPeer", *map(str, arguments)],
            timeout=180,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def node_client(folder):
    """Install npm soap and xml-crypto into ``folder``, which is thrown away; return a function that runs our script.

    SMT_WS_NODE_PATH may name a node_modules folder where they are already.
    """
    if not (shutil.which("node") and shutil.which("npm")):
        missing("node is not here: install nodejs 20 and npm from Debian or NodeSource")
    modules = os.environ.get("SMT_WS_NODE_PATH")
    if not modules:
        modules = str(folder / "node_modules")
        command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", *PACKAGES]
        (folder / "package.json").write_text('{"private": true}')
        installed = subprocess.run(command, cwd=folder, timeout=180, capture_output=True, text=True, check=False)
        if installed.returncode:
            missing(f"npm could not install {' and '.join(PACKAGES)} from its registry: {installed.stderr[-200:]}")

    def run(*arguments):
        return subprocess.run(
            ["node", str(HERE / "node" / "wss_client.cjs"), *map(str, arguments)],
            env=os.environ | {"NODE_PATH": modules},
            timeout=180,
            capture_output=True,
            text=True,
            check=False,
        )

    return run
