"""Where work is done: in this process, in processes of its own, or on a Ray cluster."""
