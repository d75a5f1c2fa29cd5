"""Input files of each participant: fMRIPrep derivatives, other derivatives and archives."""
