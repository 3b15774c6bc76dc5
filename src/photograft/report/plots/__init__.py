"""Pictures of runs, photos, explanations and learning curves, as PNG."""
