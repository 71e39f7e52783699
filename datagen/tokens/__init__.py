"""How often each token of a vocabulary occurs: numbers and a drawing."""
