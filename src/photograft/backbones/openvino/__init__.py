"""Networks run by OpenVINO: converted from torch once, then started without it."""
