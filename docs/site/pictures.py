"""Take the pictures of the README: `python docs/site/pictures.py [CONFIG]`, in a project that has run (config_v2.yaml here).

docs/terminal.svg is what `tabtrail run` prints at 80 columns, docs/report.png the top of the page that it leaves. The second
needs Playwright and a Chromium (CHROMIUM, or one on the path).
"""

import fcntl
import io
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import termios
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright
from rich.console import Console
from rich.text import Text

from tabtrail.config.load import load_config

DOCS = Path(__file__).resolve().parent.parent
COLUMNS = 80
VIEW = {"width": 1280, "height": 820}
_COLOURS = 64  # of the picture: a quarter of its size, and no difference to be seen


def main(config: Path) -> None:
    """Take both."""
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    take_terminal(["tabtrail", "run", "--config", config.name], config.parent, DOCS / "terminal.svg")
    take_page(load_config(config).paths.output_dir / "report.html", DOCS / "report.png")


def take_terminal(command: list[str], folder: Path, target: Path) -> None:
    """Draw what a command prints on a terminal of 80 columns, without what it says of its progress."""
    typed = " ".join(command)
    printed = on_a_terminal(command, folder)
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(f"$ {typed}\n{printed}"), overflow="ignore", no_wrap=True)
    drawn = console.export_svg(title="tabtrail", unique_id="terminal")
    # Its letters would come from a server; those of the system do.
    drawn = re.sub(r"@font-face\s*\{.*?\}", "", drawn, flags=re.DOTALL).replace("Fira Code, monospace", "ui-monospace, monospace")
    target.write_text("\n".join(line.rstrip() for line in drawn.splitlines() if line.strip()) + "\n", encoding="utf-8")


def on_a_terminal(command: list[str], folder: Path) -> str:
    """Return the stdout of a command that believes to be on a terminal."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, COLUMNS, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color"}
    process = subprocess.Popen(command, cwd=folder, stdout=theirs, stderr=subprocess.DEVNULL, env=environment)
    os.close(theirs)
    parts = []
    while True:
        try:
            part = os.read(ours, 65_536)
        except OSError:  # what Linux says where the other end is closed
            break
        if not part:
            break
        parts.append(part)
    if process.wait():
        sys.exit(f"{' '.join(command)} ended with exit code {process.returncode}")
    return b"".join(parts).decode().replace("\r\n", "\n")


def take_page(page: Path, target: Path) -> None:
    """Take the top of a page in a light browser."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        shown = browser.new_page(viewport=VIEW)
        shown.goto(f"file://{page.resolve()}")
        shown.wait_for_timeout(500)
        taken = shown.screenshot()
        browser.close()
    Image.open(io.BytesIO(taken)).convert("RGB").quantize(_COLOURS).save(target, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "config_v2.yaml"))
