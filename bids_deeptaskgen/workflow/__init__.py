"""The nipype graph; the only home of nipype."""
