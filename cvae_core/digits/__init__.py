"""Digits: structured prediction with conditional VAEs (Sohn, Lee and Yan 2015) and the label-conditioned CVAE."""
