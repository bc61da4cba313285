"""`tabtrail challenger`: the model that has a share of the traffic, against the champion."""

from tabtrail.cli import later
from tabtrail.cli.job import begin_job
from tabtrail.cli.options import ConfigOption, FormatOption, SetOption, new_group
from tabtrail.cli.output import print_json, print_text

app = new_group()


@app.command(epilog="example: tabtrail challenger")
def challenger(config: ConfigOption = None, set_: SetOption = None, format_: FormatOption = "text") -> None:
    """Compare champion and challenger on the labelled rows of the log that both predicted."""
    found = later.challenger.compare_in_service(later.drift_job.Job(begin_job(config, set_)))
    if format_ == "json":
        print_json(found.to_dict())
        return
    print_text(
        f"champion {found.champion}: {found.by_champion:,} rows answered; challenger {found.challenger}: {found.by_challenger:,}"
    )
    if found.comparison is None:
        print_text("none of them has a label yet; join them: tabtrail labels --input actuals.parquet --key request_id --key row")
        return
    print_text(f"the challenger has {found.comparison}")
    if found.comparison.high < 0:
        print_text(f"it is better beyond chance; next: tabtrail promote {found.challenger}")
    elif found.comparison.low > 0:
        print_text("it is worse beyond chance; take it out of service: serve.challenger_share: 0")
    else:
        print_text("the difference may be chance; more labels tell")
