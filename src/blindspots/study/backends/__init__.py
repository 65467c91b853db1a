"""Where a run is worked on: in this process, in several, or on a cluster; rows are the same.

Nothing is imported here: a cluster's actors are small because they know nothing of torch.
"""
