"""The two services behind one protocol: `base` says what a provider is, each adapter is one."""
