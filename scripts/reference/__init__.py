"""Pages of docs/reference that follow from the program. `make reference` writes them."""
