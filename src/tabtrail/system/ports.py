"""Ports of this machine."""

import socket

from tabtrail.errors import TabtrailError


def require_free(host: str, port: int) -> None:
    """Raise `TabtrailError` where nothing can listen at an address, as where another process does."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise TabtrailError(f"cannot listen on {host}:{port}: {reason}; name another with --host or --port") from None
