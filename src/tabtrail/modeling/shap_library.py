"""The package shap, imported when an explanation needs it."""

from types import ModuleType


def shap_library() -> ModuleType:
    """Return the package."""
    import shap  # seconds, and compiled code, which only models without contributions of their own need

    return shap  # type: ignore[no-any-return]
