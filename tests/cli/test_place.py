"""Which configs of a folder deploy in one place."""

from pathlib import Path

from tabtrail.cli.place import sharing_a_deployment

CONFIG = "version: 2\npaths: {{raw_csv: x.csv, models_dir: {folder}}}\nmodel: {{name: {name}, target: y}}\n"


def test_configs_that_deploy_at_one_place_under_one_name_are_found_and_others_are_not(tmp_path: Path) -> None:
    for file, folder, name in (("a", "models", "m"), ("b", "./models", "m"), ("c", "models", "other"), ("d", "elsewhere", "m")):
        (tmp_path / f"{file}.yaml").write_text(CONFIG.format(folder=folder, name=name))
    (tmp_path / "none.yaml").write_text("- a list\n")
    assert sharing_a_deployment(tmp_path / "a.yaml") == ["b.yaml"]
    assert sharing_a_deployment(tmp_path / "c.yaml") == []
    assert sharing_a_deployment(tmp_path / "a.yaml", ["model.name=third"]) == []
