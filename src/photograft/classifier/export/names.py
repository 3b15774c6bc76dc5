"""Names of tensors in an exported classifier: what goes in, what is computed, what comes out."""

from __future__ import annotations

#: What is given: photos of any size, or pixels that are resized already.
PHOTOS, PIXELS = "photos", "pixels"
#: What the library computes on the way, too.
FEATURES = "features"
#: What comes out.
PROBABILITIES, LOGITS, OOD_SCORE = "probabilities", "logits", "ood_score"
#: Begins the names of all that is the network's own.
BACKBONE = "backbone."
