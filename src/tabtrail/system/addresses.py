"""Addresses that may hold a password: how they are shown."""

import re

# Up to the last @ of what has no space or quote in it: a password that its user did not encode may have any of /?#@ in it.
_USER_AND_PASSWORD = re.compile(r"://(?:[^\s'\"<>/@]*:[^\s'\"<>]*|[^\s'\"<>/@]*)@")
_PARAMETER = re.compile(
    r"((?:ssl)?password|passwd|pwd|passfile|token|secret(?:_?access)?_?key|api_?key|access_?key(?:_?id)?|signature)"
    r"(\s*=\s*)(?:'[^']*'|\"[^\"]*\"|[^\s&;'\"]+)",
    re.IGNORECASE,
)
_PATH = re.compile(r"(https?://[^\s'\"/?#]+)[/?#][^\s'\"]+")
_SCHEME = re.compile(r"(authorization\s*[:=]\s*(?:bearer|basic|token)?)\s+[^\s'\"]+", re.IGNORECASE)


def without_passwords(text: str) -> str:
    """Return a text in which the user and password of each address, each parameter that names a secret, and the value of an
    Authorization header are `…`.
    """
    return _SCHEME.sub(r"\1 …", _PARAMETER.sub(r"\1\2…", _USER_AND_PASSWORD.sub("://…@", text)))


def without_path(text: str) -> str:
    """Return a text in which each http address is its host alone: the path of a webhook is its secret."""
    return _PATH.sub(r"\1/…", text)


def without_user(text: str) -> str:
    """Return a text in which the addresses have no user and password, so that they can be opened."""
    return _USER_AND_PASSWORD.sub("://", text)


def raw_password_character(address: str) -> str:
    """Return the character of an address's user or password that must be percent-encoded; empty where there is none."""
    rest = address.partition("://")[2]
    begins = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if not re.search("[:@]", begins) or re.fullmatch(r"[^:@]*:\d*", begins):
        return ""  # a host, with or without a port: what has an @ further on is a path
    return next((each for each in rest.rpartition("@")[0] if each in "@/?#"), "")
