"""A model written down as a list of simple steps, which are evaluated, quantized or exported."""
