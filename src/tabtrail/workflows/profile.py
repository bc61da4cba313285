"""The description of the data."""

from tabtrail.config.tree import Config
from tabtrail.data.manifest import read_manifest
from tabtrail.data.profile import with_account, write_profile
from tabtrail.data.profiling import profile_data
from tabtrail.progress import Progress
from tabtrail.system.files import require_writable


def work(config: Config, progress: Progress, _force: bool) -> None:
    """Describe every column, outliers, groups and correlations."""
    require_writable(config.paths.output_dir)
    profile = profile_data(config.database, config.profile, model=config.model, outlier_columns=config.outlier_columns)
    profile = with_account(profile, read_manifest(config.dataset))
    write_profile(profile, config.paths.output_dir)
    progress.say(f"profile: {profile.rows:,} rows, {len(profile.columns)} columns")
