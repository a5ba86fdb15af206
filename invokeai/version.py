"""The version that the server reports; 6.14.2 names the InvokeAI contract it speaks."""

__version__ = "0.1.0"
CONTRACT_VERSION = "6.14.2"
