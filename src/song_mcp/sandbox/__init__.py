"""A stand-in for PiAPI and gpt.ge on loopback: both HTTP contracts, with real synthesised audio."""
