"""What every backend shares: reply store, retry, rate limits, concurrency, ledger."""
