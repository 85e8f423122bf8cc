"""The numbers that a dataset card states, and the rules between them."""
