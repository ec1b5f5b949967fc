"""A run: flags, models, preview, create, journal, resume, partitions and their merge."""
