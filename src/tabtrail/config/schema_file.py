"""The JSON Schema of the config as it lies in the package, for editors: `make schema` writes it again."""

from pathlib import Path

SCHEMA_FILE = Path(__file__).with_name("schema.json")


def editor_line() -> str:
    """Return the comment by which an editor finds the schema of this installation, as the first line of a config."""
    return f"yaml-language-server: $schema={SCHEMA_FILE.as_uri()}"
