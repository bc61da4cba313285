"""A POST to a webhook: the only thing here that needs an HTTP client, and imported when there is something to send."""

import urllib.error
import urllib.request
from http.client import HTTPException
from typing import Any

_OK = range(200, 300)


def post(address: str, data: bytes, timeout: float) -> str | None:
    """Post JSON to an address and return what went wrong, in words that do not hold the address."""
    opener = urllib.request.build_opener(_NoRedirect)
    headers = {"Content-Type": "application/json", "User-Agent": "tabtrail"}
    try:
        request = urllib.request.Request(address, data=data, headers=headers, method="POST")  # noqa: S310
        with opener.open(request, timeout=timeout) as answer:
            return None if answer.status in _OK else f"the webhook answered {answer.status}"
    except urllib.error.HTTPError as error:
        error.close()
        return f"the webhook answered {error.code}"
    except TimeoutError:
        return f"the webhook did not answer within {timeout:g} s (alerts.timeout_seconds)"
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        said = reason.strerror if isinstance(reason, OSError) and reason.strerror else type(reason).__name__
        return f"the webhook cannot be reached ({said})"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: the address that the config names is the one that gets the event, and no other."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Return None, so that the redirect is the answer."""
