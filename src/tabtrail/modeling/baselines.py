"""The families that others are held against, and are never deployed, by name: for what must not wait for the libraries of all."""

BASELINE = "MeanBaseline"
FORMULA = "FormulaBaseline"
BASELINES = (BASELINE, FORMULA)
