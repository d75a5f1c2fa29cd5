"""Train and fine-tune networks, which needs torch and Lightning; fit ridge models, which needs neither."""
