"""The explorer: a local web application that shows traversals while they happen.

`serve` starts it; `web_app` is what it answers; `guard` decides who may ask; `model_thread` runs a
model for everybody at once; `traversal_job` and `triangle_job` are the long work, a turn at a time.
"""
