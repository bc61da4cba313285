"""How much disk an installation takes: the base, which predicts and serves, and `[all]`, which also trains.

Measured: a wheel is built from a copy of the sources, then installed by pip into a fresh virtual environment, once plain
and once with `[all]`, at the versions of `requirements.lock`; counted is all that lies in the environment afterwards and
did not before (pip itself is not counted). Bytecode, which pip compiles, is told apart. Takes minutes; the network is
used as pip is configured. Run from anywhere:

    python benchmarks/install_size.py [--json] [--output FILE]
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
EXTRAS = ("", "[all]")
LARGEST = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--output", type=Path, metavar="FILE", help="also write the JSON there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wheel = build_wheel(folder)
        constraints = folder / "constraints.txt"
        constraints.write_text(strip_hashes((ROOT / "requirements.lock").read_text(encoding="utf-8")), encoding="utf-8")
        report = {f"tabtrail{extra}": install(folder, wheel, extra, constraints) for extra in EXTRAS}
    text = json.dumps(report, indent=2)
    if options.output:
        options.output.write_text(text + "\n", encoding="utf-8")
    print(text if options.json else as_table(report))


def build_wheel(folder: Path) -> Path:
    """Build the wheel from a copy of what it is made of, so that the repository is not written to."""
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        if (ROOT / name).is_file():
            shutil.copy2(ROOT / name, source)
    shutil.copytree(ROOT / "src", source / "src", ignore=shutil.ignore_patterns("__pycache__"))
    call(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(source))
    return next(folder.glob("*.whl"))


def strip_hashes(lock: str) -> str:
    """Return the lock as constraints: hashes are dropped, because a wheel made just now has none in it."""
    return re.sub(r" *\\\n +--hash=\S+", "", lock)


def install(folder: Path, wheel: Path, extra: str, constraints: Path) -> dict[str, Any]:
    """Install into a new environment and return what that added, in MB (10**6 bytes)."""
    environment = folder / f"venv{extra}"
    call(sys.executable, "-m", "venv", str(environment))
    before, start = files(environment), time.perf_counter()
    python = environment / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    call(str(python), "-m", "pip", "install", "--quiet", "--compile", "-c", str(constraints), f"{wheel}{extra}")
    seconds = time.perf_counter() - start
    added = {path: size for path, size in files(environment).items() if path not in before}
    packages: dict[str, int] = {}
    for path, size in added.items():
        parts = path.parts[path.parts.index("site-packages") + 1 :] if "site-packages" in path.parts else path.parts
        packages[parts[0]] = packages.get(parts[0], 0) + size
    largest = sorted(packages.items(), key=lambda item: -item[1])[:LARGEST]
    distributions = sum(name.endswith(".dist-info") for name in packages)
    shutil.rmtree(environment)
    return {
        "megabytes": megabytes(sum(added.values())),
        "bytecode_megabytes": megabytes(sum(size for path, size in added.items() if path.suffix == ".pyc")),
        "distributions": distributions,
        "install_seconds": round(seconds, 1),
        "largest": {name: megabytes(size) for name, size in largest},
    }


def files(folder: Path) -> dict[Path, int]:
    """Return the size in bytes of each file below a folder. pip's and setuptools' own bytecode is left out."""
    return {
        path: path.stat().st_size
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink() and not {"pip", "setuptools", "pkg_resources"} & set(path.parts)
    }


def call(*command: str) -> None:
    """Run a command silently; its output may name package indexes, so that of a failure only the last line is shown."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise SystemExit(f"{' '.join(command[1:4])} failed: {re.sub(r'[a-z+]+://[^ ]+', '<address>', last)}")


def megabytes(size: int) -> float:
    return round(size / 1e6, 1)


def as_table(report: dict[str, Any]) -> str:
    lines = [f"{'installed':<16}{'MB':>9}{'of it .pyc':>12}{'packages':>10}{'seconds':>9}  largest (MB)"]
    for name, row in report.items():
        largest = ", ".join(f"{package} {size:g}" for package, size in row["largest"].items())
        figures = f"{row['megabytes']:>9.1f}{row['bytecode_megabytes']:>12.1f}{row['distributions']:>10}"
        lines.append(f"{name:<16}{figures}{row['install_seconds']:>9.1f}  {largest}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
