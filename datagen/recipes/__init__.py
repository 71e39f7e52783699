"""A paper's whole pipeline in a few readable lines."""
