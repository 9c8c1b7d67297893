"""The d-spline equals that of DSICE 1.0.1 (provenance: README.md beside this file)."""

import json
from pathlib import Path

import numpy as np
import pytest

from collinear.search import dspline

FITS = json.loads((Path(__file__).parent / "dspline_fits.json").read_text())


@pytest.mark.parametrize("case", FITS, ids=lambda c: f"{c['ns']}-alpha{c['alpha']}")
def test_fit_equals_reference(case):
    spline = dspline.fit(case["ns"], case["idx"], case["y"], alpha=case["alpha"])
    np.testing.assert_allclose(spline.markers, case["f_markers"], rtol=0, atol=1e-9)
    np.testing.assert_allclose(spline.estimates, case["f_samples"], rtol=0, atol=1e-9)
