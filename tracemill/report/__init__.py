"""What came out of a run: its record, the dataset card, what a terminal shows."""
