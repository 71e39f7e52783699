"""Record contracts: pydantic models, and the Arrow and JSON schemas derived from them."""
