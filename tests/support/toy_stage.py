"""A stage that the product does not have: it counts the rows of the dataset that are as wet as the config says."""

from pathlib import Path

from tabtrail.config.section import Section
from tabtrail.config.tree import Config
from tabtrail.data.manifest import read_manifest
from tabtrail.progress import Progress
from tabtrail.project.project import Project
from tabtrail.project.stage import Stage
from tabtrail.system.files import write_json


class Weather(Section):
    wetness: int = 1


class WeatherConfig(Config):
    weather: Weather = Weather()


def output(config: Config) -> Path:
    return config.paths.output_dir / "weather.json"


def work(config: Config, progress: Progress, _force: bool) -> None:
    weather = config.weather if isinstance(config, WeatherConfig) else Weather()
    write_json(output(config), {"rows": read_manifest(config.dataset).rows_kept * weather.wetness})
    progress.say("weather: counted")


WEATHER = Stage(
    name="weather",
    module=__name__,
    after=("ingest",),
    inputs=Project.dataset_inputs,
    outputs=lambda project: [output(project.config)],
    sections=("weather",),
)
