"""Where a row of a data set came from, from its last stage back to the problem and the reply."""
