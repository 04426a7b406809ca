"""Training: labelled rasters in, a model bundle and a report out.

``dataset`` opens and splits what the user gave, ``chips`` draws training windows, ``loop`` is the one
visible training loop, ``run`` ties them to a request and writes the results.
"""
