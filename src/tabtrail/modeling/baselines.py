"""The families that others are held against, and are never deployed, and the one made of others, by name: for what must not wait
for the libraries of all.
"""

BASELINE = "MeanBaseline"
FORMULA = "FormulaBaseline"
BASELINES = (BASELINE, FORMULA)
BLEND = "Blend"
