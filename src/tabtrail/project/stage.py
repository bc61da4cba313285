"""What a stage is, why it is stale, and the record by which unchanged work is not repeated.

A stage is declared once, in `pipeline.STAGES`. Its key is made of what it reads, the config sections that it declares, and
the code of its module with all that this imports. A record beside the results holds the key, hashes that say which part of
it changed, and the sha256 of every output.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tabtrail.config.tree import Config
from tabtrail.progress import Progress
from tabtrail.project.project import Project
from tabtrail.project.reason import Reason
from tabtrail.project.record import hashes_of, record_file
from tabtrail.system.code import code_files, file_sha256
from tabtrail.system.files import read_json, write_json
from tabtrail.system.hashes import known_sha256, sha256_json
from tabtrail.system.imports import import_module

_MOST_NAMED = 8

# Read the inputs, write the outputs, say what came of it; where forced, without what could be reused.
Work = Callable[[Config, Progress, bool], None]


@dataclass(frozen=True)
class Stage:
    """One step of a run.

    - `sections`: the config sections that its results depend on, as a whole; `parts`: what they depend on in other sections.
    - `module`: holds its `work`. It is imported when there is work to do, and its code with all that it imports is in the key.
    - `inputs`: sha256 of what it reads, by a name for people. `used`: the same as its work noted it while reading, for a stage
      whose inputs are too large to be hashed a second time.
    - `outputs`: the files that it leaves. `after`: the stages whose results it reads.
    - `check` raises where what it reads is not as its maker left it; `complaints`: what makes it stale although nothing that it
      depends on changed.
    - `accepts` raises `ConfigError` for a config that it could not run with, before a run begins any work.
    - `command` runs it alone, where that is not called as it is.
    - `applies` tells whether the config has something for it to do.
    - `for_people`: it serves people alone, and `tabtrail run --no-report` leaves it out.
    """

    name: str
    module: str
    inputs: Callable[[Project], Mapping[str, str]]
    outputs: Callable[[Project], Sequence[Path]]
    sections: tuple[str, ...]
    parts: Callable[[Project], Mapping[str, Any]] | None = None
    after: tuple[str, ...] = ()
    used: Callable[[Project], Mapping[str, str]] | None = None
    check: Callable[[Project], object] | None = None
    complaints: Callable[[Project], Iterable[Reason]] = lambda project: ()
    accepts: Callable[[Project], None] = lambda project: None
    for_people: bool = False
    command: str = ""
    applies: Callable[[Project], bool] = lambda project: True

    @property
    def work(self) -> Work:
        # Here, not at the top: the libraries of a stage take seconds to load, which a fresh one is spared.
        work: Work = import_module(self.module).work
        return work

    def reasons(self, project: Project) -> list[Reason]:
        """Return why the stage is to be repeated; nothing where it is fresh."""
        refused, known = read_json(self._refusal(project)), read_json(self._record(project))
        if known is None or not isinstance(known.get("outputs"), dict):
            never = self._interrupted(project) or Reason("never", "it has not run yet")
            return [_refused(refused) if refused else never]
        changed = list(changed_outputs(known["outputs"]))
        if changed and (interrupted := self._interrupted(project)) is not None:
            changed = [interrupted]  # its own work, not a person's, changed them
        found = [*self._changes(project, known), *changed, *self.complaints(project)]
        # Going back to what was not refused leaves the stage as fresh as it was.
        return [_refused(refused), *found] if refused and (found or refused["key"] == self._key_now(project)) else found

    def require_config(self, project: Project) -> None:
        """Raise `ConfigError` for a config that the stage cannot run with; the one that it ran with last is known to do."""
        known = read_json(self._record(project)) or {}
        if list(_changed_settings(self._settings(project), known.get("settings") or {})):
            self.accepts(project)

    def code_changed(self, project: Project) -> bool:
        """Tell whether the stage ran with other code than this."""
        known = read_json(self._record(project))
        code = None if known is None else known.get("code")
        return known is not None and not (isinstance(code, dict) and not _changed_code(code))

    def record(self, project: Project, inputs: Mapping[str, str] | None = None) -> None:
        """Note that the stage wrote its outputs from these inputs (from those that it noted itself, where none are given)."""
        inputs = (self.used or self.inputs)(project) if inputs is None else inputs
        settings, code = self._settings(project), code_files(self.module)
        outputs = {str(path): known_sha256(path) for path in self.outputs(project)}
        value = {
            "key": self._key(inputs, settings, code),
            "inputs": dict(inputs),
            "settings": {name: sha256_json(each)[:16] for name, each in _flat(settings)},
            "code": code,
            "outputs": outputs,
        }
        write_json(self._record(project), value)
        self._refusal(project).unlink(missing_ok=True)
        self._begin(project).unlink(missing_ok=True)

    def record_begin(self, project: Project) -> None:
        """Note that the work begins: where no record follows, it was interrupted."""
        write_json(self._begin(project), {"since": datetime.now(UTC).isoformat(timespec="seconds")})

    def forget_begin(self, project: Project) -> None:
        """Note that the work ended without a result, for a reason that was said."""
        self._begin(project).unlink(missing_ok=True)

    def record_refusal(self, project: Project, message: str) -> None:
        """Note that the work was refused, and why; what the stage left before counts on for what it was made from."""
        write_json(self._refusal(project), {"key": self._key_now(project), "message": message})
        self._begin(project).unlink(missing_ok=True)

    def _record(self, project: Project) -> Path:
        return record_file(project.config.paths.output_dir, self.name)

    def _refusal(self, project: Project) -> Path:
        return self._record(project).with_suffix(".refused")

    def _begin(self, project: Project) -> Path:
        return self._record(project).with_suffix(".begun")

    def _interrupted(self, project: Project) -> Reason | None:
        begun = read_json(self._begin(project))
        since = (begun or {}).get("since")
        return None if since is None else Reason("interrupted", f"it began at {since} and did not end; a run goes on with it")

    def _key_now(self, project: Project) -> str:
        return self._key(self.inputs(project), self._settings(project), code_files(self.module))

    def _settings(self, project: Project) -> dict[str, Any]:
        whole = json.loads(project.config.model_dump_json(include=set(self.sections)))
        return {**(self.parts(project) if self.parts else {}), **whole}

    def _key(self, inputs: Mapping[str, str], settings: Mapping[str, Any], code: Mapping[str, str]) -> str:
        return sha256_json([self.module, inputs, settings, code])

    def _changes(self, project: Project, known: Mapping[str, Any]) -> Iterator[Reason]:
        if not isinstance(known.get("code"), dict):
            yield Reason("code", "it ran with an older version of tabtrail")
            return
        inputs, settings = dict(self.inputs(project)), self._settings(project)
        code = _changed_code(known["code"])
        found = [*_changed_inputs(inputs, known.get("inputs") or {}), *_changed_settings(settings, known.get("settings") or {})]
        if code:
            own = ", ".join(each.removeprefix("tabtrail/") for each in code[:3])
            more = f" and {len(code) - 3} more" if len(code) > 3 else ""
            found.append(Reason("code", f"tabtrail's own code changed: {own}{more}"))
        elif not found and known.get("key") != self._key(inputs, settings, known["code"]):
            found.append(Reason("config", "what it depends on changed"))
        yield from found


def _refused(refusal: Mapping[str, Any]) -> Reason:
    return Reason("refused", f"the last time it was refused (exit code 4): {refusal['message']}")


def changed_outputs(outputs: Mapping[str, str | list[str]]) -> Iterator[Reason]:
    """Yield what became of recorded outputs (path → sha256, or several) that are missing or altered."""
    for path, known in outputs.items():
        if not Path(path).is_file():
            yield Reason("missing", f"{path} is missing")
        elif known_sha256(Path(path)) not in hashes_of(known):
            yield Reason("altered", f"{path} was altered")


def _changed_inputs(inputs: Mapping[str, str], known: Mapping[str, str]) -> Iterator[Reason]:
    for name in dict.fromkeys((*inputs, *known)):
        if inputs.get(name) != known.get(name):
            yield Reason("data", f"{name} changed")


def _changed_settings(settings: Mapping[str, Any], known: Mapping[str, str]) -> Iterator[Reason]:
    """Hashes are compared, not values: an address of a store may hold a password."""
    now = {name: sha256_json(each)[:16] for name, each in _flat(settings)}
    changed = {_shown(key) for key in {*now, *known} if now.get(key) != known.get(key)}
    keys = sorted(key for key in changed if not any(other.startswith(f"{key}.") for other in changed))
    if keys:
        more = f" and {len(keys) - _MOST_NAMED} more" if len(keys) > _MOST_NAMED else ""
        yield Reason("config", f"the config changed: {', '.join(keys[:_MOST_NAMED])}{more}")


def _changed_code(known: Mapping[str, str]) -> list[str]:
    """Return the recorded files that changed since. Which files a module imports is settled by what is in these: while they are
    the same, no other can have come.
    """
    return sorted(file for file, digest in known.items() if file_sha256(file) != digest)


def _shown(key: str) -> str:
    """Return the key of a setting as the user knows it: a candidate as a whole, whatever of it changed."""
    return ".".join(key.split(".")[:2]) if key.startswith("candidates.") else key


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value
