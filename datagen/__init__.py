"""Turns word problems into verified, deduplicated training data for reasoning models."""

__version__ = "0.1.0"
