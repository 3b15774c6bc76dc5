"""The one way in which candidates are tried and chosen: looks, strategies and comparisons."""
