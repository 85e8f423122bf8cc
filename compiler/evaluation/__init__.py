"""Methods that put a hidden state into words, evaluated on a probe dataset."""
