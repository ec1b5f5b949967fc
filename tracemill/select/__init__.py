"""Row → keep, or drop with a reason. Holds nothing yet."""
