"""What the errors of MLflow, its databases, servers and buckets mean, in one message with what to do."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import Timeout
from mlflow.exceptions import MlflowException
from requests import RequestException
from sqlalchemy.exc import SQLAlchemyError

from tabtrail.config.operation import SQLITE
from tabtrail.errors import StoreError
from tabtrail.system.addresses import without_passwords
from tabtrail.system.files import growth_problem, rename_command
from tabtrail.tracking.schema import outdated_in

LOCK_SECONDS = 120.0
_AGAIN = "what is finished is kept: run the command again when it is back"
_WHO = "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD (or MLFLOW_TRACKING_TOKEN) to what it knows"
_FAULTS = (
    # Of one that is there, first: an error of a connection names the tries before it too.
    (r"error code 401|HTTP 401|401 (?:Client )?Error", "does not know who asks (401)", _WHO),
    (
        r"error code 404 !=|not in a valid JSON",
        "is not an MLflow server, or one of another version",
        "look at mlflow.tracking_uri; MLflow here is to be no newer than there",
    ),
    (
        r"error code 403|403 (?:Client )?Error|PERMISSION_DENIED",
        "does not let this user do that (403)",
        "ask who runs it for the permission",
    ),
    (r"too many (\d+) error responses|error code (5\d\d)|(5\d\d) Server Error", r"fails ({})", f"look into its log; {_AGAIN}"),
    (
        r"Name or service not known|NameResolutionError|nodename nor servname|resolve host",
        "has a name that is not known",
        "look at mlflow.tracking_uri",
    ),
    (r"Connection refused", "cannot be reached (connection refused)", f"is it running? {_AGAIN}"),
    (
        r"CERTIFICATE_VERIFY_FAILED",
        "has a certificate that is not trusted",
        "set MLFLOW_TRACKING_SERVER_CERT_PATH to that of its issuer",
    ),
    (
        r"[Tt]imed? ?out|timeout exception",
        "does not answer in time",
        f"MLFLOW_HTTP_REQUEST_TIMEOUT says how many seconds are waited for; {_AGAIN}",
    ),
    (
        r"Connection reset|Connection aborted|RemoteDisconnected|IncompleteRead|ProtocolError|(?:server )?closed the connection",
        "cut the connection",
        f"is it being stopped? {_AGAIN}",
    ),
    (
        r"No route to host|Network is unreachable|Max retries exceeded",
        "cannot be reached",
        f"look at mlflow.tracking_uri and the network; {_AGAIN}",
    ),
    (
        r"password authentication failed|no password supplied|Access denied for user",
        "refuses the user or the password",
        "look at those in mlflow.tracking_uri",
    ),
    (
        r'database "[^"]*" does not exist',
        "has no such database",
        "create it (createdb), or look at the name in mlflow.tracking_uri",
    ),
)
_BUCKET_MODULES = ("botocore", "boto3", "google.", "azure.")


@contextmanager
def store_errors(uri: str) -> Iterator[None]:
    """Turn what MLflow, its database, server or bucket raises into a `StoreError` that names the store, without any password."""
    shown = without_passwords(uri)
    try:
        yield
    except Timeout:
        raise StoreError(f"another process has held the lock of {shown} for {LOCK_SECONDS:.0f} s; is a run stuck?") from None
    except (MlflowException, RequestException) as error:
        raise StoreError(_explain(uri, str(error), "refuses: {}")) from error
    except SQLAlchemyError as error:
        raise StoreError(
            _explain(uri, str(getattr(error, "orig", None) or type(error).__name__), "cannot be used ({})")
        ) from error
    except Exception as error:
        if not type(error).__module__.startswith(_BUCKET_MODULES):
            raise
        reason = without_passwords(" ".join(str(error).split()))[:300]
        raise StoreError(
            f"the bucket of the MLflow store {shown} refuses: {reason}; look at its address and credentials"
        ) from error


def _explain(uri: str, raised: str, form: str) -> str:
    shown, said = without_passwords(uri), without_passwords(raised)
    if outdated := outdated_in(raised, uri):
        return f"the MLflow store {shown} cannot be used: {outdated}"
    if not uri.startswith(SQLITE):
        for pattern, what, remedy in _FAULTS:
            if found := re.search(pattern, said):
                return f"the MLflow store {shown} {what.format(next(filter(None, found.groups()), ''))}; {remedy}"
    lines = said.splitlines() or [""]
    reason = next((line for line in lines if not line.startswith("(raised as a result")), lines[0])[:300]
    return f"the MLflow store {shown} {form.format(reason)}; {remedy_for(uri, reason)}"


def remedy_for(uri: str, reason: str) -> str:
    """Return what to do about what a store refused."""
    if uri.startswith(SQLITE) and (problem := growth_problem(Path(uri.removeprefix(SQLITE)))):
        return f"{problem}, and run the command again"
    if "full" in reason:
        return "make room on its disk, and run the command again"
    if "disk I/O error" in reason:
        return "look whether its disk fails, or a limit of the size of files (ulimit -f) or a quota is reached"
    if not uri.startswith(SQLITE) or not any(word in reason for word in ("malformed", "not a database", "damaged")):
        return "`tabtrail doctor` says more"
    aside = rename_command(Path(uri.removeprefix(SQLITE)), ".damaged")
    return f"if `tabtrail doctor` finds it damaged, restore a backup, or begin a new one: {aside}"
