"""From the intermediate representation to a waveform: the unified route and the two-stage route."""
