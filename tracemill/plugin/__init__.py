"""Where Data Designer's engine is met, and nowhere else: seed source, column types, their generators."""
