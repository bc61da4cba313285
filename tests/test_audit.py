"""The report on vulnerabilities says how much it knows."""

import importlib.util

from tests.support.projects import REPO

spec = importlib.util.spec_from_file_location("audit", REPO / ".ci" / "audit.py")
assert spec is not None
assert spec.loader is not None
audit = importlib.util.module_from_spec(spec)
spec.loader.exec_module(audit)


def test_an_audit_that_could_look_up_nothing_does_not_call_it_clean() -> None:
    skipped = {"name": "a", "skip_reason": "Dependency not found on PyPI and could not be audited: a (1)"}
    clean = {"name": "b", "version": "1", "vulns": []}
    bad = {"name": "c", "version": "2", "vulns": [{"id": "CVE-1"}]}
    assert audit.summary([skipped, skipped]) == "audit: none of 2 packages could be looked up; nothing is known about them"
    assert audit.summary([skipped, clean]).startswith("audit: 1 of 2 packages looked up, 0 with known")
    assert audit.summary([clean, bad]).endswith("1 with known vulnerabilities\n  c 2: CVE-1")
