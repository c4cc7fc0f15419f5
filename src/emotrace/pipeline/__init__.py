"""The method: rows, and what makes a waveform and its measurements of an utterance."""
