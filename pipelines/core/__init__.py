"""The kernel: stages, runs, fingerprints and the ledger. Knows Luigi; knows no domain and no server."""
