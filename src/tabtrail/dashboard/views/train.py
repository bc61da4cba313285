"""The page Train: what is being trained, and, where it is let, a training that goes on when the page is closed."""

import streamlit as st

from tabtrail.dashboard.deployed import deployed_runs, load_deployed
from tabtrail.dashboard.place import Place
from tabtrail.dashboard.train import Parts, Report, has_key, holder_of, is_key, jobs_of, parts_of, report_of, words_of
from tabtrail.dashboard.wording import clipped, literal
from tabtrail.errors import BundleError
from tabtrail.serving.jobs.desk import Jobs, Request
from tabtrail.serving.jobs.log_tail import read_tail
from tabtrail.serving.jobs.record import LOG, Job
from tabtrail.serving.problems import Refused
from tabtrail.serving.state import KEY_VARIABLE

_LOOK_SECONDS = 2.0
_ALLOWED, _GIVEN, _FORCE, _REFUSED = "train-allowed", "train-key-given", "train-force", "train-refused"
_PLAY = ":material/play_arrow:"
_FORGOTTEN = 10
"""Earlier trainings that are listed."""


def show(at: Place) -> None:
    """Show the page."""
    st.title("Train")
    jobs = jobs_of(at)
    allowed = at.allow_train and _ask_for_key(at)
    if not at.allow_train:
        st.info("This dashboard only looks. A training needs a dashboard that was started so, with the API key of the service:")
        st.code(f"export TABTRAIL_API_KEY=…\n{at.command('dashboard', '--allow-train')}", language=None, wrap_lines=True)
        st.caption("Or this command, in a terminal:")
        st.code(at.command("train"), language=None, wrap_lines=True)
    _show_work(at, jobs, allowed=allowed)


def _ask_for_key(at: Place) -> bool:
    """Ask for the API key until it was given in this session; what was typed is compared, and forgotten."""
    if st.session_state.get(_ALLOWED):
        return True
    if not has_key(at.config.serve):
        st.warning(literal(f"No API key is configured, so nobody can train: set {KEY_VARIABLE}, or serve.api_key_file."))
        return False
    with st.form("train-key", border=False):
        st.text_input("API key of the service", type="password", autocomplete="off", key=_GIVEN)
        st.form_submit_button("Unlock training", on_click=_unlock, args=(at,))
    if st.session_state.get(_ALLOWED) is False:
        st.error("This is not the API key.")
    return False


def _unlock(at: Place) -> None:
    given = str(st.session_state.get(_GIVEN) or "")
    st.session_state[_GIVEN] = ""
    st.session_state[_ALLOWED] = is_key(at.config.serve, given)


@st.fragment(run_every=_LOOK_SECONDS)
def _show_work(at: Place, jobs: Jobs, *, allowed: bool) -> None:
    """Show who is at work, the newest training, and, where that is allowed, what begins one."""
    known = jobs.all()
    running = next((each for each in known if each.at_work), None)
    holder = None if running is not None else holder_of(at.config.paths.output_dir)
    if holder is not None:
        st.info(f"{literal(holder)} is at work in this project; a training can begin when it is done.")
    if allowed:
        _offer(at, jobs, busy=running is not None or holder is not None)
    if not known:
        st.caption("Nothing was trained from here or over HTTP yet.")
        return
    shown = running or known[0]
    st.subheader("At work" if running else "The last training")
    _show_job(at, jobs, shown, allowed=allowed)
    earlier = [each for each in known if each.id != shown.id][:_FORGOTTEN]
    if earlier:
        st.subheader("Earlier")
        for each in earlier:
            st.caption(literal(f"{_moment(each.asked_at)} · {clipped(words_of(each))} · {each.state}"))


def _offer(at: Place, jobs: Jobs, *, busy: bool) -> None:
    st.subheader("Begin a training")
    st.checkbox("Train although nothing changed", key=_FORCE)
    st.button("Train all", type="primary", disabled=busy, key="train-all", icon=_PLAY, on_click=_begin, args=(jobs, ()))
    parts = _parts(at)
    if parts.why:
        st.caption(literal(parts.why))
    else:
        chosen = st.multiselect(f"One or some by {literal(parts.by)}", parts.values, format_func=clipped, key="train-parts")
        groups = () if len(chosen) == len(parts.values) else tuple(sorted(chosen))
        off = busy or not chosen
        st.button("Train these", disabled=off, key="train-some", icon=_PLAY, on_click=_begin, args=(jobs, groups))
    if refused := st.session_state.pop(_REFUSED, ""):
        st.error(literal(refused))


def _parts(at: Place) -> Parts:
    try:
        predictor = load_deployed(at, demand=True) if at.config.demand is not None else None
    except BundleError:
        predictor = None
    return parts_of(at.config.demand, predictor)


def _begin(jobs: Jobs, groups: tuple[str, ...]) -> None:
    """Begin a training of some nets, of all where none is named; what is in its way is shown where it was asked for."""
    force = bool(st.session_state.get(_FORCE))
    try:
        jobs.begin(Request("train" if groups else "train_all", force=force, groups=groups))
    except Refused as error:
        st.session_state[_REFUSED] = error.detail


def _cancel(jobs: Jobs, job_id: str) -> None:
    try:
        jobs.cancel(job_id)
    except Refused as error:
        st.session_state[_REFUSED] = error.detail


def _show_job(at: Place, jobs: Jobs, job: Job, *, allowed: bool) -> None:
    report = report_of(job, () if job.at_work else deployed_runs(at))
    step = f", step {report.step}" if job.at_work and report.step else ""
    st.markdown(f"**{literal(clipped(words_of(job)))}**: {literal(report.state + step)}")
    ended = f", ended at {_moment(job.ended_at)}" if job.ended_at else ""
    st.caption(f"asked for at {_moment(job.asked_at)}{ended}")
    if job.at_work:
        _show_progress(jobs, report, allowed=allowed)
    elif report.outcome:
        st.success(literal(report.outcome))
        st.page_link(
            st.Page(_model, title="Model", url_path="model"), label="See it on the page Model", icon=":material/model_training:"
        )
    if report.message:
        st.error("The training failed.")
        st.code(report.message, language=None, wrap_lines=True)
    lines = report.lines if allowed else read_tail(job.folder / LOG, job.exit_code).lines
    if lines:
        with st.expander("Log", expanded=job.at_work):
            st.code("\n".join(lines), language=None, wrap_lines=True, height=240)


def _show_progress(jobs: Jobs, report: Report, *, allowed: bool) -> None:
    if report.share is not None:
        st.progress(report.share, text=literal(report.doing))
    elif report.doing:
        st.caption(literal(report.doing))
    if not allowed or report.job.state == "cancelling":
        return
    st.button("Cancel", key=f"train-cancel-{report.job.id}", icon=":material/stop:", on_click=_cancel, args=(jobs, report.job.id))


def _moment(text: str) -> str:
    return f"{text[:19].replace('T', ' ')} UTC"


def _model() -> None:
    """Stand for the page Model in a link to it; the entry shows the page itself."""
