"""A generic incremental builder: stages, steps, plans, and a content-addressed store.

It knows nothing about probes or LLMs. In the terms of Mokhov, Mitchell and Peyton Jones, "Build
systems à la carte": a topological scheduler with constructive traces and early cutoff.
"""
