"""What a dataset card claims about itself, and what must hold between the claims."""
