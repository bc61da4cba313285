"""The database and the SQL summaries, from the Parquet layer."""

from tabtrail.config.tree import Config
from tabtrail.data.manifest import read_manifest
from tabtrail.data.result_files import plot_path
from tabtrail.data.summaries import summary_frames, write_summaries
from tabtrail.data.warehouse import build_database
from tabtrail.progress import Progress
from tabtrail.report.png import draw
from tabtrail.report.summary_pictures import summary_picture
from tabtrail.system.files import require_writable


def work(config: Config, progress: Progress, _force: bool) -> None:
    """Rebuild the DuckDB file, and write the summaries and their charts."""
    output_dir, units = config.paths.output_dir, {config.model.target: config.model.currency}
    require_writable(config.paths.duckdb_file.parent, output_dir)
    rows = build_database(config.database)
    frames = summary_frames(config.aggregations, config.database)
    write_summaries(frames, output_dir)
    synthetic = read_manifest(config.dataset).synthetic
    for each in config.aggregations:
        if each.plot == "bar":
            picture = summary_picture(each, frames[each.name], units)
            draw(picture, plot_path(each.name, output_dir), synthetic=synthetic)
    progress.say(f"eda: {rows:,} rows in {config.paths.duckdb_file.name}, {len(config.aggregations)} summaries")
