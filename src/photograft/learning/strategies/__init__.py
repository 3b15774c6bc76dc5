"""The ways to learn, one file each; `registry` has a line for each of them."""
