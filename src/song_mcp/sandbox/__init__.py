"""A stand-in for PiAPI and gpt.ge on loopback: both wire contracts, with real synthesised audio."""
