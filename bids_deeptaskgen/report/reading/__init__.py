"""Content of pages, read from the files of an output dataset."""
