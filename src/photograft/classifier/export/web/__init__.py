"""A classifier as a page that classifies in any browser, without a network."""
