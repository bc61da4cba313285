"""`tabtrail quality`: what is known of one project or several, each figure with where it comes from."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from tabtrail.bundle.load import load_bundle
from tabtrail.cli.job import begin_job
from tabtrail.cli.options import FormatOption, QuietOption, SetOption, new_group
from tabtrail.cli.output import print_json, print_paths, print_table, print_text
from tabtrail.cli.progress_line import progress_on_stderr
from tabtrail.config.operation import Serve
from tabtrail.errors import NotTrainedError, QualityError
from tabtrail.progress import Progress
from tabtrail.project.paths import Artifacts
from tabtrail.report.quality_snapshot import shown, snapshot
from tabtrail.serving.latency import measure_latency
from tabtrail.system.files import atomic_file, make_folder, write_json
from tabtrail.workflows.quality import Evidence, Subject, collect, report_of

app = new_group()


@app.command(epilog="example: tabtrail quality --gate")
def quality(
    config: Annotated[
        list[Path] | None, typer.Option(help="The YAML file; given again, one more project.", show_default="config_v2.yaml here")
    ] = None,
    set_: SetOption = None,
    gate: Annotated[bool, typer.Option("--gate", help="Fail (exit code 4) where what quality.require lists is missing.")] = False,
    latency: Annotated[bool, typer.Option(help="Measure how long a prediction takes; else what was measured before.")] = True,
    format_: FormatOption = "text",
    quiet: QuietOption = False,
) -> None:
    """Gather tests, metrics, leakage, proof, drift, calibration, latency, sizes and hashes into one report with its sources."""
    projects: list[tuple[str, dict[str, Evidence], tuple[str, ...]]] = []
    folders: list[Path] = []
    with progress_on_stderr(quiet) as progress:
        for file in config or (None,):
            loaded = begin_job(file, set_, fetch=True)
            subject = Subject(Artifacts.of(loaded), loaded.dataset, loaded.split, loaded.choice.metric, loaded.root)
            make_folder(subject.folder)
            folders.append(subject.folder)
            if latency:
                _measure_latency(loaded.serve, subject, loaded.words, progress)
            projects.append((loaded.model.name, collect(subject), loaded.quality.require))
    report = report_of(projects, datetime.now(UTC).isoformat(timespec="seconds"))
    files = (folders[0] / "quality_report.json", folders[0] / "quality_report.md")
    write_json(files[0], report)
    with atomic_file(files[1]) as temporary:
        temporary.write_text(snapshot(report), encoding="utf-8")
    if format_ == "json":
        print_json(report)
    else:
        for each in report["projects"]:
            _print(each)
        print_paths(*files)
    missing = [f"{each['name']}: {name}" for each in report["projects"] for name in each["missing"]]
    if gate and missing:
        raise QualityError(f"quality.require lists what is missing: {', '.join(missing)}; {files[1]} says why")


def _measure_latency(settings: Serve, subject: Subject, words: Sequence[str], progress: Progress) -> None:
    artifacts = subject.artifacts
    progress.say(f"quality: how long a prediction of {artifacts.name} takes")
    try:
        bundle = load_bundle(artifacts.paths.models_dir, artifacts.name)
    except NotTrainedError as error:
        progress.say(f"quality: {error}")
        return
    write_json(subject.folder / "latency.json", measure_latency(bundle, settings, words))


def _print(project: Mapping[str, Any]) -> None:
    """Print a project's evidence on one screen: name and figure, and how much is missing."""
    evidence = project["evidence"]
    rows = [[name, shown(each, name)] for name, each in evidence.items() if each["value"] is not None and name != "versions"]
    print_table(f"quality of {project['name']}", ["evidence", "figure"], rows)
    missing = [name for name, each in evidence.items() if each["value"] is None]
    if missing:
        print_text(f"not there: {', '.join(missing)}")
    if project["missing"]:
        print_text(f"REQUIRED and missing: {', '.join(project['missing'])}")
