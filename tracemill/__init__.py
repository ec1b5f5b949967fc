"""tracemill: agent traces into training data."""
