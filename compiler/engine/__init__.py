"""A generic incremental builder: stages, steps, plans, a content-addressed store.

Knows no probe and no LLM. In the terms of Mokhov, Mitchell and Peyton Jones, "Build systems a la
carte": a topological scheduler with constructive traces and early cutoff.
"""
