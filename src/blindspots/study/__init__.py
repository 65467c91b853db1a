"""Everything that computes over a run directory: plan, run, resume, verify, transfer."""
