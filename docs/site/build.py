"""Build the documentation as a site: `make docs`, or `python docs/site/build.py FOLDER`.

The pages of docs/ are copied into a folder of their own, with the references that are made from the code (`reference.py`), and
Zensical makes the site of them. Then every link is followed, and no page may ask another server for anything.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from check import faults
from reference import references

HERE = Path(__file__).resolve().parent
DOCS = HERE.parent
REPO = DOCS.parent
SHIM = "iframe-worker.js"
TUTORIAL = ["tutorial.md"]
EXPLANATION = ["architecture.md", "decisions.md", "figures.md"]
# In the order in which a project meets them; pages that are not named here follow.
HOW_TO = [
    "your-own-csv.md",
    "python.md",
    "check-the-data.md",
    "find-leakage.md",
    "read-the-leaderboard.md",
    "read-the-report.md",
    "predict-and-serve.md",
    "forecast-demand.md",
    "forecast-and-risk.md",
    "tune.md",
    "neural.md",
    "many-rows.md",
    "gpu.md",
    "continue-and-reproduce.md",
    "promote-and-roll-back.md",
    "watch.md",
    "dashboard.md",
    "quality-report.md",
    "team.md",
    "deploy.md",
    "command-line.md",
    "files-tried.md",
    "when-something-fails.md",
]


def main(target: Path) -> None:
    """Write the site into a folder. Ends with what is wrong, and exit code 1, where something is."""
    with tempfile.TemporaryDirectory(prefix="tabtrail-docs-") as name:
        work = Path(name)
        write_pages(work / "docs")
        (work / "zensical.toml").write_text(as_toml(settings(work / "docs")), encoding="utf-8")
        built = subprocess.run([sys.executable, "-m", "zensical", "build", "--strict"], cwd=work, capture_output=True, text=True)
        if built.returncode:
            sys.exit(f"{built.stdout}{built.stderr}")
        finish(work / "site")
        if wrong := faults(work / "site"):
            sys.exit("\n".join(wrong))
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(work / "site", target)
    print(f"{target / 'index.html'}: {len(list(target.rglob('*.html')))} pages; it opens from the folder, too")


def write_pages(folder: Path) -> None:
    """Write the pages and their pictures, those that are made from the code among them."""
    folder.mkdir()
    for path in sorted(DOCS.iterdir()):
        if path.suffix == ".md":
            (folder / path.name).write_text(with_files(path.read_text(encoding="utf-8"), folder), encoding="utf-8")
        elif path.suffix in (".svg", ".png"):
            shutil.copy(path, folder)
    for name in ("index.md", "extra.css", "extra.js"):
        shutil.copy(HERE / name, folder)
    (folder / "reference").mkdir()
    for name, text in references().items():
        (folder / "reference" / name).write_text(text, encoding="utf-8")
    (folder / "changelog.md").write_text((REPO / "CHANGELOG.md").read_text(encoding="utf-8"), encoding="utf-8")


def with_files(text: str, folder: Path) -> str:
    """Return a page whose links to files of the repository lead to copies of them."""

    def copied(match: re.Match[str]) -> str:
        target = folder / "files" / match[1]
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPO / match[1], target)
        return f"](files/{match[1]})"

    return re.sub(r"\]\(\.\./([^)#]+)\)", copied, text)


def settings(folder: Path) -> dict[str, object]:
    """Return Zensical's settings: the four kinds of pages, fonts of the system, the search in the folder."""
    pages = {path.name for path in folder.glob("*.md")}
    placed = {*TUTORIAL, *EXPLANATION, "index.md", "changelog.md"}
    how_to = [name for name in HOW_TO if name in pages] + sorted(pages - placed - set(HOW_TO))
    reference = sorted(f"reference/{path.name}" for path in (folder / "reference").glob("*.md"))
    kinds = {
        "Tutorial": [name for name in TUTORIAL if name in pages],
        "How to": how_to,
        "Reference": [*reference, "changelog.md"],
        "Explanation": [name for name in EXPLANATION if name in pages],
    }
    return {
        "site_name": "tabtrail",
        "site_description": "From a messy CSV to a served model, with the evidence for each prediction",
        "docs_dir": "docs",
        "site_dir": "site",
        "use_directory_urls": False,
        "nav": [{"Home": "index.md"}, *({kind: names} for kind, names in kinds.items() if names)],
        "extra": {"generator": False},
        "extra_css": ["extra.css"],
        "extra_javascript": ["extra.js"],
        "plugins": {"offline": {}, "search": {}},
        "markdown_extensions": {
            "tables": {},
            "attr_list": {},
            "md_in_html": {},
            "toc": {"permalink": True},
            "pymdownx": {"highlight": {"use_pygments": True}, "superfences": {}},
        },
        "theme": {
            "font": False,  # those of the system; the usual ones come from a server
            "features": [
                "navigation.tabs",
                "navigation.top",
                "navigation.footer",
                "content.code.copy",
                "search.highlight",
                "toc.follow",
            ],
            "palette": [
                {"media": f"(prefers-color-scheme: {name})", "scheme": scheme, "toggle": {"icon": icon, "name": other}}
                for name, scheme, icon, other in (
                    ("light", "default", "lucide/sun", "Switch to dark"),
                    ("dark", "slate", "lucide/moon", "Switch to light"),
                )
            ],
        },
    }


def as_toml(project: dict[str, object]) -> str:
    """Return the settings as a TOML file of inline values, which JSON nearly is."""

    def value(each: object) -> str:
        if isinstance(each, dict):
            return "{" + ", ".join(f"{json.dumps(name)} = {value(inner)}" for name, inner in each.items()) + "}"
        if isinstance(each, list):
            return "[" + ", ".join(map(value, each)) + "]"
        return json.dumps(each)

    return "[project]\n" + "".join(f"{name} = {value(each)}\n" for name, each in project.items())


def finish(site: Path) -> None:
    """Put our copy of the one script in its place that Zensical takes from a CDN."""
    shutil.copy(HERE / SHIM, site / "assets" / "javascripts" / SHIM)
    for page in site.rglob("*.html"):
        up = "../" * (len(page.relative_to(site).parts) - 1)
        text = page.read_text(encoding="utf-8")
        text = text.replace("https://unpkg.com/iframe-worker/shim", f"{up}assets/javascripts/{SHIM}")
        page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "dist/docs"))
