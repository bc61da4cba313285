"""The picture that MLflow shows of several candidates side by side."""

from xml.etree import ElementTree as ET

import numpy as np

from tabtrail.config.model import Model
from tabtrail.report.candidate_picture import candidate_picture

MODEL = Model(target='units of <"A&B">', numeric_features=("a",), currency="EUR")
SVG = "{http://www.w3.org/2000/svg}"


def test_it_is_a_file_of_its_own_that_says_in_words_what_it_shows() -> None:
    predicted = np.append(np.linspace(0, 100, 200), np.nan)
    drawn = candidate_picture(predicted, np.append(np.linspace(0, 100, 200), 1e9), MODEL)
    assert drawn is not None
    root = ET.fromstring(drawn)
    assert root.tag == f"{SVG}svg"
    assert root.findtext(f"{SVG}title") == 'units of <"A&B">, predicted and actual'
    assert "tenth of the rows" in str(root.findtext(f"{SVG}desc"))
    assert ".line {" in str(root.findtext(f"{SVG}style"))
    labels = [each.text for each in root.iter(f"{SVG}text")]
    assert {"predicted, EUR", "actual, EUR"} <= set(labels)
    assert "1,000,000,000" not in labels, "what no fold predicted is not drawn"


def test_too_few_rows_have_no_picture() -> None:
    assert candidate_picture(np.r_[np.arange(9.0), np.nan], np.arange(10.0), MODEL) is None
