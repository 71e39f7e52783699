"""A person rates some of the candidates that a judge has rated, as in appendix A of the AFT paper (20 samples)."""
