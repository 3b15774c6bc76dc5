"""Is the data sound: what may be wrong with photos and labels, ranked by what it costs."""
