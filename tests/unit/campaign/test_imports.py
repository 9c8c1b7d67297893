"""What every job of a campaign imports: a second of it is a second for each job."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["stages", "steps", "status"])
def test_no_job_waits_for_scipy_stats(module):
    code = (
        f"import sys, collinear.campaign.{module}; print('scipy.stats' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
