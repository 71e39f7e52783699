"""Reasoning models: who answers a request."""
