"""The built-in generator of GSM8K-style problems."""
