"""Find the files of each participant in a dataset: fMRIPrep derivatives and archives."""
