"""A page of the dashboard run without a browser."""

from pathlib import Path

from streamlit.testing.v1 import AppTest


def _script(config: str, page: str, allow_train: bool) -> None:
    import importlib
    from pathlib import Path

    from tabtrail.config.load import load_config
    from tabtrail.dashboard.place import Place

    importlib.import_module(f"tabtrail.dashboard.views.{page}").show(
        Place(load_config(Path(config), ()), allow_train=allow_train)
    )


def open_page(page: str, config: Path, *, allow_train: bool = False) -> AppTest:
    """Show a page of the project with this config file, once. A page that raises fails the test."""
    return looked_at(AppTest.from_function(_script, args=(str(config), page, allow_train), default_timeout=60).run())


def looked_at(shown: AppTest) -> AppTest:
    """The page as it is, which must not have raised."""
    assert not shown.exception, [each.message for each in shown.exception]
    return shown


def texts(shown: AppTest) -> str:
    """Every text of a page: titles, paragraphs, captions, notes and commands."""
    parts = (
        shown.title,
        shown.header,
        shown.subheader,
        shown.html,
        shown.markdown,
        shown.caption,
        shown.info,
        shown.success,
        shown.warning,
        shown.error,
        shown.code,
    )
    return "\n".join(str(each.value) for part in parts for each in part)
