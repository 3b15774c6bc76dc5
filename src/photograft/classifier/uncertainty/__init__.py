"""How sure may one be? Calibration, abstaining, conformal sets, out-of-distribution scores."""
