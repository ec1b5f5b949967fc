"""Speed, memory and prompts, measured side by side with the same dataset written the plain way. See README.md."""
