"""Benchmarks: a script each, printing one JSON line; the README's table says how to run them."""
