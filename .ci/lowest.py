"""Print each declared dependency, base and extras but those for development, pinned to its lower bound: constraints for pip."""

import re
import sys
import tomllib
from pathlib import Path

project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
extras = {name: each for name, each in project["optional-dependencies"].items() if name != "dev"}
declared = [*project["dependencies"], *(each for extra in extras.values() for each in extra)]
for requirement in sorted(set(declared)):
    bound = re.match(r"([A-Za-z0-9._-]+)>=([^,;\s]+)[^;]*(;.*)?$", requirement)
    if bound is not None:
        sys.stdout.write(f"{bound[1]}=={bound[2]}{' ' + bound[3] if bound[3] else ''}\n")
