"""What a run needs before others can use it: checks, a licence, Parquet shards, a card, and the way to the Hub."""
