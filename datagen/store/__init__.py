"""Datasets, run directories and manifests on disk."""
