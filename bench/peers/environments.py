"""What each peer runs in: an environment or a folder of jars of its own, at committed versions, made once."""

from __future__ import annotations

import hashlib
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from infra.local import places, processes, tools
from sensorhouse.settings import Settings, inherited_environment

HERE = Path(__file__).parent
CONNECT_POM = HERE / "connect_jars" / "pom.xml"


def python(settings: Settings, name: str) -> Path:
    """The interpreter of the environment that `requirements/<name>.txt` names."""
    requirements = HERE / "requirements" / f"{name}.txt"

    def make(folder: Path) -> None:
        uv = tools.uv()
        _run([uv, "venv", "--quiet", "--relocatable", "--allow-existing", "--python", sys.executable, folder])
        _run([uv, "pip", "install", "--quiet", "--python", folder / "bin" / "python", "--requirements", requirements])

    return _made_once(settings, f"peer-{name}", requirements, make) / "bin" / "python"


def connect_jars(settings: Settings) -> Path | None:
    """The folder of Kafka Connect's jars; None on a machine without Maven."""

    def make(folder: Path) -> None:
        goal = ["dependency:copy-dependencies", f"-DoutputDirectory={folder}"]
        _run(["mvn", "-q", "-B", "-f", CONNECT_POM, *goal])

    return _made_once(settings, "peer-kafka-connect", CONNECT_POM, make) if shutil.which("mvn") else None


def version(name: str) -> str:
    """The pinned version of the package that the environment is named after."""
    lines = (HERE / "requirements" / f"{name}.txt").read_text().splitlines()
    return next(line.partition("==")[2] for line in lines if line.startswith(f"{name}=="))


def jar_version(pom: Path, artifact: str) -> str:
    """The version that a pom names for one of its dependencies."""
    found = re.search(rf"<artifactId>{re.escape(artifact)}</artifactId>\s*<version>(.+?)</version>", pom.read_text())
    assert found, f"{pom} has no {artifact}"
    return found[1]


def _made_once(settings: Settings, name: str, source: Path, make: Callable[[Path], None]) -> Path:
    digest = hashlib.sha256(source.read_bytes()).hexdigest()[:12]
    return places.made_once(places.cache(settings) / f"{name}-{digest}", make)


def _run(command: processes.Command) -> None:
    processes.run(command, environment=inherited_environment(), folder=places.CHECKOUT)
