"""The explorer: a local web application that shows traversals while they happen.

`serve` starts it; `app` is what it answers; `guard` decides who may ask; `worker` runs a model for
everybody at once; `traversals`, `triangles` and `contrast` are the long work, a turn at a time.
"""
