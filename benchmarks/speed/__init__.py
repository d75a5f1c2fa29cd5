"""Speed and memory of single steps and whole commands."""
