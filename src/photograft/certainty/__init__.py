"""How sure one may be: calibration, abstaining, sets of classes, and "none of these"."""
