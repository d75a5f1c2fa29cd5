"""Train and fine-tune networks; needs torch and Lightning."""
