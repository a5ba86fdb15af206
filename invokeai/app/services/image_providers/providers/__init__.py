"""The providers that come with the studio, one module each; found by `registry`."""
