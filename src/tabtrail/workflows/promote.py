"""Which model is deployed, as the gate lets it: after a training, by `promote`, back by `rollback`; and the history of it.

Every training leaves its bundle in its MLflow run and registers it as challenger.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from tabtrail.bundle.load import Bundle
from tabtrail.config.tree import Config
from tabtrail.data.result_files import promotions_file
from tabtrail.errors import ConfigError, DataError, PromotionError, UsageError
from tabtrail.modeling.gate import Verdict, judge, judge_series, own_reasons
from tabtrail.progress import SILENT, Progress
from tabtrail.project.lock import project_lock
from tabtrail.system.alert import Event, tell
from tabtrail.system.files import write_parquet
from tabtrail.tracking.benchmarks import wanted_candidate
from tabtrail.tracking.entries import Deployed, Entry
from tabtrail.tracking.history import WITHDRAWN, Change, history_table, read_history, stack, standing
from tabtrail.tracking.refusals import store_errors
from tabtrail.tracking.registry import run_of_version
from tabtrail.tracking.store import Store, open_store
from tabtrail.workflows.candidate import challenger_of
from tabtrail.workflows.compare import measure
from tabtrail.workflows.compare_series import measure_series
from tabtrail.workflows.database import take_in_results
from tabtrail.workflows.deploy import (
    Challenger,
    Decision,
    Site,
    confirm_champion,
    deploy,
    deploying,
    fetch,
    fetch_again,
    place_of,
    read_deployed,
    record_found,
    repair_deployed,
)
from tabtrail.workflows.twin import recorded_config


@dataclass(frozen=True)
class Asked:
    """What a person asks to deploy: a run or a version, and a candidate of it (None: the winner, or the run's own)."""

    what: str
    candidate: str | None = None

    def __str__(self) -> str:
        return self.what if self.candidate is None else f"{self.what} --candidate {self.candidate}"


def promote(
    config: Config, asked: Asked | str, *, force: bool = False, reason: str = "", progress: Progress = SILENT
) -> Decision:
    """Deploy the bundle of a run, of a registered version or of a candidate, if the gate lets it, or `force` with a reason.

    Raises `UsageError` for a run, version or candidate that is not there, `BundleError` for a bundle that was altered,
    `PromotionError` with the reasons of the gate, for a baseline, and for what cannot be proven on the data of its run.
    """
    asked = Asked(asked) if isinstance(asked, str) else asked
    if force and not reason.strip():
        raise UsageError("--force needs --reason: the history keeps why the gate was overruled")
    with project_lock(config, "promote", progress):
        site = Site.of(config, open_store(config.mlflow))
        with store_errors(site.store.uri):
            wanted = wanted_candidate(site.store, _run_of(site, asked.what), asked.candidate, asked=asked.what)
        challenger = challenger_of(config, site, wanted, progress)
        with deploying(site):
            champion = repair_deployed(site, SILENT)
            before = record_found(site, read_history(site.place), champion)
            if champion is not None and champion.sha256 == challenger.deployed.bundle_sha256:
                confirm_champion(site, challenger.deployed)
                decision = Decision(False, "unchanged", challenger.deployed, challenger.deployed)
            else:
                verdict = _verdict(config, site.store, challenger, champion, progress)
                if not verdict.accepted and not force:
                    tell(config.alert_channel("gate"), _refused_by_gate(challenger.deployed, verdict), progress)
                    raise PromotionError(_refusal(challenger, verdict, str(asked), before))
                change = Change("promote", before, challenger.deployed, reason, forced=not verdict.accepted)
                decision = deploy(site, challenger, change, verdict)
        write_history(config)
        take_in_results(config)
        return decision


def rollback(config: Config, *, reason: str = "", progress: Progress = SILENT) -> Decision:
    """Deploy again, byte for byte, what was deployed before; again and again back to the first.

    Raises `UsageError` where nothing was deployed before, `BundleError` where the store no longer has it as it was.
    """
    with project_lock(config, "rollback", progress):
        site = Site.of(config, open_store(config.mlflow))
        with deploying(site):
            before = record_found(site, read_history(site.place), read_deployed(site))
            models = stack(read_history(site.place))
            if len(models) < 2:
                raise UsageError(
                    "there is nothing to go back to: no other model was deployed before; `tabtrail history` lists them"
                )
            challenger = fetch_again(site, models[-2])
            decision = deploy(site, challenger, Change("rollback", before, challenger.deployed, reason))
        write_history(config)
        take_in_results(config)
        return decision


def history(config: Config) -> list[Entry]:
    """Return every change of what is deployed, oldest first."""
    return read_history(place_of(config))


def write_history(config: Config) -> None:
    """Write the table `promotions`: the history of the model, and of both where there is one of rows and one of series."""
    whole = config.whole
    of_series = whole.for_demand()
    tables = [history_table(history(each), each.model.name) for each in ([whole, of_series] if of_series.is_view else [whole])]
    known = [table for table in tables if table.height] or tables[:1]
    write_parquet(promotions_file(whole.paths.output_dir), pl.concat(known, how="vertical_relaxed"))


def settle(config: Config, store: Store, trained: Challenger | str, progress: Progress = SILENT) -> Decision:
    """Decide after a training whether its bundle is deployed, as `promotion.automatic` says; deploy it if so.

    `trained` is the bundle as it was built, or the run of the benchmark that holds it. Where nothing is deployed yet, it is
    deployed. Deployed files that are damaged are put back first, so that damage does not bypass the gate. The verdict is an
    artifact of the run, `gate.json`.
    """
    site = Site.of(config, store)
    with deploying(site):
        challenger = fetch(site, trained) if isinstance(trained, str) else trained
        new, champion = challenger.deployed, repair_deployed(site, progress)
        if champion is not None and champion.sha256 == new.bundle_sha256:
            confirm_champion(site, new)
            return Decision(False, "unchanged", new, new)
        entries = read_history(site.place)
        before = record_found(site, entries, champion)
        if champion is None:
            return deploy(site, challenger, Change("first", before, new, _why_first(entries)))
        automatic = config.promotion.automatic
        if kept := _kept_back(automatic, entries, new):
            return Decision(False, "challenger", before, new, (kept,))
        verdict = _verdict(config, store, challenger, champion, progress)
        store.client.log_dict(challenger.benchmark, verdict.to_dict(), "gate.json")
        if automatic == "gate" and not verdict.accepted:
            tell(config.alert_channel("gate"), _refused_by_gate(new, verdict), progress)
            return Decision(False, "refused", before, new, verdict.reasons, verdict)
        change = Change("automatic", before, new, f"promotion.automatic is {automatic}")
        return deploy(site, challenger, change, verdict)


def keep_deployed(config: Config, store: Store, progress: Progress = SILENT) -> Deployed | None:
    """Return what is deployed, put back where it is damaged, after a training that has nothing to deploy; None for no model."""
    site = Site.of(config, store)
    with deploying(site):
        return record_found(site, read_history(site.place), repair_deployed(site, progress))


def nothing_to_deploy(benchmark: str, reasons: Sequence[str], deployed: Deployed | None, leaderboard: Path) -> str:
    """Message for a benchmark without a candidate that is worth deploying: which failed, why, and what to do."""
    stays = f"the deployed model stays {deployed.model} (run {deployed.run_id})" if deployed else "no model is deployed yet"
    failed = "".join(f"\n  {reason}" for reason in reasons) or "\n  there is no candidate but the baselines"
    return (
        f"no candidate is worth deploying; {stays}:{failed}\n"
        f"the leaderboard ({leaderboard}) and the runs (benchmark {benchmark} in MLflow) are kept to look at; add candidates or"
        " features that tell more of the target, and train again"
        + (f'; to deploy one all the same: tabtrail promote {benchmark} --candidate NAME --force --reason "…"' if reasons else "")
    )


def _why_first(entries: Sequence[Entry]) -> str:
    """Return why there is no champion to judge a model against."""
    return "what was deployed before cannot be read" if entries else "it is the first model"


def _kept_back(automatic: str, entries: Sequence[Entry], model: Deployed) -> str:
    """Return why a trained model is not even judged; empty where it is."""
    if by := _replaced_by(entries, model):
        return f"it was {'taken back' if by == 'rollback' else 'replaced'} by `tabtrail {by}`"
    return "promotion.automatic is never" if automatic == "never" else ""


def _replaced_by(entries: Sequence[Entry], model: Deployed) -> str:
    """Return the command by which a person put another model in the place of this very one, if that is the last decision."""
    decisions = [entry for entry in standing(entries) if entry.action not in ("restore", "found", WITHDRAWN)]
    last = decisions[-1] if decisions else None
    if last is None or last.action not in ("rollback", "promote") or last.before is None:
        return ""
    return last.action if last.before.bundle_sha256 == model.bundle_sha256 else ""


def _verdict(config: Config, store: Store, challenger: Challenger, champion: Bundle | None, progress: Progress) -> Verdict:
    """Judge a challenger by today's rules of the gate, on rows that are placed as its own training placed them."""
    new, policy, tolerance = challenger.bundle, config.leakage.policy, config.export.parity_tolerance
    if champion is None:
        return Verdict(own_reasons(new.metadata, policy=policy, parity_tolerance=tolerance), ())
    if new.metadata.get("panel") is not None:
        compared = measure_series(store, config.promotion, new, champion)
        about = (config.promotion, new.metadata, champion.metadata)
        return judge_series(*about, policy=policy, parity_tolerance=tolerance, comparison=compared)
    with suppress(ConfigError):  # one that is no longer read: rows are placed as today's config places them
        config = recorded_config(config, store, challenger.benchmark, new.metadata)
    try:
        measured = measure(config, store, new, champion, progress)
    except DataError as error:
        return Verdict((f"it cannot be compared with the champion: {error}",), ())
    about = (config.promotion, new.metadata, champion.metadata)
    return judge(*about, policy=policy, parity_tolerance=tolerance, measured=measured)


def _refused_by_gate(new: Deployed, verdict: Verdict) -> Event:
    """Return what is told of a model that the gate refuses."""
    message = f"version {new.version} is not promoted: {'; '.join(verdict.reasons)}"
    details = {"run_id": new.run_id, "version": new.version, "reasons": list(verdict.reasons)}
    return Event("gate", new.model, message, PromotionError.exit_code, details)


def _refusal(challenger: Challenger, verdict: Verdict, what: str, before: Deployed | None) -> str:
    new, stays = challenger.deployed, "no model is deployed" if before is None else f"the deployed model stays {before.model}"
    return (
        f"version {new.version} is not promoted ({new.model}), {stays}:\n  "
        + "\n  ".join(verdict.reasons)
        + f'\nto deploy it all the same: tabtrail promote {what} --force --reason "…"'
    )


def _run_of(site: Site, what: str) -> str:
    """Return the run that a version or a run's id stands for."""
    if not (what.isdecimal() and len(what) < 10):
        return what
    found = run_of_version(site.store, site.name, what)
    if found is None:
        raise UsageError(f"there is no version {what} of {site.name} in the registry; `tabtrail history` lists what was deployed")
    return found
