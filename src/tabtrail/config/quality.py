"""The section `quality`: what the quality report cannot do without."""

from pydantic import Field

from tabtrail.config.section import Problems, Section
from tabtrail.errors import nearest

EVIDENCE = {
    "tests.passed": "tests of the last test run that passed",
    "tests.failed": "tests that failed or could not run",
    "tests.skipped": "tests that were skipped",
    "tests.seconds": "how long the test run took",
    "tests.coverage": "share of the lines that the tests ran",
    "metrics.cv": "metric of the choice, mean over the folds",
    "metrics.cv_std": "its standard deviation over the folds",
    "metrics.test": "metric of the choice on the test part, of the model that learned from the training part",
    "metrics.test_low": "lower end of its interval",
    "metrics.test_high": "upper end of its interval",
    "intervals.level": "what share of the outcomes the intervals promise to hold",
    "intervals.coverage": "what share of the test part they hold",
    "calibration.error": "mean distance of prediction and outcome over ten bins of like predictions",
    "calibration.share": "the same as a share of the mean outcome",
    "leakage.findings": "findings of the leakage audit",
    "parity.passed": "whether the deployed graph predicts what Python predicts",
    "parity.max_difference": "their largest difference, in standard deviations of the target",
    "parity.rows": "rows that both were asked",
    "drift.alarm": "whether the last check for drift alarmed",
    "drift.window": "what the last check looked at",
    "sample.prediction": "prediction for the example of the model's contract",
    "latency.predict_p50": "one prediction in this process, median",
    "latency.predict_p95": "one prediction in this process, 95 of 100 are faster",
    "latency.predict_p99": "one prediction in this process, 99 of 100 are faster",
    "latency.http_p50": "one prediction over HTTP, median",
    "latency.http_p95": "one prediction over HTTP, 95 of 100 are faster",
    "latency.http_p99": "one prediction over HTTP, 99 of 100 are faster",
    "load.http_cpu": "CPU time of the service for one prediction under load",
    "load.over_empty": "the same in times that of an endpoint that does nothing",
    "size.bundle": "size of the deployed bundle",
    "size.graph": "size of its graph",
    "size.rows": "rows of the dataset",
    "size.rejected": "rows that ingest set aside",
    "hashes.data": "fingerprint of the dataset",
    "hashes.trained_on": "fingerprint of the data that the deployed model learned from",
    "hashes.bundle": "fingerprint of the deployed bundle",
    "hashes.graph": "fingerprint of its graph",
    "versions": "versions of the libraries that the deployed model was made with",
}
"""What a quality report can have of each project, by name."""


class Quality(Section):
    require: tuple[str, ...] = Field(
        (), description="Evidence without which `tabtrail quality --gate` fails (exit code 4), as metrics.test or drift.alarm."
    )


def check_quality(quality: Quality) -> Problems:
    """Yield each required evidence that no report has."""
    for place, name in enumerate(quality.require):
        if name not in EVIDENCE:
            known = nearest(name, list(EVIDENCE)) or f"; there are {', '.join(EVIDENCE)}"
            yield ("quality", "require", place), f"'{name}' is no evidence of a quality report{known}"
