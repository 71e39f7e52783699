"""Prompt templates as files, and the loader that checks and hashes them."""
