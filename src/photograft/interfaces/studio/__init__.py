"""The page of `photograft studio`: a local server, and what a browser shows of it."""
