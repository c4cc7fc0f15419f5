"""From waveform to intermediate representation (IR): linguistic, prosodic and speaker features.

Axes: B batch, T samples, L frames, C channels of a feature, U units, E embedding, D channels of an IR.
"""
