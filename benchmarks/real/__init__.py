"""Cross-validate all models on real participants, whose data are given as parcel series and parcel maps."""
