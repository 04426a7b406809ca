"""Carrying a model to an unlabelled field: self-training after TransDA, LoRA in place of the EMA teacher.

    warm-up     source with labels, an adversarial term that makes source features look like target ones
    rounds      the same, and the target with pseudo-labels that the round before made

Sources: Chen et al. 2022, TransDA, arXiv:2203.07988 (the procedure); Filatov & Kindulov 2023, Low Rank
Adaptation for Stable Domain Adaptation of Vision Transformers, doi 10.3103/S1060992X2306005X (LoRA for EMA).
"""
