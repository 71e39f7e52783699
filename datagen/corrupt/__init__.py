"""Negatives of known quality (AFT, appendix E): corrupted solutions whose error is known and recorded."""
