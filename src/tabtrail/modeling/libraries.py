"""What the families of models are made of: for what names versions without importing the libraries, which takes seconds."""

MODEL_LIBRARIES = ("scikit-learn", "xgboost-cpu", "xgboost", "lightgbm", "catboost")
"""The distributions on PyPI, as `modeling.families.model_libraries` gathers them."""
